"""Points 1 and 2: one ticket over its critical path, and a batch of ten against a sequential handler.

The functions with simple arguments run in an interpreter of their own (`Lab.run`); the others are called by the report.
"""

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import Context, completed, queued
from bench.figures import Figure
from bench.harness import LATENCIES, Lab

_TICKET = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def figures(lab: Lab, storage: str, *, rounds: int = 7, baseline_rounds: int = 2, goals: bool = True) -> list[Figure]:
    """Both points with these stand-ins; `storage` names what the function stores to."""
    first = vendor_tickets.prepare(lab.vendor, rounds + 2, start=0)
    found = [_one(lab.run("ingest.one_ticket", tickets=first, cold_token=True), storage, goals=goals)]
    many = vendor_tickets.prepare(lab.vendor, 10 * (rounds // 2 + 1), start=1000)
    batches = [many[at : at + 10] for at in range(0, len(many), 10)]
    product = lab.run("ingest.batches", batches=batches)
    baseline = lab.run("ingest.baseline_batches", batches=batches[1 : 1 + baseline_rounds])
    per_ticket = median(product["seconds"]) / 10
    found.append(
        Figure(
            f"batch of ten, fewer seconds billed per ticket than a sequential handler ({storage})",
            median(baseline["seconds"]) / 10 / per_ticket,
            goal=8.0 if goals else None,
            at_least=True,
            raw={
                "product_seconds_per_ticket": per_ticket,
                "baseline_seconds_per_ticket": median(baseline["seconds"]) / 10,
                "product_batches": product["seconds"],
                "baseline_batches": baseline["seconds"],
                "product_cpu_per_ticket": median(product["cpu"]) / 10,
                "baseline_cpu_per_ticket": median(baseline["cpu"]) / 10,
            },
        )
    )
    return found


def _one(measured: dict[str, Any], storage: str, *, goals: bool) -> Figure:
    vendor = (LATENCIES["token"] + max(LATENCIES["details"], LATENCIES["images"])) / 1000
    ratios = [took / (vendor + stored) for took, stored in zip(measured["seconds"], measured["storage"], strict=True)]
    return Figure(
        f"one ticket, wall time over its critical path ({storage})",
        median(ratios),
        goal=1.15 if goals else None,
        raw={
            "seconds": measured["seconds"],
            "critical_path_vendor": vendor,
            "critical_path_storage": measured["storage"],
            "calls_to_aws": measured["calls"],
        },
    )


def one_ticket(tickets: Sequence[str], *, cold_token: bool) -> dict[str, Any]:
    """Each ticket alone in a warm function; then the same calls to AWS, made bare: what storage takes of its path."""
    from ingest.handlers import sqs as sqs_handler
    from ticket_archive import aws

    calls: list[tuple[str, str, dict[str, Any]]] = []
    make = aws.client

    def recording(service: str, config: Any) -> Any:
        client = make(service, config)

        def record(params: dict[str, Any], model: Any, **_: Any) -> None:
            calls.append((service, model.name, dict(params)))

        client.meta.events.register("provide-client-params.*.*", record)
        return client

    aws.client = recording
    seconds, storage = [], []
    with ThreadPoolExecutor(16) as pool:
        for number, ticket in enumerate(tickets):
            if cold_token and number:
                _forget_token()
            calls.clear()
            took = _timed(partial(sqs_handler.handle, completed([ticket]), Context()))
            stored = _replay(calls, pool)
            if number > 1:  # the first makes clients, the second connections
                seconds.append(took)
                storage.append(stored)
    return {"seconds": seconds, "storage": storage, "calls": [name for _, name, _ in calls]}


def _forget_token() -> None:
    from ingest import dependencies

    tokens = dependencies.sqs().processor._archive._fetcher._vendor._tokens  # type: ignore[attr-defined]  # noqa: SLF001
    tokens._token = None  # noqa: SLF001


def _replay(calls: Sequence[tuple[str, str, dict[str, Any]]], pool: ThreadPoolExecutor) -> float:
    """How long the recorded calls take that wait for one another, for a ticket of another name: images side by side."""
    images: list[tuple[str, str, dict[str, Any]]] = []
    others: list[tuple[str, str, dict[str, Any]]] = []
    for service, name, params in calls:
        renamed = _renamed(params)
        if name == "PutItem" and str(params["Item"].get("record", "")).find("event#") >= 0:
            continue  # written while the vendor is asked
        (images if "/images/" in str(params.get("Key", "")) else others).append((service, name, renamed))
    took = sum(_timed(partial(_call, *call)) for call in others)
    return took + _timed(lambda: list(pool.map(lambda call: _call(*call), images)))


_clients: dict[str, Any] = {}


def _call(service: str, name: str, params: dict[str, Any]) -> None:
    from botocore import xform_name
    from botocore.config import Config

    from ticket_archive import aws

    if service not in _clients:
        _clients[service] = aws.client(service, Config(max_pool_connections=16))
    getattr(_clients[service], xform_name(name))(**params)


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(each) if name != "id" else {"S": each["S"] + "-again"} for name, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    return _TICKET.sub(lambda match: match[0][:-4] + "0000", value) if isinstance(value, str) else value


def batches(batches: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """The product's seconds per batch, in a warm function."""
    from ingest import app

    return _batches(batches, lambda batch: app.lambda_handler(completed(batch), Context()))


def baseline_batches(batches: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """The sequential handler's; it makes its clients when it is loaded."""
    from tests.bench import baseline

    return _batches([[], *batches], lambda batch: baseline.lambda_handler(queued(batch), Context()))


def _batches(batches: Sequence[Sequence[str]], handle: Callable[[Sequence[str]], object]) -> dict[str, list[float]]:
    """The first batch warms up and is not counted."""
    seconds, cpu = [], []
    for number, batch in enumerate(batches):
        began = time.process_time()
        took = _timed(partial(handle, batch))
        if number:
            seconds.append(took)
            cpu.append(time.process_time() - began)
    return {"seconds": seconds, "cpu": cpu}


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
