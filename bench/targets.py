"""The product and its baselines behind one call, so that all are measured by the same code."""

import gc
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from statistics import median

from bench.events import completed, context, requested, tickets
from bench.harness import ASYNCIO_PYTHON, PYTHON, Harness

BASELINES = {
    "tutorial": "bench.baselines.tutorial",
    "threads": "bench.baselines.threads",
    "asyncio": "bench.baselines.asynchronous",
}


def prepare(target: str, ids: Sequence[str]) -> Callable[[], None]:
    """Return the invocation that archives these tickets; making its event is not part of it.

    The product gets the vendor's encrypted webhooks, a baseline the tickets' ids in clear.
    """
    handler = import_module(BASELINES.get(target, "ingest.app")).lambda_handler
    event = completed(ids) if target == "product" else requested(ids)

    def invoke() -> None:
        if handler(event, context())["batchItemFailures"]:
            raise RuntimeError(f"{target} did not archive every ticket")

    return invoke


def measure(target: str, batches: int, size: int) -> dict[str, list[float]]:
    """Return wall and CPU seconds of each batch in a warm process; CPU is user and system, of all threads."""
    for _ in range(2):
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


def per_ticket(harness: Harness, target: str, batches: int, size: int) -> dict[str, float]:
    """Return the median seconds and CPU seconds per ticket, measured in a fresh interpreter."""
    python = ASYNCIO_PYTHON if target == "asyncio" else PYTHON
    found = harness.run("targets.measure", python=python, target=target, batches=batches, size=size)
    return {name: median(values) / size for name, values in found.items()}
