"""Lists of tickets: from an index where there is one, from a bounded scan where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from ops.records import Records
from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem, TicketTable

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """Tickets, and whether there may be more. `scanned` items were read for it where no index helped."""

    tickets: list[dict[str, Any]]
    more: bool
    scanned: int | None = None


def of_customer(table: TicketTable, customer: str, limit: int) -> Listing:
    """A customer's archived tickets, the newest first."""
    found: list[TicketItem] = []
    cursor: str | None = None
    while len(found) < limit:
        page = table.by_customer(customer, min(limit - len(found), _PAGE), cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return Listing([_line(item) for item in found], cursor is not None)


def incomplete(table: TicketTable, limit: int) -> Listing:
    """Tickets of which something is missing, the one that is due first in front."""
    found = table.incomplete(limit + 1)
    lines = [
        {
            "ticket": waiting.ticket,
            "state": TicketState.INCOMPLETE.value,
            "received_at": waiting.received_at,
            "retry_at": waiting.retry_at,
            "requeues": waiting.requeues,
        }
        for waiting in found[:limit]
    ]
    return Listing(lines, len(found) > limit)


def scan(
    records: Records,
    state: TicketState | None,
    day: str | None,
    *,
    limit: int,
    at_most: int,
    progress: Callable[[int], None],
) -> Listing:
    """Tickets in `state`, or archived on `day`, out of the table's first `at_most` items or a page more.

    `progress` is told how many items were read so far.
    """
    found: list[TicketItem] = []
    scanned = 0
    start = None
    while len(found) < limit:
        page = records.scan(state, day, start)
        found += page.items
        scanned += page.scanned
        progress(scanned)
        start = page.start
        if start is None or scanned >= at_most:
            break
    return Listing([_line(item) for item in found[:limit]], start is not None or len(found) > limit, scanned)


def render(listing: Listing) -> Table:
    """For a person."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    names = list(dict.fromkeys(name for line in listing.tickets for name in line)) or ["ticket"]
    for name in names:
        table.add_column(name, no_wrap=name == "ticket", overflow="fold")
    for line in listing.tickets:
        table.add_row(*(str(line.get(name) or "") for name in names))
    return table


def _line(item: TicketItem) -> dict[str, Any]:
    line = {
        "ticket": item.ticket,
        "state": item.state.value,
        "outcome": item.outcome,
        "received_at": item.received_at,
        "archived_at": item.archived_at,
    }
    return {name: value for name, value in line.items() if value is not None}
