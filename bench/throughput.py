"""Tickets per second and core on the local stack, and the time from webhook to manifest, at 1, 4 and 16 in flight.

The naive application beside it is the tutorial handler, deployed with a queue of its own on the same emulator, with the
product's layer, memory and concurrency. Its tickets come straight from SQS, and all are of the one kind that it can
archive. Functions run on the emulator's Python, and most of the time is the emulator's own, so there is no goal.
"""

import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

from botocore.config import Config

from bench.harness import INPUTS, ROOT, USUAL, VENDOR_SECONDS, Figure
from local import account, round_trip
from local import stack as local_stack
from local.json_templates import render_json
from local.simulator import Simulator
from local.stack import Stack
from local.terminal import SILENT

IN_FLIGHT = {1: 3, 4: 8, 16: 16}
"""How many tickets are measured with so many in flight."""
TIME_LIMIT = 60.0
"""Seconds after which a ticket counts as not archived."""


@dataclass(frozen=True)
class Application:
    """How to send a ticket (`send` returns what went wrong, or None), and where its manifest is stored."""

    name: str
    send: Callable[[str], str | None]
    manifest: str


def figures() -> list[Figure]:
    """Return rates and times of both applications for each number of tickets in flight. Both archive the same ones."""
    with tempfile.TemporaryDirectory() as name:
        stack = local_stack.up(Path(name), SILENT)
        try:
            with closing(Simulator(stack.vendor_url)) as vendor:
                most = max(IN_FLIGHT)
                ids = _prepared(vendor, most + sum(IN_FLIGHT.values()))
                send = partial(round_trip.post, stack, vendor, form="completed")
                applications = (Application("product", send, "tickets/{}/manifests/"), _naive(stack))
                with ThreadPoolExecutor(2) as both:  # so that no function is started while others are measured
                    list(both.map(lambda application: _measure(stack, application, ids[:most], most), applications))
                return [each for one in applications for each in _figures(stack, one, iter(ids[most:]))]
        finally:
            local_stack.down(Path(name))


def _figures(stack: Stack, application: Application, ids: Iterator[str]) -> Iterator[Figure]:
    for in_flight, count in IN_FLIGHT.items():
        measured = _measure(stack, application, list(islice(ids, count)), in_flight)
        late = measured["not_archived"]
        missing = f" ({late} not archived in {TIME_LIMIT:.0f} s)" if late else ""
        name = f"{application.name}, {in_flight} in flight:"
        rate = measured["per_second"] / (os.cpu_count() or 1)
        yield Figure(f"{name} tickets per second and core{missing}", rate, unit="/s", raw=measured)
        if len(measured["seconds"]) > 1:
            percents = quantiles(measured["seconds"], n=100, method="inclusive")
            yield Figure(f"{name} p50", percents[49], unit=" s", samples=measured["seconds"])
            yield Figure(f"{name} p99", percents[98], unit=" s")


def _measure(stack: Stack, application: Application, ids: list[str], in_flight: int) -> dict[str, Any]:
    """Archive these tickets, and return seconds of each that was archived in time, and how many were not."""
    config = Config(max_pool_connections=in_flight)
    s3 = stack.account.session().client("s3", endpoint_url=stack.endpoint_url, config=config)

    def archive(ticket: str) -> float | None:
        began = time.perf_counter()
        if problem := application.send(ticket):
            raise RuntimeError(problem)
        prefix = application.manifest.format(ticket)
        while not s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix, MaxKeys=1)["KeyCount"]:
            if time.perf_counter() - began > TIME_LIMIT:
                return None
            time.sleep(0.05)
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        seconds = [each for each in pool.map(archive, ids) if each is not None]
    rate = len(seconds) / (time.perf_counter() - began)
    return {"seconds": seconds, "per_second": rate, "not_archived": len(ids) - len(seconds)}


def _prepared(vendor: Simulator, count: int) -> list[str]:
    """Return the ids of ordinary tickets whose images are generated; the vendor has the assumed response times."""
    vendor("latency", **{name: 1000 * seconds for name, seconds in VENDOR_SECONDS.items()})
    ids = [str(each["ticket"]) for each in vendor("tickets", count=count)]
    for ticket in ids:
        vendor("state", ticket=ticket, sizes=USUAL, **INPUTS["naive"])
        vendor("expected", ticket=ticket)  # draws the images
    return ids


def _naive(stack: Stack) -> Application:
    """Deploy and return the naive application."""
    client: Any = partial(stack.account.session().client, endpoint_url=stack.endpoint_url)
    outputs, code = account.outputs(stack.account, stack.stack_name), {"bucket": stack.bucket, "key": "naive.zip"}
    client("s3").put_object(Bucket=code["bucket"], Key=code["key"], Body=_package())
    product = client("lambda").get_function_configuration(FunctionName=outputs["IngestFunctionName"])
    concurrency = int(local_stack.PARAMETERS["VendorMaxConcurrency"])
    # The product's role may use neither this queue nor keys under baseline/.
    given = {"product": product, "policy": account.EVERYTHING, "concurrency": concurrency}
    template, cloudformation = render_json("naive.json.j2", **code, **given), client("cloudformation")
    cloudformation.create_stack(StackName="naive", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="naive", WaiterConfig={"Delay": 1})
    queue, sqs = account.outputs(stack.account, "naive")["QueueUrl"], client("sqs")

    def send(ticket: str) -> None:
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"ticket": ticket}))

    return Application("naive application", send, "baseline/{}/manifest.json")


def _package() -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for name in ("__init__.py", "baselines/__init__.py", "baselines/models.py", "baselines/tutorial.py"):
            archive.write(ROOT / "bench" / name, f"bench/{name}")
    return package.getvalue()
