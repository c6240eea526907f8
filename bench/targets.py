"""The product and its baselines behind one call, so that all are measured by the same code."""

import gc
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median

from bench.events import Context, completed, requested, tickets
from bench.harness import ASYNCIO_PYTHON, PYTHON, Lab

BASELINES = ("tutorial", "threads", "asyncio")
_MODULES = {"tutorial": "tutorial", "threads": "threads", "asyncio": "asynchronous"}


def python_of(target: str) -> Path:
    """Return the interpreter that has what the target imports."""
    return ASYNCIO_PYTHON if target == "asyncio" else PYTHON


def prepare(target: str, ids: Sequence[str]) -> Callable[[], None]:
    """Return the invocation that archives these tickets; making its event is not part of it.

    The product gets the vendor's encrypted webhooks, a baseline the tickets' ids in clear.
    """
    name = "ingest.app" if target == "product" else f"bench.baselines.{_MODULES[target]}"
    handler = import_module(name).lambda_handler
    event = completed(ids) if target == "product" else requested(ids)

    def invoke() -> None:
        if handler(event, Context())["batchItemFailures"]:
            raise RuntimeError(f"{target} did not archive every ticket")

    return invoke


def measure(target: str, batches: int, size: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Return wall and CPU seconds of each batch in a warm process; CPU is user and system, of all threads."""
    for _ in range(warm_up):
        prepare(target, tickets(1))()
    found: dict[str, list[float]] = {"seconds": [], "cpu": []}
    for _ in range(batches):
        invoke = prepare(target, tickets(size))
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        invoke()
        found["seconds"].append(time.perf_counter() - began)
        found["cpu"].append(time.process_time() - cpu)
    return found


def per_ticket(lab: Lab, target: str, batches: int, size: int) -> dict[str, float]:
    """Return the median seconds and CPU seconds per ticket, measured in a fresh interpreter."""
    given = {"target": target, "batches": batches, "size": size}
    found = lab.run("targets.measure", python=python_of(target), **given)
    return {name: median(values) / size for name, values in found.items()}
