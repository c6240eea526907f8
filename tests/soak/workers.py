"""Find, measure and kill the processes in which the emulator runs the ingest function."""

import random
from collections import Counter
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import median

import psutil

from local.processes import Ledger

_WARM = 3
"""The number of samples after which a worker counts as warm."""


class Workers:
    """The workers of the stack in the folder `state`."""

    def __init__(self, state: Path, seed: int) -> None:
        [emulator] = [each.pid for each in Ledger(state / "run" / "processes.json").read() if each.name == "emulator"]
        self._emulator = psutil.Process(emulator)
        self._random = random.Random(seed)
        self._known: dict[psutil.Process, psutil.Process] = {}
        self._measured: Counter[psutil.Process] = Counter()
        self._samples: list[list[int]] = []
        self.killed = 0

    def measure(self) -> None:
        """Record the memory (RSS) of every warm worker."""
        sample = []
        for worker in self._workers():
            with suppress(psutil.Error):
                size = worker.memory_info().rss
                self._measured[worker] += 1
                if self._measured[worker] > _WARM:
                    sample.append(size)
        if sample:
            self._samples.append(sample)

    def kill(self) -> None:
        """Kill one of the two workers that used the most CPU since the last call, as a crash would."""
        with suppress(psutil.Error):
            busy = sorted(self._workers(), key=lambda worker: worker.cpu_percent())[-2:]
            if busy:
                self._random.choice(busy).kill()
                self.killed += 1

    def quarters(self) -> tuple[float, float]:
        """Return the median memory of a warm worker in the first and in the last quarter of the run, in MB."""
        quarter = max(1, len(self._samples) // 4)
        first, last = (list(chain.from_iterable(part)) for part in (self._samples[:quarter], self._samples[-quarter:]))
        return (median(first) / 1e6, median(last) / 1e6) if first and last else (0.0, 0.0)

    def _workers(self) -> list[psutil.Process]:
        """Return the ingest function's processes; the same objects each time, which `cpu_percent` needs."""
        found = []
        for child in self._emulator.children():
            with suppress(psutil.Error):
                if any("IngestFunction" in word for word in child.cmdline()):
                    found.append(self._known.setdefault(child, child))
        return found
