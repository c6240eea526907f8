"""A command line on a stack in memory."""

from functools import cache

import pytest
import typer.main
from typer.testing import CliRunner

from ops import stack
from tests.unit.ops.cli_harness import SECRET, CliHarness, FakeStack

_command = cache(typer.main.get_command)


@pytest.fixture(autouse=True)
def _command_line_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.testing._get_command", _command)


@pytest.fixture
def fake() -> FakeStack:
    return FakeStack()


@pytest.fixture
def cli(fake: FakeStack, monkeypatch: pytest.MonkeyPatch) -> CliHarness:
    monkeypatch.setattr(stack, "aws", lambda *_: fake)
    return CliHarness(fake, CliRunner())


@pytest.fixture
def with_secret(cli: CliHarness) -> CliHarness:
    cli.stack.secrets["WebhookSecretArn"] = SECRET
    return cli
