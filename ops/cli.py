"""`./ticket-archive`: the options that all commands have, and the commands."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ops import change_commands, read_commands
from ops.commands import app
from ops.context import Desk, Options
from ops.stack import LOCAL

__all__ = ["app", "change_commands", "main", "read_commands"]


@app.callback()
def common(
    ctx: typer.Context,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region; the profile's by default.")] = None,
    stack_name: Annotated[str, typer.Option(help="All else is found from this stack.")] = Options.stack_name,
    as_json: Annotated[bool, typer.Option("--json", help="Results as JSON, one line on stdout.")] = False,
    local: Annotated[bool, typer.Option("--local", help="The local stack that `make up` started.")] = False,
    stack_file: Annotated[Path | None, typer.Option(help="Another local stack's stack.json.")] = None,
) -> None:
    """Keeps the common options."""
    ctx.obj = Desk(Options(profile, region, stack_name, as_json, stack_file or (LOCAL if local else None)))


def main() -> None:
    """Runs a command. What it writes is for this user alone."""
    os.umask(0o077)
    app(prog_name="ticket-archive")
