"""`view`: a page in the browser, which is removed afterwards."""

import os
import select
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ops.app import app, context_of
from ops.arguments import Ticket, Version
from ops.commands.fetch import check_faults, save
from ops.errors import Failure
from ops.page import ticket_page
from ops.ticket_files import TicketFile, at_version, faults_of, file_names, history, read_files

UNATTENDED_SECONDS = 60.0
"""How long a page is kept if there is no terminal to press Enter at."""


@app.command()
def view(
    ctx: typer.Context,
    ticket: Ticket,
    version: Version = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the page in this file.", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing FILE.")] = False,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    keep_seconds: Annotated[
        float | None, typer.Option(min=1, help="Remove the page after this time instead of on Enter.")
    ] = None,
) -> None:
    """Show a ticket's images and facts in the browser. The access is recorded; the page is removed afterwards."""
    context = context_of(ctx)
    if output is not None and output.exists() and not force:
        raise Failure(f"{output} exists: choose another file, or use --force")
    bucket = context.stack.bucket
    item = at_version(context.existing_ticket(ticket), bucket, version)
    if output is not None:
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    context.stack.actions.write("view", ticket, version=item.version)
    files: list[TicketFile] = []
    with context.progress("Files", len(file_names(item))) as advance:
        for file in read_files(item, bucket):
            files.append(file)
            advance()
    html = ticket_page(item, files, list(history(item, bucket)) if item.previous else ())
    faults = faults_of(files)
    if output is not None:
        save(output, html)
        if open_:
            webbrowser.open(output.resolve().as_uri())
    else:
        with temporary_page(html) as path:
            if open_ and not webbrowser.open(path.resolve().as_uri()):
                context.note(f"No browser was found: open {path}")
            elif not open_:
                context.note(f"The page is {path}")
            if not sys.stdin.isatty():
                time.sleep(UNATTENDED_SECONDS if keep_seconds is None else keep_seconds)
            else:
                context.note("Press Enter to remove the page.")
                if select.select([sys.stdin], [], [], keep_seconds)[0]:
                    sys.stdin.readline()
    result = {"ticket": ticket, "files": len(files), "faults": faults, "file": str(output) if output else None}
    context.print_result(result, f"The page had {len(files) - len(faults)} of {len(files)} files.")
    check_faults(len(faults), len(files))


@contextmanager
def temporary_page(page: bytes) -> Iterator[Path]:
    """Keep the page as a file in a folder of its own, readable by this user alone, while the block runs.

    It is a file and not a server on the loopback, because every user of a machine can read the URL on a command line
    and connect to it. It is in memory (`XDG_RUNTIME_DIR`) if the system has such a folder.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = runtime if runtime and os.access(runtime, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ticket-", dir=parent) as folder:
        file = Path(folder) / "ticket.html"
        save(file, page)
        yield file
