"""The processes in which the emulator runs the functions: found, measured, and killed in the middle of their work."""

import os
import random
import signal
from collections import defaultdict
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import median

from local.processes import Ledger

_PAGE = os.sysconf("SC_PAGE_SIZE")
_WARM = 3
"""Samples after which a worker has loaded what it needs."""


class Workers:
    """The ingest function's workers of the stack in the folder `state`, and nobody else's."""

    def __init__(self, state: Path, seed: int) -> None:
        [self._emulator] = [
            each.pid for each in Ledger(state / "run" / "processes.json").read() if each.name == "emulator"
        ]
        self._random = random.Random(seed)
        self._ticks: dict[int, int] = {}
        self._memory: dict[int, list[int]] = defaultdict(list)
        self._samples: list[list[int]] = []
        self.killed = 0

    def measure(self) -> None:
        """Takes a sample of every worker's memory (RSS)."""
        sample = []
        for pid in self._pids():
            with suppress(OSError):
                size = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
                self._memory[pid].append(size)
                if len(self._memory[pid]) > _WARM:
                    sample.append(size)
        if sample:
            self._samples.append(sample)

    def kill(self) -> None:
        """Ends the worker that has worked most since the last time, or another busy one, as a crash would."""
        busy = sorted(self._worked().items(), key=lambda entry: entry[1])[-2:]
        if busy:
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(busy)[0], signal.SIGKILL)
                self.killed += 1

    def quarters(self) -> tuple[float, float]:
        """The median of a warm worker's memory in the first and in the last quarter of the run, in MB."""
        quarter = max(1, len(self._samples) // 4)
        first, last = (list(chain.from_iterable(part)) for part in (self._samples[:quarter], self._samples[-quarter:]))
        return (median(first) / 1e6, median(last) / 1e6) if first and last else (0.0, 0.0)

    def _worked(self) -> dict[int, int]:
        """Processor time of every worker since the last look, in ticks."""
        worked = {}
        for pid in self._pids():
            with suppress(OSError):
                # proc(5): after the command in brackets come the state (3) … utime (14) and stime (15)
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                ticks = int(fields[11]) + int(fields[12])
                worked[pid] = ticks - self._ticks.get(pid, 0)
                self._ticks[pid] = ticks
        return worked

    def _pids(self) -> list[int]:
        """The emulator's children that run the ingest function."""
        found = []
        for task in Path(f"/proc/{self._emulator}/task").iterdir():
            with suppress(OSError):
                found += [int(pid) for pid in (task / "children").read_text(encoding="ascii").split()]
        return [pid for pid in found if b"IngestFunction" in _command(pid)]


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
