"""docs/operations.md documents every command and every option, and no other."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from ops.app import hoist_common_options
from ops.cli import app

TEXT = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
GROUP: Any = typer.main.get_command(app)


def examples() -> Iterator[str]:
    for line in TEXT.splitlines():
        if (found := re.search(r"\./ticket-archive ((?!\[)[^#]+)", line)) and line.startswith("    "):
            yield found.group(1).strip()


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


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_can_be_typed_as_it_stands(example: str) -> None:
    arguments = hoist_common_options(shlex.split(example.replace("…", "")))

    command = GROUP.commands[arguments[0]]
    context = command.make_context(arguments[0], ["-" if each == "tickets.txt" else each for each in arguments[1:]])

    assert context.command is command
