"""The processes that the local stack started, by id and start time (ids are reused): `down` stops only those."""

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

import psutil

from local.errors import StartFailed

LOOPBACK = "127.0.0.1"
READY_SECONDS = 60.0
END_SECONDS = 2.0


class Started(NamedTuple):
    """A process in a session of its own, so that its children can be stopped with it."""

    name: str
    pid: int
    started_at: float

    @property
    def running(self) -> psutil.Process | None:
        """The process, or None if it has ended."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if process.status() != psutil.STATUS_ZOMBIE and start_time(process) == self.started_at:
                return process
        return None


def start_time(process: psutil.Process) -> float:
    """Return when the process started: in seconds after the boot on Linux, where others change with the clock."""
    return round(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0), 2)


def end(processes: Iterable[Started]) -> list[Started]:
    """Kill the running processes and their children; return those that were running. None has anything to save."""
    running = {each: process for each in reversed(list(processes)) if (process := each.running)}
    for each in running:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(each.pid, signal.SIGKILL)
    psutil.wait_procs(running.values(), END_SECONDS)
    return list(running)


class Ledger:
    """The file of started processes, written right after each start so that a crash leaves no orphan."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Started]:
        """Return the recorded processes, running or not."""
        if not self._path.exists():
            return []
        return [Started(**entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))]

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        probe: Callable[[], object] = lambda: None,
    ) -> Started:
        """Start and record a process that outlives this one, with its output in `log`.

        Return it when `probe` raises no OSError. Raises StartFailed, and stops it.
        """
        with log.open("ab") as file:
            child = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # it is not this object's to wait for, or Python warns of it
        process = Started(name, child.pid, start_time(psutil.Process(child.pid)))
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps([each._asdict() for each in [*self.read(), process]]), encoding="utf-8")
        staged.replace(self._path)
        deadline = time.monotonic() + READY_SECONDS
        try:
            while time.monotonic() < deadline:
                if not process.running:
                    raise StartFailed(f"The {name} stopped at once; see {log}.")
                with suppress(OSError):
                    probe()
                    return process
                time.sleep(0.1)
            raise StartFailed(f"The {name} was not ready within {READY_SECONDS:.0f} s; see {log}.")
        except BaseException:
            end([process])
            raise


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
