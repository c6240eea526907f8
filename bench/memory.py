"""Memory: a ticket's peak over its largest response, a batch of ten large tickets, and growth over many tickets.

Read from Linux: the resident set and its peak, which is reset before a ticket. Threads, buffers and fragments count.
`python -m bench.memory 100000` sends so many tickets through one process.
"""

import sys
import time
from pathlib import Path
from typing import Any

from bench.harness import USUAL, Figure, Harness
from bench.targets import prepare, tickets

RESPONSES = (1_000_000, 4_000_000, 9_000_000)
BATCH_MB = 384
"""The goal for a batch of ten tickets whose every response is as large as the vendor can send."""
SAMPLES = 10


def figures(dry_run: int = 1000) -> list[Figure]:
    """Return all figures; `dry_run` is how many tickets' messages go through the handlers of one process."""
    found = []
    with Harness.start() as harness:
        for size in RESPONSES:
            harness.configure(sizes={**_each(30_000), "DOCUMENT": [size * 3 // 4]})
            peak = harness.run("memory.peak", count=1)
            value = (peak["peak_bytes"] - peak["warm_bytes"]) / size
            name = f"memory of a ticket over a response of {size / 1e6:.0f} MB"
            found.append(Figure(name, value, 3.0, raw=peak))
        harness.configure(sizes=_each(max(RESPONSES) * 3 // 4))
        peak = harness.run("memory.peak", count=10)
        name = "memory of a batch of ten, every response 9 MB"
        found.append(Figure(name, peak["peak_bytes"] / 2**20, BATCH_MB, unit=" MB", raw=peak))
        return found + dry_run_figures(harness, dry_run)


def dry_run_figures(harness: Harness, count: int) -> list[Figure]:
    """Return growth between the second tenth of a dry run, when all is warm, and the last; and slowdown."""
    harness.configure(sizes=_each(2_000))
    # One call for images instead of five: growth shows in the same places, in less time.
    found = harness.run("memory.many", variables={"IMAGE_TYPES": "DOCUMENT"}, count=count)
    resident, cpu = found["resident_bytes"], found["cpu_per_ticket"]
    name, half = f"{count:,} tickets through one process:", SAMPLES // 2
    return [
        Figure(f"{name} memory at the end over that after a fifth", resident[-1] / resident[1], 1.05, raw=found),
        # The least of each half, because other processes only add to it.
        Figure(f"{name} CPU of the last half over the first", min(cpu[half:]) / min(cpu[1:half]), 1.05),
    ]


def peak(count: int) -> dict[str, int]:
    """Return bytes resident in the warm process, and at the peak of one batch."""
    for _ in range(3):
        prepare("product", tickets(1))()
    invoke = prepare("product", tickets(count))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins at the present size
    invoke()
    return {"warm_bytes": before, "peak_bytes": _memory("VmHWM")}


def many(count: int) -> dict[str, Any]:
    """Send this many tickets' webhooks through the SQS handler in batches of ten; return ten measurements."""
    resident, cpu = [], []
    for _ in range(SAMPLES):
        used = 0.0
        for _ in range(count // SAMPLES // 10):
            invoke = prepare("product", tickets(10))
            began = time.process_time()
            invoke()
            used += time.process_time() - began
        cpu.append(used / count * SAMPLES)
        resident.append(_memory("VmRSS"))
    return {"resident_bytes": resident, "cpu_per_ticket": cpu}


def _each(size: int) -> dict[str, list[int]]:
    """Return one image of this size for each type."""
    return {kind: [size] for kind in USUAL}


def _memory(name: str) -> int:
    """Return a line of /proc/self/status in bytes: VmRSS (resident now) or VmHWM (the peak since it was reset)."""
    [line] = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    with Harness.start() as started:
        for figure in dry_run_figures(started, int(sys.argv[1])):
            print(f"{figure.name}: {figure.value:.3f}", figure.raw)
