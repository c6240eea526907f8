import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.processes import Ledger, Started, beginning, end, start

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
WITH_A_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)",
]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Started]:
    process = start("sleeper", SLEEP, environment={}, log=tmp_path / "log")
    yield process
    end([process])


def said(log: Path) -> str:
    for _ in range(200):
        if log.exists() and (text := log.read_text().strip()):
            return text
        time.sleep(0.05)
    raise AssertionError("it said nothing")


def gone(pid: int) -> bool:
    """Whether process `pid` is not there any more, or not for long: a killed one is a moment in dying."""
    for _ in range(40):
        if beginning(pid) == "":
            return True
        time.sleep(0.05)
    return False


def test_a_process_is_alive_until_it_is_ended(sleeper: Started) -> None:
    before = sleeper.alive

    assert end([sleeper]) == [sleeper]

    assert (before, sleeper.alive) == (True, False)
    assert end([sleeper]) == []


def test_a_stranger_with_the_same_id_is_left_alone(sleeper: Started) -> None:
    stranger = sleeper._replace(began="some other time")

    assert not stranger.alive
    assert end([stranger]) == []
    assert sleeper.alive


def test_a_processs_children_end_with_it(tmp_path: Path) -> None:
    process = start("parent", WITH_A_CHILD, environment={}, log=tmp_path / "log")
    child = int(said(tmp_path / "log"))

    end([process])

    assert gone(child)


def test_a_process_that_does_not_listen_is_ended_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.processes.PATIENCE", 0.2)
    process = start("deaf", DEAF, environment={}, log=tmp_path / "log")
    said(tmp_path / "log")

    assert end([process]) == [process]

    assert not process.alive


def test_it_gets_the_environment_it_is_given_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    command = [sys.executable, "-c", "import os; print('AWS_PROFILE' in os.environ, os.environ['GIVEN'])"]

    process = start("env", command, environment={"GIVEN": "this"}, log=tmp_path / "log")

    assert said(tmp_path / "log") == "False this"
    end([process])


def test_no_process_has_no_beginning() -> None:
    assert beginning(os.getpid()) != ""
    assert beginning(2**22 + 1) == ""


def test_the_ledger_gives_back_what_was_written_down(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "processes.json")
    assert ledger.read() == []
    processes = [Started("emulator", 10, "100"), Started("vendor", 11, "101")]

    for process in processes:
        ledger.add(process)

    assert Ledger(tmp_path / "processes.json").read() == processes
