"""What SnapStart leaves of a cold start: the first answer of a process that has imported its function already.

In a snapshot the imports are done; what a copy of it still does at its first call is measured here, beside a process
that begins with nothing. The restore itself, which is AWS's, is not in it.
"""

import importlib
import os
import sys
import time
from statistics import median
from types import ModuleType
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import Context, queued, request
from bench.figures import Figure
from bench.harness import Lab

_SNAPSHOT = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


def figures(lab: Lab, *, rounds: int = 9) -> list[Figure]:
    """Each door's first answer from a snapshot, over that of a process that imports first."""
    tickets = vendor_tickets.prepare(lab.vendor, 2 * rounds, start=6000)
    cases = {
        "webhook door": ("ingest.app", request("webhook_completed_encrypted")),
        "retrieval": ("retrieval.app", request("retrieval_images", ticket="images-8")),
        "ingest, first archive": ("ingest.app", None),
    }
    found = []
    for door, (function, event) in cases.items():
        cold: list[dict[str, float]] = []
        kept: list[dict[str, float]] = []
        for number in range(rounds):
            for place, into in enumerate((cold, kept)):
                given = event or queued([tickets[2 * number + place]])
                into.append(
                    (lab if place == 0 else lab.having(**_SNAPSHOT)).run("snapshots.first", name=function, event=given)
                )
        whole = median(each["imports"] + each["first"] for each in cold)
        left = median(each["first"] for each in kept)
        raw = {"cold_seconds": whole, "left_seconds": left, "cold": cold, "snapshot": kept}
        found.append(Figure(f"from a snapshot, {door}: first answer over that of a cold start", left / whole, raw=raw))
    return found


def first(name: str, event: dict[str, Any]) -> dict[str, float]:
    """Seconds of the imports and of the first answer."""
    hooks: Any = ModuleType("snapshot_restore_py")  # the runtime's own, as far as it is used
    after: list[tuple[Any, ...]] = []
    hooks.register_after_restore = lambda *hook: after.append(hook)
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        sys.modules["snapshot_restore_py"] = hooks
    began = time.perf_counter()
    app: Any = importlib.import_module(name)
    imported = time.perf_counter()
    for hook, *given in after:
        hook(*given)
    answer = app.lambda_handler(event, Context())
    if answer.get("batchItemFailures") or answer.get("statusCode", 200) >= 300:
        raise RuntimeError("no answer")
    return {"imports": imported - began, "first": time.perf_counter() - imported}
