"""`export`: a customer's tickets in a folder or a ZIP file, for a data access request."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.app import app, context_of
from ops.arguments import CUSTOMER_CODE, selected
from ops.commands.fetch import save
from ops.errors import Failure
from ops.page import index_page, ticket_page
from ops.ticket_files import faults_of, from_manifest, history, read_files
from ticket_archive.bucket import Bucket
from ticket_archive.models import TicketItem, TicketState


@app.command()
def export(
    ctx: typer.Context,
    customer: Annotated[str, CUSTOMER_CODE],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="A new folder, or a new .zip file.")],
) -> None:
    """Export all tickets of a customer: JSON, images, manifests, earlier versions and an index page."""
    context = context_of(ctx)
    tickets = selected(context, None, None, customer)
    stack = context.stack
    items: list[TicketItem] = []
    faults: list[dict[str, Any]] = []
    with target(output) as folder, context.progress("Tickets", len(tickets)) as advance:
        for ticket in tickets:
            item = stack.table.get(ticket)
            if item is not None and item.state is not TicketState.ERASED:
                stack.actions.write("export", ticket, version=item.version)
                faults += [{"ticket": ticket, **fault} for fault in export_ticket(item, stack.bucket, folder / ticket)]
                items.append(item.model_copy(update={"attributes": {}}))  # no details: there may be many tickets
            advance()
        if not items:
            raise Failure("the tickets of this customer are erased")
        save(folder / "index.html", index_page(items))
    text = f"{len(items)} tickets are in {output}; open index.html there. Delete it when it is no longer needed."
    context.print_result({"tickets": [item.ticket for item in items], "path": str(output), "faults": faults}, text)
    if faults:
        raise Failure(f"{len(faults)} files are missing or differ from what was archived; --json names them")


@contextmanager
def target(output: Path) -> Iterator[Path]:
    """Make a folder that becomes `output`, or a ZIP file, for this user alone. An error leaves nothing.

    Raises Failure if `output` exists.
    """
    if output.exists() or output.is_symlink():
        raise Failure(f"{output} exists: choose another name")
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as private:
        folder = Path(private) / "tickets"
        folder.mkdir(mode=0o700)
        yield folder
        if output.suffix.lower() == ".zip":
            folder = Path(shutil.make_archive(str(folder), "zip", folder))
        folder.rename(output)  # only when it is complete


def export_ticket(item: TicketItem, bucket: Bucket, folder: Path) -> list[dict[str, str | None]]:
    """Write a ticket's files, page and earlier versions; return what is missing or damaged, and why."""
    folder.mkdir(mode=0o700)
    files = list(read_files(item, bucket))
    manifests = list(history(item, bucket))
    for file in files:
        if file.body is not None:
            save(folder / file.name, file.body)
    save(folder / "index.html", ticket_page(item, files, manifests))
    faults = faults_of(files)
    current = {image.sha256 for image in item.images}
    for manifest in manifests[1:]:
        version = folder / "history" / manifest.version[:16]
        version.mkdir(mode=0o700, parents=True)
        for file in read_files(from_manifest(item, manifest), bucket):
            if file.image is not None and file.image.sha256 in current:
                continue
            if file.body is not None:
                save(version / file.name, file.body)
            faults += faults_of([file])
    return faults
