"""The processes that the local stack started, recorded in a file so that `down` stops exactly those.

A process is identified by its id and its start time: ids are reused, and no other process may be stopped.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from local.errors import StartFailed

LOOPBACK = "127.0.0.1"
TERMINATION_SECONDS = 10.0
"""Time between SIGTERM and SIGKILL."""


class Started(NamedTuple):
    """A process in a session of its own, so that its children can be stopped with it."""

    name: str
    pid: int
    started_at: str

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return bool(self.started_at) and start_time(self.pid) == self.started_at


_children: dict[int, subprocess.Popen[bytes]] = {}  # to reap them, if this process stops what it started


def start(name: str, command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path) -> Started:
    """Start `command` so that it outlives this process, with its output in `log`."""
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
    return Started(name, process.pid, start_time(process.pid))


def wait_until_ready(process: Started, probe: Callable[[], object], seconds: float, log: Path) -> None:
    """Return when `probe` raises no OSError. Raises StartFailed if the process ends, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not process.alive:
            raise StartFailed(f"The {process.name} stopped at once; see {log}.")
        with suppress(OSError):
            probe()
            return
        time.sleep(0.1)
    raise StartFailed(f"The {process.name} was not ready within {seconds:.0f} s; see {log}.")


def free_port() -> int:
    """Return a port that nothing uses now. If another process takes it first, the start fails and says so."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def listen_error(address: str, port: int) -> str | None:
    """Return why nothing can listen there, or None."""
    try:
        socket.create_server((address, port)).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_port_is_free(port: int, remedy: str) -> None:
    """Raise StartFailed if 127.0.0.1:`port` is in use; `remedy` is the option that chooses another."""
    if listen_error(LOOPBACK, port):
        raise StartFailed(f"Port {port} is in use. Choose another one: {remedy}.")


def start_time(pid: int) -> str:
    """Return the process's start time in the system's own format, empty for a zombie or an unknown id."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            # proc(5): the state (field 3) and the start time (22) follow the command, which is in brackets.
            state, *fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return "" if state in "ZX" else fields[18]
        return ""
    shown = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, moment = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else moment.strip()


def end(processes: Iterable[Started]) -> list[Started]:
    """Stop the running processes, the latest first, and their children; return those that were running."""
    running = [process for process in reversed(list(processes)) if _alive(process)]
    for process in running:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + TERMINATION_SECONDS
    while time.monotonic() < deadline and any(_alive(process) for process in running):
        time.sleep(0.05)
    for process in running:
        # Even if it has ended: a child may be left, and while one lives the group's id is not reused.
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
    """The file of started processes, written right after each start so that a crash leaves no orphan."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Started]:
        """Return the recorded processes, running or not."""
        if not self._path.exists():
            return []
        return [Started(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))]

    def add(self, process: Started) -> None:
        """Record a process."""
        entries = [entry._asdict() for entry in [*self.read(), process]]
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps(entries), encoding="utf-8")
        staged.replace(self._path)
