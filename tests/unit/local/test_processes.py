import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.errors import StartFailed
from local.processes import Ledger, Started, end
from tests.support.waiting import eventually

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
WITH_A_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)",
]
IGNORES_SIGTERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


def start(folder: Path, command: list[str]) -> Started:
    return Ledger(folder / "processes.json").start("a process", command, environment={}, log=folder / "log")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Started]:
    process = start(tmp_path, SLEEP)
    yield process
    end([process])


def printed(log: Path) -> str:
    return eventually(lambda: log.read_text().strip(), "what it prints", 10)


def test_another_process_with_the_same_id_is_not_stopped(sleeper: Started) -> None:
    other = sleeper._replace(started_at=0.01)
    assert not other.running
    assert end([other]) == []
    assert sleeper.running


def test_a_processs_children_are_stopped_with_it(tmp_path: Path) -> None:
    process = start(tmp_path, WITH_A_CHILD)
    child = int(printed(tmp_path / "log"))
    end([process])
    zombie = psutil.STATUS_ZOMBIE
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == zombie, "its end", 2)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, IGNORES_SIGTERM)
    printed(tmp_path / "log")
    assert end([process]) == [process]
    assert not process.running


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_process_that_does_not_become_ready_is_recorded_and_stopped(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("local.processes.READY_SECONDS", seconds)
    ledger = Ledger(tmp_path / "processes.json")
    with pytest.raises(KeyboardInterrupt if seconds else StartFailed):
        ledger.start("slow", SLEEP, environment={}, log=tmp_path / "log", probe=interrupted)
    [recorded] = ledger.read()
    assert (recorded.name, recorded.running) == ("slow", None)
