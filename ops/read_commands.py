"""The commands that look at tickets and change nothing."""

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
from ops.commands import Ticket, app, desk_of
from ops.context import table, unknown
from ops.errors import Exit, Failure
from ops.page import page
from ticket_archive.models import TicketState, customer_id


@app.command()
def status(ctx: typer.Context, ticket: Ticket) -> None:
    """Show a ticket's state, times, attempts, types, images and events: no content."""
    desk = desk_of(ctx)
    found = looking.status(ticket, desk.stack.table, desk.stack.records, desk.stack.objects)
    if found is None:
        raise unknown(ticket)
    desk.tell(found, looking.render(found))


@app.command("list")
def list_(
    ctx: typer.Context,
    customer: Annotated[str | None, typer.Option(help="A customer's archived tickets, the newest first.")] = None,
    state: Annotated[TicketState | None, typer.Option(help="Tickets in a state: a scan, but for incomplete.")] = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Archived on a day (UTC): a scan.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Tickets, at the most.")] = 100,
    scan_limit: Annotated[int, typer.Option(min=1, help="Items that a scan reads, at the most.")] = 10_000,
) -> None:
    """List tickets by customer, by state or by day. What no index answers is a scan, which costs what it reads."""
    desk = desk_of(ctx)
    if [customer, state, day].count(None) != 2:
        raise Failure("say one of --customer, --state and --day", Exit.USAGE)
    if day is not None:
        _check_day(day)
    if customer is not None:
        if (code := customer_id(customer)) is None:
            raise Failure("not a customer's code: 1 to 256 printable characters", Exit.USAGE)
        found = listing.of_customer(desk.stack.table, code, limit)
    elif state is TicketState.INCOMPLETE:
        found = listing.incomplete(desk.stack.table, limit)
    else:
        records = desk.stack.records
        with desk.progress("Items read", scan_limit) as bar:
            found = listing.scan(records, state, day, limit=limit, at_most=scan_limit, progress=bar.at)
        desk.remark(f"No index answers this: {found.scanned:,} items were read.")
    if found.more:
        desk.remark("There may be more: --limit, or for a scan --scan-limit, sets how many are looked for.")
    desk.tell(asdict(found), listing.render(found) if found.tickets else "None.")


@app.command()
def fetch(
    ctx: typer.Context,
    ticket: Ticket,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder.", file_okay=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Download all images, the details and the manifest, each compared with its hash."""
    desk = desk_of(ctx)
    item = desk.known(ticket)
    names = contents.names(item)
    if not names:
        raise Failure(f"nothing of ticket {ticket} is stored yet: see `status`")
    fetching.prepare(output, item, force=force)
    files: list[dict[str, Any]] = []
    faults: list[dict[str, Any]] = []
    with desk.progress("Files", len(names)) as bar:
        for piece in fetching.fetch(item, desk.stack.bucket, output):
            if piece.body is None:
                faults.append({"name": piece.name, "fault": piece.fault})
            else:
                files.append({"name": piece.name, "bytes": len(piece.body)})
            bar.advance()
    rows = [[file["name"], f"{file['bytes']:,} bytes"] for file in files]
    rows += [[fault["name"], fault["fault"]] for fault in faults]
    result = {"ticket": ticket, "state": item.state.value, "folder": str(output), "files": files, "faults": faults}
    desk.tell(result, table(["file", ""], rows))
    if faults:
        raise Failure(f"{len(faults)} of {len(names)} files are not as they were archived")


@app.command()
def view(
    ctx: typer.Context,
    ticket: Ticket,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the page here.", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a FILE that is there.")] = False,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    keep_seconds: Annotated[
        float | None, typer.Option(min=1, help="Remove the page after so long instead of on Enter.")
    ] = None,
) -> None:
    """Show a ticket's pictures and facts in the browser. Nothing is left behind unless -o FILE says so."""
    desk = desk_of(ctx)
    if output is not None and output.exists() and not force:
        raise Failure(f"{output} is there already: choose another file, or say --force")
    item = desk.known(ticket)
    with desk.progress("Files", len(contents.names(item))) as bar:
        pieces = []
        for piece in contents.pieces(item, desk.stack.bucket):
            pieces.append(piece)
            bar.advance()
    html = page(item, pieces)
    faults = [{"name": piece.name, "fault": piece.fault} for piece in pieces if piece.fault is not None]
    if output is not None:
        fetching.save(output, html)
        if open_:
            viewing.show(output)
    else:
        with viewing.passing(html) as file:
            if open_ and not viewing.show(file):
                desk.remark(f"No browser was found: open {file}")
            elif not open_:
                desk.remark(f"The page is {file}")
            if sys.stdin.isatty():
                desk.remark("Press Enter when you have read it: the page is removed then.")
            viewing.wait(keep_seconds)
    result = {"ticket": ticket, "pieces": len(pieces), "faults": faults, "file": str(output) if output else None}
    desk.tell(result, f"{len(pieces) - len(faults)} of {len(pieces)} files were in the page.")
    if faults:
        raise Failure(f"{len(faults)} of {len(pieces)} files are not as they were archived")


def _check_day(day: str) -> None:
    try:
        if datetime.strptime(day, "%Y-%m-%d").strftime("%Y-%m-%d") == day:  # noqa: DTZ007 - a day, no moment
            return
    except ValueError:
        pass
    raise Failure("--day takes a day as YYYY-MM-DD", Exit.USAGE)
