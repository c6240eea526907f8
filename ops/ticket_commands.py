"""Commands that find and read tickets: `status`, `list`, `fetch`, `view`."""

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ops import contents, listing
from ops import fetch as fetching
from ops import status as looking
from ops import view as viewing
from ops.app import Customer, Ticket, app, context_of
from ops.context import Context, table, unknown
from ops.errors import Exit, Failure
from ops.page import ticket_page
from ticket_archive.table import TicketItem

Version = Annotated[
    str | None, typer.Option(help="An older version, as `status` lists them; it may be abbreviated.", min=1)
]


@app.command()
def status(ctx: typer.Context, ticket: Ticket) -> None:
    """Show a ticket's state, times, attempts, image types, versions and events, and why something is missing."""
    context = context_of(ctx)
    stack = context.stack
    found = looking.status(ticket, stack.records, stack.objects, stack.bucket)
    if found is None:
        raise unknown(ticket)
    if found["missing"] or found["last_error"]:
        context.note(f'The log says more: Logs Insights on the ingest log group, `filter ticket = "{ticket}"`.')
    context.print_result(found, looking.render(found))


@app.command("list")
def list_(
    ctx: typer.Context,
    customer: Customer = None,
    state: Annotated[listing.ListState | None, typer.Option(help="Tickets in this state.")] = None,
    day: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Received or archived on this day (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of tickets at most.")] = 100,
    scan_limit: Annotated[int, typer.Option(min=1, help="Number of items that a scan reads at most.")] = 10_000,
) -> None:
    """List tickets by customer, or by state and day, with what is missing and why."""
    context = context_of(ctx)
    if (customer is None) == (state is None and day is None):
        raise Failure("use --customer, or --state and --day", Exit.USAGE)
    if state is listing.ListState.OUTDATED and day is not None:
        raise Failure("--state outdated takes no --day", Exit.USAGE)
    if day is not None:
        _check_day(day)
    stack = context.stack
    if customer is not None:
        found = listing.customers_tickets(stack.table, stack.records, customer, limit)
    elif state in listing.WAITING and day is None:
        found = listing.waiting(stack.table, stack.records, state, limit)
    else:
        with context.progress("Items read", scan_limit) as bar:
            found = listing.scan(stack.records, state, day, limit=limit, scan_limit=scan_limit, progress=bar.move_to)
        context.note(f"This was a scan: {found.scanned:,} items were read.")
    if found.more:
        context.note("There may be more: raise --limit, or --scan-limit for a scan.")
    context.print_result(asdict(found), table(*listing.columns(found)) if found.tickets else "None.")


@app.command()
def fetch(
    ctx: typer.Context,
    ticket: Ticket,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder.", file_okay=False)],
    version: Version = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Download a ticket's images, details and manifest, each compared with its hash. The access is recorded."""
    context = context_of(ctx)
    item = _item(context, ticket, version)
    names = contents.file_names(item)
    if not names:
        raise Failure(f"nothing of ticket {ticket} is stored yet; see `status {ticket}`")
    fetching.prepare(output, item, force=force)
    context.stack.actions.write("fetch", ticket, version=item.version)
    files: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []
    with context.progress("Files", len(names)) as bar:
        for file in fetching.fetch(item, context.stack.bucket, output):
            if file.body is None:
                faults.append({"name": file.name, "fault": file.fault})
            else:
                files.append({"name": file.name, "bytes": len(file.body)})
            bar.advance()
    rows = [[file["name"], f"{file['bytes']:,} bytes"] for file in files]
    rows += [[fault["name"], fault["fault"]] for fault in faults]
    result = {
        "ticket": ticket,
        "state": item.state.value,
        "version": item.version,
        "folder": str(output),
        "files": files,
        "faults": faults,
    }
    context.print_result(result, table(["file", ""], rows))
    if faults:
        raise Failure(f"{len(faults)} of {len(names)} files are missing or differ from what was archived")


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
    item = _item(context, ticket, version)
    context.stack.actions.write("view", ticket, version=item.version)
    with context.progress("Files", len(contents.file_names(item))) as bar:
        files = []
        for file in contents.read_files(item, context.stack.bucket):
            files.append(file)
            bar.advance()
    html = ticket_page(item, files, list(contents.history(item, context.stack.bucket)) if item.previous else ())
    faults = [{"name": file.name, "fault": file.fault} for file in files if file.fault is not None]
    if output is not None:
        fetching.save(output, html)
        if open_:
            viewing.show(output)
    else:
        with viewing.temporary_page(html) as path:
            if open_ and not viewing.show(path):
                context.note(f"No browser was found: open {path}")
            elif not open_:
                context.note(f"The page is {path}")
            if sys.stdin.isatty():
                context.note("Press Enter to remove the page.")
            viewing.wait(keep_seconds)
    result = {"ticket": ticket, "files": len(files), "faults": faults, "file": str(output) if output else None}
    context.print_result(result, f"The page had {len(files) - len(faults)} of {len(files)} files.")
    if faults:
        raise Failure(f"{len(faults)} of {len(files)} files are missing or differ from what was archived")


def _item(context: Context, ticket: str, version: str | None) -> TicketItem:
    item = context.existing_ticket(ticket)
    return item if version is None else contents.at_version(item, context.stack.bucket, version)


def _check_day(day: str) -> None:
    try:
        if datetime.strptime(day, "%Y-%m-%d").strftime("%Y-%m-%d") == day:  # noqa: DTZ007 - a day, no moment
            return
    except ValueError:
        pass
    raise Failure("--day takes a day as YYYY-MM-DD", Exit.USAGE)
