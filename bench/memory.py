"""Point 4: memory over the largest response, and whether it stays flat over a thousand tickets in one warm process.

Read from Linux: the resident set, and its highest mark, which is set back before a ticket. The mark is that of the
whole process, so threads, buffers and fragments count; what a warm process has anyway does not.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import Context, completed
from bench.figures import Figure
from bench.harness import Lab

RESPONSES = (1_000_000, 4_000_000, 9_000_000)
MEMORY_MB = 1024
"""What the template gives the ingest function."""
_SMALL = (30_000,)


def figures(
    lab: Lab, *, tickets: int = 1000, responses: Sequence[int] = RESPONSES, batch_size: int = 10
) -> list[Figure]:
    """Peaks for tickets of which one answer is large and for a batch of which all are, and the growth over many."""
    [warm] = vendor_tickets.prepare(lab.vendor, 1, start=4000)
    found = []
    for number, size in enumerate(responses):
        sizes = {**dict.fromkeys(vendor_tickets.USUAL, _SMALL), "DOCUMENT": (size * 3 // 4,)}
        [ticket] = vendor_tickets.prepare(lab.vendor, 1, 4001 + number, sizes)
        expected = lab.vendor("expected", ticket=ticket)["images"]["DOCUMENT"]
        response = sum(len(base64.b64encode(bytes(int(image["bytes"])))) for image in expected)
        peak = lab.run("memory.peak", warm=warm, ticket=ticket)
        found.append(
            Figure(
                f"memory, peak of a ticket over its largest response ({response / 1e6:.1f} MB)",
                peak["over_warm_bytes"] / response,
                goal=3.0,
                raw={**peak, "response_bytes": response},
            )
        )
    largest = dict.fromkeys(vendor_tickets.USUAL, (max(responses) * 3 // 4,))
    batch = vendor_tickets.prepare(lab.vendor, batch_size, 4050, largest)
    peak = lab.run("memory.batch", warm=warm, batch=batch)
    name = f"memory, resident at the height of a batch of {batch_size}, every answer {max(responses) / 1e6:.0f} MB"
    found.append(Figure(name, peak["peak_bytes"] / 2**20, unit=" MB", goal=MEMORY_MB, raw=peak))
    small = vendor_tickets.prepare(lab.vendor, 10, 4100, dict.fromkeys(("SELF_PORTRAITS", "DOCUMENT"), _SMALL))
    few = lab.having(IMAGE_TYPES="SELF_PORTRAITS,DOCUMENT")
    held = few.run("memory.held", batch=small, tickets=tickets)
    fifth = held["resident_bytes"][max(1, len(held["resident_bytes"]) // 5) - 1]
    growth = held["resident_bytes"][-1] / fifth
    found.append(Figure(f"memory after {tickets} tickets over that after a fifth of them", growth, goal=1.05, raw=held))
    return found


def peak(warm: str, ticket: str) -> dict[str, int]:
    """Bytes: of the warm process, and how much more at the height of one ticket."""
    for _ in range(3):
        _archive([warm])
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    _archive([ticket])
    return {"warm_bytes": before, "over_warm_bytes": _status("VmHWM") - before}


def batch(warm: str, batch: Sequence[str]) -> dict[str, int]:
    """Bytes of the process, warm and at the height of a batch."""
    _archive([warm])
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    _archive(batch)
    return {"warm_bytes": before, "peak_bytes": _status("VmHWM")}


def held(batch: Sequence[str], tickets: int) -> dict[str, Any]:
    """The resident set after each tenth of so many tickets, in batches."""
    resident = []
    for number in range(tickets // len(batch)):
        _archive(batch)
        if (number + 1) % max(1, tickets // len(batch) // 10) == 0:
            resident.append(_status("VmRSS"))
    return {"resident_bytes": resident}


def _archive(tickets: Sequence[str]) -> None:
    from ingest import app

    answer = app.lambda_handler(completed(tickets), Context())
    if answer["batchItemFailures"]:
        raise RuntimeError(json.dumps(answer))


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {name}: this needs Linux")
