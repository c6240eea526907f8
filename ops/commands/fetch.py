"""`fetch`: a ticket's files in a folder that only this user can read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ops.app import app, context_of
from ops.arguments import Ticket, Version
from ops.context import Rows
from ops.errors import Failure
from ops.ticket_files import at_version, faults_of, file_names, is_file_name, read_files


@app.command()
def fetch(
    ctx: typer.Context,
    ticket: Ticket,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder.", file_okay=False)],
    version: Version = None,
    force: Annotated[bool, typer.Option("--force", help="Replace all files of an earlier fetch.")] = False,
) -> None:
    """Download a ticket's images, details and manifest, each compared with its hash. The access is recorded."""
    context = context_of(ctx)
    bucket = context.stack.bucket
    item = at_version(context.existing_ticket(ticket), bucket, version)
    names = file_names(item)
    if not names:
        raise Failure(f"nothing of ticket {ticket} is stored yet; see `status {ticket}`")
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = sorted(path.name for path in output.iterdir() if is_file_name(path.name))
    if there and not force:
        raise Failure(f"{output} already has {', '.join(there)}: choose another folder, or use --force")
    context.stack.actions.write("fetch", ticket, version=item.version)
    for name in there:  # of another version, or of another ticket
        (output / name).unlink()
    result = {"ticket": ticket, "state": item.state.value, "version": item.version, "folder": str(output)}
    files, faults = [], list[dict[str, str | None]]()
    with context.progress("Files", len(names)) as advance:
        for file in read_files(item, bucket):  # one is in memory at a time
            faults += faults_of([file])
            if file.body is not None:
                save(output / file.name, file.body)
                files.append({"name": file.name, "bytes": len(file.body)})
            advance()
    rows = [[file["name"], f"{file['bytes']:,} bytes"] for file in files]
    rows += [[fault["name"], fault["fault"]] for fault in faults]
    context.print_result({**result, "files": files, "faults": faults}, Rows(["file", ""], rows))
    check_faults(len(faults), len(names))


def check_faults(faults: int, files: int) -> None:
    """Raise Failure if there are faults."""
    if faults:
        raise Failure(f"{faults} of {files} files are missing or differ from what was archived")


def save(path: Path, body: bytes) -> None:
    """Write a file atomically, readable by this user alone."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
            writing.write(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
