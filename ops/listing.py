"""Lists of tickets: from an index where there is one, else from a bounded scan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from ops.table import Filter, OperatorTable
from ops.ticket_ids import of_customer
from ticket_archive.models import TicketState, TypeState
from ticket_archive.table import TicketItem, TicketTable


class ListState(StrEnum):
    """What `list --state` finds: the states of a ticket, and conditions that an operator looks for."""

    RECEIVED = "received"
    INCOMPLETE = "incomplete"
    ARCHIVED = "archived"
    ERASED = "erased"
    NOT_COMPLETE = "not-complete"  # archived without something that the vendor never delivered
    NO_OUTCOME = "no-outcome"
    HELD = "held"
    OUTDATED = "outdated"  # archived, and a newer state is still to be fetched


WAITING = (ListState.INCOMPLETE, ListState.OUTDATED)
"""These have an index."""
_ARCHIVED = {":archived": {"S": TicketState.ARCHIVED.value}}
_CONDITIONS = {
    ListState.NOT_COMPLETE: Filter(
        "#state = :archived AND #complete = :false", {**_ARCHIVED, ":false": {"BOOL": False}}
    ),
    ListState.NO_OUTCOME: Filter("#state = :archived AND attribute_not_exists(#outcome)", _ARCHIVED),
    ListState.HELD: Filter("attribute_exists(#legal_hold)"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines for tickets, and whether there may be more. `scanned` counts the items read if no index was used."""

    tickets: list[dict[str, Any]]
    more: bool
    scanned: int | None = None


def customers_tickets(table: TicketTable, records: OperatorTable, customer: str, limit: int) -> Listing:
    """Return a customer's tickets, whatever their state, newest first."""
    found = [item.ticket for item in islice(of_customer(table, customer), limit + 1)]
    return Listing([line(item) for item in records.summaries(found[:limit])], len(found) > limit)


def waiting(table: TicketTable, records: OperatorTable, state: ListState, limit: int) -> Listing:
    """Return incomplete or outdated tickets, the one that is retried next first."""
    listed = table.refetches if state is ListState.OUTDATED else table.incomplete
    found = [each.ticket for each in listed(limit + 1)]
    return Listing([line(item) for item in records.summaries(found[:limit])], len(found) > limit)


def scan(
    records: OperatorTable,
    state: ListState | None,
    day: str | None,
    *,
    limit: int,
    scan_limit: int,
    progress: Callable[[int], None],
) -> Listing:
    """Return tickets in `state` that were received or archived on `day`, among the first `scan_limit` items.

    The last page read may exceed `scan_limit`. `progress` receives the number of items read so far.
    """
    filters = [*_state_filter(state), *_day_filter(day)]
    found: list[TicketItem] = []
    scanned = 0
    start = None
    while len(found) < limit:
        page = records.scan(filters, start)
        found += page.items
        scanned += page.scanned
        progress(scanned)
        start = page.start
        if start is None or scanned >= scan_limit:
            break
    return Listing([line(item) for item in found[:limit]], start is not None or len(found) > limit, scanned)


def line(item: TicketItem) -> dict[str, Any]:
    """Return what a list shows of a ticket."""
    attributes = item.attributes
    shown = {
        "ticket": item.ticket,
        "state": item.state.value,
        "outcome": item.outcome,
        "received_at": item.received_at,
        "archived_at": item.archived_at,
        "attempts": item.attempts or None,
        "retry_at": attributes.get("retry_at"),
        "missing": missing_parts(item) or None,
        "last_error": attributes.get("last_error"),
        "held_since": attributes.get("legal_hold"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def missing_parts(item: TicketItem) -> dict[str, str]:
    """Return why parts of the ticket are missing: a short code by image type, or DETAILS."""
    states = {kind.value: state.value for kind, state in item.types.items()}
    there = (TypeState.STORED.value, TypeState.ABSENT.value)
    missing = {kind: state for kind, state in states.items() if state not in there}
    reasons = item.attributes.get("missing") or {}
    return missing | {part: str(reason) for part, reason in reasons.items() if states.get(part) not in there}


def columns(listing: Listing) -> tuple[list[str], Sequence[list[str]]]:
    """Return the names and rows of a table."""
    names = list(dict.fromkeys(name for each in listing.tickets for name in each)) or ["ticket"]
    return names, [[_text(each.get(name)) for name in names] for each in listing.tickets]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}:{reason}" for name, reason in value.items())
    return "" if value is None else str(value)


def _state_filter(state: ListState | None) -> list[Filter]:
    if state is None:
        return []
    return [_CONDITIONS.get(state) or Filter("#state = :state", {":state": {"S": state.value}})]


def _day_filter(day: str | None) -> list[Filter]:
    if day is None:
        return []
    return [Filter("(begins_with(#archived_at, :day) OR begins_with(#received_at, :day))", {":day": {"S": day}})]
