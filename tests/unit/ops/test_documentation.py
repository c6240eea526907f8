"""docs/operations.md documents every command and every option, and no other."""

import re
from typing import Any

import pytest
import typer.main

from ops.app import hoist_common_options
from ops.commands import app
from tests.support.documentation import ROOT, blocks

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
GROUP: Any = typer.main.get_command(app)
EXAMPLES = [
    [word for word in words[1:] if word != "…"]
    for block in blocks("sh")
    for words in block.commands
    if block.page.name == "operations.md" and words[0] == "./ticket-archive" and words[1] != "[options]"
]


def section(name: str) -> str:
    return TEXT.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_a_command_has_a_section_that_names_its_options(name: str) -> None:
    options = {option for parameter in GROUP.commands[name].params for option in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section(name)))
    missing = {option for option in options if option.startswith("--")} - named - {"--help", "--output", "--open"}
    assert not missing


def test_every_section_is_of_a_command() -> None:
    commands = TEXT.partition("\n## Commands\n")[2].partition("\n## ")[0]
    sections = set(re.findall(r"^### (.+)$", commands, re.MULTILINE)) - {"What each command must be allowed"}
    assert sections == set(GROUP.commands)


@pytest.mark.parametrize("example", EXAMPLES, ids=" ".join)
def test_an_example_can_be_typed_as_it_stands(example: list[str]) -> None:
    arguments = hoist_common_options(example)
    command = GROUP.commands[arguments[0]]
    context = command.make_context(arguments[0], ["-" if each == "tickets.txt" else each for each in arguments[1:]])
    assert context.command is command
