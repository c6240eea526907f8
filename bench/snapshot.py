"""What SnapStart leaves of a cold start: the first answer of a process that has imported its function already.

In a snapshot the imports are done; what a copy of it still does for its first event is measured here, beside a process
that starts from nothing. The restore itself, which is AWS's, is not part of it.
"""

import importlib
import os
import sys
import time
from types import ModuleType
from typing import Any

from bench.events import Context, completed, images_request, request, tickets
from bench.harness import Figure, lab, ratio

GOALS = {"webhook": 0.6, "retrieval": 0.6, "first archive": 0.75}


def figures(rounds: int = 5) -> list[Figure]:
    """Return each handler's first answer from a snapshot over that of a process which imports first."""
    found = []
    with lab() as stand_ins:
        restored = stand_ins.having(AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
        for kind, goal in GOALS.items():
            cold, kept = [], []
            for _ in range(rounds):
                cold.append(stand_ins.run("snapshot.first", kind=kind))
                kept.append(restored.run("snapshot.first", kind=kind))
            whole = [each["imports"] + each["first"] for each in cold]
            left = [each["first"] for each in kept]
            raw = {"cold": cold, "snapshot": kept}
            found.append(ratio(f"first answer from a snapshot over a cold start, {kind}", left, whole, goal, raw=raw))
    return found


def first(kind: str) -> dict[str, float]:
    """Return the seconds of the imports and of the first answer."""
    event = {
        "webhook": lambda: request("webhook_completed_encrypted"),
        "retrieval": lambda: images_request(8),
        "first archive": lambda: completed(tickets(1)),
    }[kind]()
    hooks: Any = ModuleType("snapshot_restore_py")  # the runtime's own, as far as it is used
    after: list[tuple[Any, ...]] = []
    hooks.register_after_restore = lambda *hook: after.append(hook)
    hooks.register_before_snapshot = lambda function, *given: function(*given)
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        sys.modules["snapshot_restore_py"] = hooks
    began = time.perf_counter()
    app: Any = importlib.import_module("retrieval.app" if kind == "retrieval" else "ingest.app")
    imported = time.perf_counter()
    for hook, *given in after:
        hook(*given)
    answer = app.lambda_handler(event, Context())
    if answer.get("batchItemFailures") or answer.get("statusCode", 200) >= 300:
        raise RuntimeError(f"{kind} failed: {answer}")
    return {"imports": imported - began, "first": time.perf_counter() - imported}
