"""The processes that the local stack started: kept in a file, so that `down` ends exactly those and no other.

A process is its id AND the moment it began: ids are reused, and a stranger must never be stopped.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PATIENCE = 10.0
"""Seconds between asking a process to end and ending it."""


class Started(NamedTuple):
    """A process that we began, in a session of its own, so that its children can be ended with it."""

    name: str
    pid: int
    began: str

    @property
    def alive(self) -> bool:
        """Whether it is still that process, and running."""
        return beginning(self.pid) == self.began


_children: dict[int, subprocess.Popen[bytes]] = {}  # ours to reap, when the process that starts is the one that ends


def start(name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path) -> Started:
    """Begin `command`, to outlive this process. What it prints goes to `log`."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    return Started(name, process.pid, beginning(process.pid))


def beginning(pid: int) -> str:
    """When process `pid` began, in the system's own words; empty when there is none (a zombie is none)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            # proc(5): after the command in brackets, which may hold anything, come the state (3) and the start (22).
            state, *fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return "" if state in "ZX" else fields[18]
        return ""
    shown = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, moment = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else moment.strip()


def end(processes: Iterable[Started]) -> list[Started]:
    """End those of `processes` that still run, the last begun first, and their children; returns those that ran."""
    running = [process for process in reversed(list(processes)) if process.alive]
    for process in running:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and any(_alive(process) for process in running):
        time.sleep(0.05)
    for process in running:
        # Also when it has ended: a child may have stayed behind, and as long as one lives the group's id is not reused.
        _signal(process, signal.SIGKILL)
        if child := _children.pop(process.pid, None):
            child.wait()
    return running


def _alive(process: Started) -> bool:
    if (child := _children.get(process.pid)) is not None and child.poll() is not None:
        del _children[process.pid]
    return process.alive


def _signal(process: Started, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class Ledger:
    """The file of started processes; written before anything else happens to one, so that a crash leaves no orphan."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Started]:
        """The processes written down, running or not."""
        if not self._path.exists():
            return []
        return [Started(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))]

    def add(self, process: Started) -> None:
        """Write `process` down."""
        entries = [entry._asdict() for entry in [*self.read(), process]]
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps(entries), encoding="utf-8")
        staged.replace(self._path)
