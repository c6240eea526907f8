"""`./ticket-archive`: the options that every command has, and the commands."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ops import privacy_commands, queue_commands, stack_commands, ticket_commands
from ops.app import app
from ops.context import Context, Options
from ops.stack import LOCAL

__all__ = ["app", "main", "privacy_commands", "queue_commands", "stack_commands", "ticket_commands"]


@app.callback()
def common(
    ctx: typer.Context,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region. Default: the profile's.")] = None,
    stack_name: Annotated[str, typer.Option(help="The CloudFormation stack.")] = Options.stack_name,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Use the local stack that `make up` started.")] = False,
    stack_file: Annotated[Path | None, typer.Option(help="Use another local stack's stack.json.")] = None,
) -> None:
    """Store the common options for the command."""
    ctx.obj = Context(Options(profile, region, stack_name, as_json, stack_file or (LOCAL if local else None)))


def main() -> None:
    """Run a command. Files that it writes are readable by this user alone."""
    os.umask(0o077)
    app(prog_name="ticket-archive")
