"""`list`: tickets from an index where there is one, else from a bounded scan."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

import typer
from boto3.dynamodb.conditions import Attr

from ops.app import app, context_of
from ops.arguments import Customer
from ops.context import Rows
from ops.errors import Exit, Failure
from ops.parallel import WORKERS
from ops.table import OperatorTable
from ops.ticket_files import missing_parts
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.table import Due

ListState = Literal[
    "received", "incomplete", "archived", "erased", "not-complete", "no-outcome", "no-customer", "held", "outdated"
]
"""What `list --state` finds: the states of a ticket, and conditions that an operator looks for.

`not-complete` is archived, with something unrecognized or missing; `outdated` is archived, and a newer state is still
to be fetched; `no-customer` is in no list by customer.
"""
_INDEXED: Mapping[str | None, Due] = {"incomplete": Due.INCOMPLETE, "outdated": Due.REFETCH}
"""The states that have an index."""
_ARCHIVED = Attr("state").eq(TicketState.ARCHIVED)
_CONDITIONS = {
    "not-complete": _ARCHIVED & Attr("complete").eq(False),
    "no-outcome": _ARCHIVED & Attr("outcome").not_exists(),
    "no-customer": Attr("state").ne(TicketState.ERASED) & Attr("customer").not_exists(),
    "held": Attr("legal_hold").exists(),
}


@app.command("list")
def list_(
    ctx: typer.Context,
    customer: Customer = None,
    state: Annotated[ListState | None, typer.Option(help="Tickets in this state.")] = None,
    day: Annotated[
        datetime | None,
        typer.Option(metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Received or archived on this day (UTC)."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of tickets at most.")] = 100,
    scan_limit: Annotated[int, typer.Option(min=1, help="Number of items that a scan reads at most.")] = 10_000,
) -> None:
    """List tickets by customer, or by state and day, with what is missing and why."""
    context = context_of(ctx)
    if (customer is None) == (state is None and day is None):
        raise Failure("use --customer, or --state or --day or both", Exit.USAGE)
    if state == "outdated" and day is not None:
        raise Failure("--state outdated takes no --day", Exit.USAGE)
    tickets, scanned = context.stack.table, None
    if customer is not None or (state in _INDEXED and day is None):
        found, more = from_index(tickets, customer, state, limit)
    else:
        with context.progress("Items read", scan_limit) as advance:
            found, more, scanned = scan(tickets, state, day, limit, scan_limit, advance)
        context.note(f"This was a scan: {scanned:,} items were read.")
    if more:
        context.note("There may be more: raise --limit, or --scan-limit for a scan.")
    lines = [line_of(item) for item in found]
    names = list(dict.fromkeys(name for line in lines for name in line))
    rows = [[_text(name, line.get(name)) for name in names] for line in lines]
    context.print_result({"tickets": lines, "more": more, "scanned": scanned}, Rows(names, rows))


def from_index(
    tickets: OperatorTable, customer: str | None, state: ListState | None, limit: int
) -> tuple[list[TicketItem], bool]:
    """Return a customer's tickets, newest first, or those in `state`, due first; and whether there are more."""
    if customer is not None:
        found = list(islice(tickets.of_customer(customer), limit + 1))
    else:
        found = [each.ticket for each in tickets.listed(_INDEXED[state], limit + 1)]
    with ThreadPoolExecutor(WORKERS) as pool:
        items = [item for item in pool.map(tickets.without_content, found[:limit]) if item is not None]
    return items, len(found) > limit


def scan(
    tickets: OperatorTable,
    state: ListState | None,
    day: datetime | None,
    limit: int,
    scan_limit: int,
    advance: Callable[[int], object],
) -> tuple[list[TicketItem], bool, int]:
    """Return tickets in `state` that were received or archived on `day`, among the first `scan_limit` items.

    Also returns whether there may be more, and how many items were read: the last page may exceed `scan_limit`.
    """
    conditions = [_CONDITIONS.get(state, Attr("state").eq(state))] if state else []
    if day is not None:
        archived = _ARCHIVED & Attr("archived_at").begins_with(f"{day:%Y-%m-%d}")  # else it is the last fetch
        conditions.append(Attr("received_at").begins_with(f"{day:%Y-%m-%d}") | archived)
    found: list[TicketItem] = []
    scanned, more = 0, False
    for items, read, rest in tickets.scan(*conditions):
        found += items
        scanned += read
        more = rest
        advance(read)
        if len(found) >= limit or scanned >= scan_limit:
            break
    return found[:limit], more or len(found) > limit, scanned


def line_of(item: TicketItem) -> dict[str, Any]:
    """Return what a list shows of a ticket."""
    fields = {"ticket", "state", "outcome", "received_at", "archived_at", "attempts"}
    shown = item.model_dump(mode="json", include=fields) | {
        "retry_at": item.attributes.get("retry_at"),
        "missing": missing_parts(item),
        "last_error": item.attributes.get("last_error"),
        "held_since": item.attributes.get("legal_hold"),
    }
    return {name: value for name, value in shown.items() if value}


def _text(name: str, value: object) -> object:
    if isinstance(value, str) and name.endswith(("_at", "_since")):
        return f"{value[:19].replace('T', ' ')}Z"
    return " ".join(f"{part}:{reason}" for part, reason in value.items()) if isinstance(value, Mapping) else value
