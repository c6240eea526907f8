import fcntl
import json
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from local import __main__, containers, stack
from local.errors import AlreadyUp, LocalStackError, StartFailed
from local.processes import Ledger, Started, end
from local.stack import Stack, Vendor, down, up
from local.terminal import SILENT
from local.vendor.credential import Credential

# The contract of stack.json.
KEYS = {
    *("webhook_url", "webhook_secret", "api_url", "endpoint_url", "region", "access_key_id", "secret_access_key"),
    *("vendor_url", "stack_name", "table", "bucket", "queue_url", "dead_letter_queue_url", "quarantine_queue_url"),
    "ca_bundle",
}

A_STACK = Stack(**{key: f"the {key}" for key in KEYS})


def emulator(state: Path) -> Started:
    """Start a process that is recorded as the emulator of the state folder."""
    (state / "run").mkdir()
    ledger = Ledger(state / "run" / "processes.json")
    return ledger.start(
        "emulator", [sys.executable, "-c", "import time; time.sleep(60)"], environment={}, log=state / "log"
    )


def test_stack_json_has_the_documented_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_is_running", lambda _: True)
    for damaged in ("{", "[]", '{"webhook_url": "of another release"}'):
        (tmp_path / "stack.json").write_text(damaged)
        with pytest.raises(LocalStackError, match="make down"):
            Stack.load(tmp_path)
    A_STACK.save(tmp_path)
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600, "readable by its owner alone"
    assert json.loads((tmp_path / "stack.json").read_text()) == {key: f"the {key}" for key in KEYS}
    assert Stack.load(tmp_path) == A_STACK


def test_a_stacks_secrets_are_not_in_its_repr() -> None:
    shown = repr(A_STACK) + repr(A_STACK.account)
    assert "the webhook_secret" not in shown
    assert "the secret_access_key" not in shown


def test_env_prints_what_a_program_needs_to_call_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS command line reads AWS_REGION, boto3 AWS_DEFAULT_REGION; only these two read AWS_CA_BUNDLE."""
    monkeypatch.setattr(__main__, "STATE", tmp_path)
    monkeypatch.setattr(stack, "_is_running", lambda _: True)
    A_STACK.save(tmp_path)
    lines = CliRunner().invoke(__main__.app, ["env"]).stdout.splitlines()
    regions, bundles = ("AWS_REGION", "AWS_DEFAULT_REGION"), ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    needed = dict.fromkeys(regions, "region") | dict.fromkeys((*bundles, "NODE_EXTRA_CA_CERTS"), "ca_bundle")
    needed["QUEUE_URL"] = "queue_url"
    assert {f"export {name}='the {key}'" for name, key in needed.items()} <= set(lines)


@pytest.mark.parametrize(
    "command", ["up --port 65536", "demo --tickets 0", "sam api -p -1", "sam debug e --port 65536"]
)
def test_a_number_that_cannot_be_used_is_a_usage_error(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "STATE", tmp_path)
    monkeypatch.setattr(stack, "up", lambda *_, **__: pytest.fail("started"))
    assert CliRunner().invoke(__main__.app, command.split()).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_up_for_containers_without_an_engine_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_engine() -> None:
        raise StartFailed("no engine")

    monkeypatch.setattr(__main__, "find_engine", no_engine)
    monkeypatch.setattr(stack, "up", lambda *_, **__: pytest.fail("started"))
    assert isinstance(CliRunner().invoke(__main__.app, ["up", "--docker"]).exception, StartFailed)


def test_up_for_containers_opens_a_stack_that_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    def running(*_: object, **__: object) -> None:
        raise AlreadyUp("running")

    opened: list[object] = []
    monkeypatch.setattr(__main__, "find_engine", lambda: None)
    monkeypatch.setattr(stack, "up", running)
    monkeypatch.setattr(stack, "open_to_containers", lambda *given: opened.append(given))
    assert CliRunner().invoke(__main__.app, ["up", "--docker"]).exit_code == 0
    assert len(opened) == 1


def test_a_failed_start_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a start that starts a process and then fails
    started = []

    def fails(state: Path, *_: object) -> Stack:
        started.append(emulator(state))
        raise StartFailed("no")

    monkeypatch.setattr(stack, "_start", fails)
    # WHEN the stack is started
    with pytest.raises(StartFailed):
        up(tmp_path, SILENT, port=4566)
    # THEN the process has ended, and no state is left
    assert not started[0].running
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "stack.json").exists()


def test_another_vendor_is_called_instead_of_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}
    monkeypatch.setattr("local.emulator.run", lambda *_: None)
    monkeypatch.setattr("local.account.make_user", lambda root: root)
    monkeypatch.setattr("local.simulator.run", lambda *_: pytest.fail("the simulator was started"))
    monkeypatch.setattr("local.deploy.deploy", lambda _, parameters, *__: called.update(url=parameters["VendorUrl"]))
    made = replace(A_STACK, webhook_secret="x" * 32)
    monkeypatch.setattr(stack, "connect", lambda _, __, vendor: (called.update(vendor=vendor), made)[1])
    vendor = Vendor("https://vendor.test", Credential.generate(1))
    assert up(tmp_path, SILENT, vendor=vendor, port=4566) == made
    assert called == {"url": "https://vendor.test", "vendor": vendor}
    assert list((tmp_path / "events").iterdir())


def test_a_running_stack_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = emulator(tmp_path)
    ended = Started(containers.NAME, process.pid, 0.0)  # its id has another process now
    recorded = [each._asdict() for each in (process, ended)]
    (tmp_path / "run" / "processes.json").write_text(json.dumps(recorded))
    A_STACK.save(tmp_path)
    monkeypatch.setattr(stack, "_start", lambda *_: pytest.fail("started again"))
    with pytest.raises(AlreadyUp):
        up(tmp_path, SILENT, port=4566)
    assert process.running
    assert Stack.load(tmp_path) == A_STACK
    assert down(tmp_path) == ["emulator"]
    assert not process.running


@pytest.mark.parametrize("recorded", [True, False])
def test_a_stack_whose_processes_died_is_started_again(
    recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN the state of a stack whose process is gone, with or without its record
    if recorded:
        end([emulator(tmp_path)])
    A_STACK.save(tmp_path)
    monkeypatch.setattr(stack, "_start", lambda *_: A_STACK)
    with pytest.raises(LocalStackError, match="make up"):
        Stack.load(tmp_path)
    # WHEN it is started THEN it runs
    assert up(tmp_path, SILENT, port=4566) == A_STACK
    assert not (tmp_path / "run" / "processes.json").exists()


def test_a_second_up_or_down_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AlreadyUp):
            up(tmp_path, SILENT, port=4566)
        with pytest.raises(AlreadyUp):
            down(tmp_path)
