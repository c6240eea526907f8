"""Common options, exit codes, and what every command does with bad input."""

import json
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from ops import commands as command_line
from ops.app import hoist_common_options
from ops.commands import app
from ops.errors import Exit
from tests.unit.ops.cli_harness import CliHarness

ONE_TICKET = ["status", "fetch", "view", "settle"]
TICKETS = ["erase", "hold", "release"]


def arguments_of(command: str, folder: Path) -> list[str]:
    return ["-o", str(folder)] if command == "fetch" else []


@pytest.mark.parametrize(
    ("given", "hoisted"),
    [
        (["status", "t", "--json"], ["--json", "status", "t"]),
        (["list", "--region", "r", "--day", "d", "--local"], ["--region", "r", "--local", "list", "--day", "d"]),
        (["erase", "--profile=p", "t"], ["--profile=p", "erase", "t"]),
        (["backfill", "--", "--json"], ["backfill", "--", "--json"]),
        (["status", "t", "--region"], ["--region"]),
    ],
)
def test_common_options_are_accepted_anywhere(given: list[str], hoisted: list[str]) -> None:
    assert hoist_common_options(given) == hoisted


@pytest.mark.parametrize(
    "arguments",
    [
        ["backfill"],
        ["list"],
        ["list", "--customer", "C", "--state", "incomplete"],
        *(["list", "--day", day] for day in ("2026-13-01", "yesterday", "20260101", "")),
        ["redrive", "quarantine", "--since", "yesterday"],
        ["redrive", "quarantine", "--ticket", "t1"],
        *(["send-test-webhook", "--event", event] for event in ("completed", "invitation")),
        ["send-test-webhook", "--wait"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(arguments: list[str], cli: CliHarness) -> None:
    assert cli(*arguments).exit_code == Exit.USAGE


@pytest.mark.parametrize("command", [*ONE_TICKET, *TICKETS])
def test_an_unknown_ticket_exits_1_with_one_line(command: str, cli: CliHarness, tmp_path: Path) -> None:
    result = cli(command, "t1", *arguments_of(command, tmp_path / "new"))
    assert result.exit_code == Exit.FAILED
    assert (
        result.stderr.splitlines()[-1]
        == "ticket t1 is not in the archive; `backfill t1` fetches it if the vendor knows it"
    )
    assert cli.stack.recorded == []


@pytest.mark.parametrize("command", [*ONE_TICKET, "audit"])
def test_a_malformed_ticket_exits_2_without_a_network_call(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, "../t", *arguments_of(command, tmp_path)])
    assert result.exit_code == Exit.USAGE
    assert "not a ticket id" in result.stderr


@pytest.mark.parametrize("command", TICKETS)
def test_tickets_come_from_exactly_one_source_or_exit_2_without_a_network_call(command: str) -> None:
    run = partial(CliRunner().invoke, app)
    for arguments in ([], ["t1", "--customer", "C"], ["t1", "--file", "-"], ["--customer", "C", "--file", "-"]):
        assert run([command, *arguments], input="t1\n").exit_code == Exit.USAGE
    assert run([command, "../t"]).exit_code == Exit.USAGE
    assert run([command, "--file", "-"], input="# none\n").exit_code == Exit.USAGE


@pytest.mark.parametrize("options", [["erase", "t1", "--reason-code"], ["hold", "t1", "--case"]])
def test_a_case_is_a_code_and_no_free_text(options: list[str], cli: CliHarness) -> None:
    cli.stack.add_ticket("t1")
    assert cli(*options, "Jane Doe asked").exit_code == Exit.USAGE
    assert cli.stack.calls == []


@pytest.fixture
def _process_is_restored() -> Iterator[None]:
    """`main` changes the process, which is pytest's."""
    before, mask = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}, os.umask(0o077)
    yield
    os.umask(mask)
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("_process_is_restored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_ends_a_command_like_ctrl_c_unless_it_is_ignored(
    ignored: bool, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(**_: str) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(command_line, "app", command)
    signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    with nullcontext() if ignored else pytest.raises(KeyboardInterrupt):
        command_line.main()


@pytest.mark.usefixtures("_process_is_restored")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_characters_that_a_terminal_does_not_have_are_escaped(
    options: list[str], cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.stack.add_ticket("t1", outcome="ACCEPT\xc9")
    printed = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(printed, "ascii", write_through=True))
    monkeypatch.setattr("sys.argv", ["ticket-archive", *options, "status", "t1"])
    with pytest.raises(SystemExit, match="0"):
        command_line.main()
    if options:
        assert json.loads(printed.getvalue())["outcome"] == "ACCEPT\xc9"
    else:
        assert rb"ACCEPT\xc9" in printed.getvalue()


@pytest.mark.usefixtures("_process_is_restored")
@pytest.mark.parametrize(("stream", "said"), [("stdin", "no ticket ids were given"), ("stdout", "output is closed")])
def test_a_closed_stream_is_no_bug(
    stream: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, stream, None)
    monkeypatch.setattr("sys.argv", ["ticket-archive", "--json", "erase", "--file", "-"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert said in f"{ended.value}{capsys.readouterr().err}"


def test_ctrl_c_while_modules_are_imported_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(ModuleType):
        @property
        def main(self) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "ops.commands", Interrupted("ops.commands"))
    with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:  # the latter would end pytest itself
        runpy.run_module("ops", run_name="__main__")
    assert ended.value.args == (Exit.INTERRUPTED,)


def test_every_command_has_help() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == Exit.OK
