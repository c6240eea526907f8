"""Memory: a ticket's peak over its largest response, a batch of ten large tickets, and growth over many tickets.

Read from Linux: the resident set and its peak, which is reset before a ticket. Threads, buffers and fragments count.
"""

import time
from typing import Any

from bench.events import tickets
from bench.harness import USUAL, Figure, lab, memory, reset_peak
from bench.targets import prepare

RESPONSES = (1_000_000, 4_000_000, 9_000_000)
BATCH_MB = 384
"""The goal for a batch of ten tickets whose every response is as large as the vendor can send."""
SMALL = {kind: [2_000] for kind in USUAL}


def figures(dry_run: int = 1000) -> list[Figure]:
    """Return all figures; `dry_run` is how many tickets' messages go through the handlers of one process."""
    found = []
    with lab() as stand_ins:
        for size in RESPONSES:
            stand_ins.configure(sizes={**{kind: [30_000] for kind in USUAL}, "DOCUMENT": [size * 3 // 4]})
            peak = stand_ins.run("memory.peak", count=1)
            value = (peak["peak_bytes"] - peak["warm_bytes"]) / size
            name = f"memory of a ticket over a response of {size / 1e6:.0f} MB"
            why = "bytes, text and parsed text are in memory at once; parsing from the bytes would take a third less"
            found.append(Figure(name, value, 3.0, raw=peak, why=why))
        stand_ins.configure(sizes={kind: [max(RESPONSES) * 3 // 4] for kind in USUAL})
        peak = stand_ins.run("memory.peak", count=10)
        name = "memory of a batch of ten, every response 9 MB"
        found.append(Figure(name, peak["peak_bytes"] / 2**20, BATCH_MB, unit=" MB", raw=peak))
        return found + dry_run_figures(stand_ins.run("memory.many", count=dry_run, sizes=SMALL, url=stand_ins.url))


def dry_run_figures(found: dict[str, Any]) -> list[Figure]:
    """Return growth and slowdown between the second tenth of a dry run, when all is warm, and the last."""
    resident, cpu = found["resident_bytes"], found["cpu_per_ticket"]
    name = f"{found['tickets']:,} tickets through one process:"
    half = len(cpu) // 2
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
    before = memory("VmRSS")
    reset_peak()
    invoke()
    return {"warm_bytes": before, "peak_bytes": memory("VmHWM")}


def many(count: int, sizes: dict[str, list[int]], url: str) -> dict[str, Any]:
    """Send this many tickets' webhooks through the SQS handler in batches of ten, and look ten times."""
    from bench.harness import Lab

    Lab({}, url).configure(sizes=sizes)
    resident, cpu = [], []
    for _ in range(10):
        used = 0.0
        for _ in range(count // 100):
            invoke = prepare("product", tickets(10))
            began = time.process_time()
            invoke()
            used += time.process_time() - began
        cpu.append(used / (count // 100 * 10))
        resident.append(memory("VmRSS"))
    return {"tickets": count // 100 * 100, "resident_bytes": resident, "cpu_per_ticket": cpu}


if __name__ == "__main__":
    import sys

    with lab() as made:
        for figure in dry_run_figures(made.run("memory.many", count=int(sys.argv[1]), sizes=SMALL, url=made.url)):
            print(f"{figure.name}: {figure.value:.3f}", figure.raw)
