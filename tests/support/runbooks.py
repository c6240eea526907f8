"""Chapters, commands and queries of docs/operations.md, and a shell in which commands are typed as they stand."""

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from local.deploy import SAM
from ops.commands import app
from tests.support.documentation import ROOT
from tests.support.stack import LocalStack

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
AWS = ROOT / ".venv-scan" / "bin"

_COMMAND = re.compile(
    r"^ {4,8}((?:aws|\./ticket-archive) .*(?:\n {6,}--.*)*)$|`(\./ticket-archive [^`]*)`", re.MULTILINE
)
Line = Mapping[str, Any]


def chapter(name: str) -> str:
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def sections(text: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}


def commands(text: str) -> list[str]:
    """Return a text's commands in order: those on lines of their own, and those within sentences."""
    return [line or inline for line, inline in _COMMAND.findall(text)]


QUERIES = {
    name: re.search(r"```logs-insights\n(.+?)```", section, re.DOTALL)[1]  # type: ignore[index]
    for name, section in sections(chapter("Logs")).items()
    if "```logs-insights" in section
}


def value(line: Line, field: str) -> Any:
    """Return a field as Logs Insights finds it in JSON: dots separate levels."""
    found: Any = line
    for name in field.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def finds(query: str, lines: Sequence[Line], **given: Sequence[str]) -> Sequence[Line]:
    """Return the lines that pass the query's filters, `=` and `ispresent`; `given` has the values of placeholders."""
    for condition in (part for text in re.findall(r"filter (.+)", query) for part in text.split(" and ")):
        if present := re.fullmatch(r"ispresent\(([\w.]+)\)", condition):
            lines = [line for line in lines if value(line, present[1]) is not None]
        else:
            field, wanted = re.fullmatch(r'([\w.]+) = "(.+)"', condition).groups()  # type: ignore[union-attr]
            lines = [line for line in lines if value(line, field) in given.get(wanted, (wanted,))]
    return lines


def run(command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command; return its output."""
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)


def environment(stack: LocalStack) -> dict[str, str]:
    """Return a shell's environment: the account and the tools."""
    assert (AWS / "aws").exists(), "`make test` installs the AWS command line"
    return {
        **stack.at.account.settings(),
        "PATH": f"{AWS}:{SAM.parent}:{os.environ['PATH']}",
        "REQUESTS_CA_BUNDLE": stack.at.ca_bundle,
        "SAM_CLI_POLL_DELAY": "0.2",
        "SAM_CLI_TELEMETRY": "0",
    }


SYNTAX = re.compile(r"[|&;<>$`\n]")
"""What only a shell understands."""
_ALONE = threading.Lock()


class Shell:
    """Types commands in a folder that has what they need of the project."""

    def __init__(self, stack: LocalStack, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        named = stack.outputs
        [mapping] = stack.functions.list_event_source_mappings(EventSourceArn=named["QueueArn"])["EventSourceMappings"]
        self.folder = folder
        (folder / "ticket-archive").symlink_to(ROOT / "ticket-archive")
        self._stack_file = stack.state / "stack.json"
        self._environment = {**environment(stack), "HOME": str(folder), **(variables or {})}
        self._placeholders = {
            "STACK": stack.at.stack_name,
            "QUEUE_ARN": named["QueueArn"],
            "UUID": mapping["UUID"],
            "WEBHOOK_SECRET_ARN": named["WebhookSecretArn"],
            "VENDOR_CREDENTIAL_ARN": named["VendorCredentialArn"],
            "DIR": "fetched",
        }

    def type(self, command: str, exit_codes: Sequence[int] = (0,), **placeholders: str) -> str:
        """Type a command with its placeholders filled in, which opens no window; return all that it prints."""
        instead = {
            " …": "",
            "view TICKET": "view TICKET --no-open --keep-seconds 1",
            "send-test-webhook": f"send-test-webhook --stack-file {self._stack_file}",  # which has the emulator's URL
        }
        for written, typed in instead.items():
            command = command.replace(written, typed)
        named = {**self._placeholders, **placeholders}
        typed = re.sub(r"(?<![\w$.])[A-Z_]{3,}(?!\w)", lambda word: named.get(word[0], word[0]), command)
        exit_code, shown = self._run(typed)
        assert exit_code in exit_codes, f"{typed}\n{shown[-4000:]}"
        return shown

    def _run(self, typed: str) -> tuple[int, str]:
        """Return the exit code and the output. A single operators' command runs in this process, which is faster."""
        if typed.startswith("./ticket-archive ") and not SYNTAX.search(typed):
            with _ALONE, chdir(self.folder):
                result = CliRunner().invoke(app, shlex.split(typed)[1:], env=self._environment)
            return result.exit_code, result.output
        done = run(["bash", "-euo", "pipefail", "-c", typed], cwd=self.folder, env=self._environment)
        return done.returncode, done.stdout + done.stderr
