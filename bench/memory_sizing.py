"""The power curve: how long work takes, and what it costs, with the CPU share that Lambda gives to a memory size.

A process of its own does the work while a governor holds it to a share of one CPU as Linux's bandwidth control does:
in each period of 20 ms it may use so much CPU time, then it is stopped until it has earned more. Lambda gives
one CPU at 1,769 MB and shares below and above in proportion
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). It is this machine's CPU, not AWS's: the shape
of the curve carries over, the seconds do not. Above one CPU this measures one: Python's threads hardly use more.
"""

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from subprocess import Popen
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import Context, completed, request
from bench.figures import Figure
from bench.harness import Lab, measurement

SIZES = (128, 256, 512, 768, 1024, 1769, 3008)
MB_PER_CPU = 1769
DOLLARS_PER_GB_SECOND = 0.0000166667  # x86_64, first tier, eu-central-1 and us-east-1 alike
_PERIOD = 0.02


def figures(lab: Lab, *, sizes: Sequence[int] = SIZES, batches: int = 3) -> list[Figure]:
    """A curve per kind of work: a batch of ten tickets, one ticket, a request for signed URLs, a webhook."""
    tickets = vendor_tickets.prepare(lab.vendor, 10, start=5000)
    points = []
    for size in sizes:
        point: dict[str, Any] = {"mb": size, "cpu_share": min(1.0, size / MB_PER_CPU)}
        for work in ("batch", "ticket", "urls", "webhook"):
            given = {
                "work": work,
                "tickets": tickets,
                "times": batches if work in ("batch", "ticket") else 10 * batches,
            }
            with measurement("power.work", lab.environment, given) as (process, out):
                _hold(process, point["cpu_share"])
                result = json.loads(out.read_text())
            point[f"{work}_seconds"] = result["seconds"]
            point[f"{work}_first_seconds"] = result["first_seconds"]
            point["resident_mb"] = max(point.get("resident_mb", 0), result["resident_mb"])
            point[f"{work}_dollars_per_million"] = result["seconds"] * size / 1024 * DOLLARS_PER_GB_SECOND * 1e6
        points.append(point)
    best = min(points, key=lambda point: float(point["batch_dollars_per_million"]))
    return [Figure("power curve: cheapest size for a batch of ten", best["mb"], unit=" MB", raw={"points": points})]


def work(work: str, tickets: Sequence[str], times: int) -> dict[str, float]:
    """Seconds of the first invocation, imports included, and of a later one (the median)."""
    began = time.perf_counter()
    if work in ("urls", "webhook"):
        from ingest import app as ingest
        from retrieval import app as retrieval  # imported here: this is a cold start

        function: Any = retrieval if work == "urls" else ingest
        event = (
            request("retrieval_images", ticket="images-8") if work == "urls" else request("webhook_completed_encrypted")
        )

        def once() -> None:
            function.lambda_handler(event, Context())

    else:
        from ingest import app as ingest

        batch = tickets if work == "batch" else tickets[:1]

        def once() -> None:
            if ingest.lambda_handler(completed(batch), Context())["batchItemFailures"]:
                raise RuntimeError("a ticket was not archived")

    once()
    first = time.perf_counter() - began
    took = []
    for _ in range(times):
        began = time.perf_counter()
        once()
        took.append(time.perf_counter() - began)
    seconds = median(took)
    resident = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1]
    )
    return {"first_seconds": first, "seconds": seconds, "resident_mb": resident / 1024}


def _hold(process: Popen[bytes], share: float) -> None:
    """Until the process ends, it gets no more than this share of one CPU."""
    clock = (~process.pid << 3) | 2  # the process's own CPU clock (clock_getcpuclockid)
    running, earned, used, looked = True, _PERIOD * share, 0.0, time.monotonic()
    while process.poll() is None:
        time.sleep(0.001)
        now, spent = time.monotonic(), _cpu_seconds(clock, used)
        # What is not used within a period is lost, as under Linux's bandwidth control.
        earned = min(earned + (now - looked) * share - (spent - used), _PERIOD * share)
        used, looked = spent, now
        if share < 1.0 and running != (earned > 0):
            running = earned > 0
            os.kill(process.pid, signal.SIGCONT if running else signal.SIGSTOP)
    if process.wait() != 0:
        raise RuntimeError("the work under the governor failed")


def _cpu_seconds(clock: int, before: float) -> float:
    try:
        return time.clock_gettime(clock)
    except OSError:  # it has just ended
        return before
