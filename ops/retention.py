"""When tickets expire: never under a legal hold, else by `RetentionDays`. Item, events and objects always agree."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.context import unknown
from ops.erase import remaining
from ops.errors import Failure
from ops.objects import Objects, prefix_of
from ops.parallel import for_each
from ops.table import OperatorTable
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.retention import end_of, is_limited, is_over
from ticket_archive.table import TicketItem, TicketTable

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: since when, and how many object versions and events it covers."""

    ticket: str
    since: str
    object_versions: int
    events: int


@dataclass(frozen=True, slots=True)
class Release:
    """Whether the ticket was held."""

    ticket: str
    was_held: bool


@dataclass(frozen=True, slots=True)
class AppliedPage:
    """What one page of a scan contained. Held tickets are left alone; `over` are those that have expired."""

    scanned: int
    tickets: int
    held: int
    over: int


@dataclass(frozen=True, slots=True)
class Archive:
    """What holding and releasing work with."""

    table: TicketTable
    records: OperatorTable
    objects: Objects
    now: Callable[[], datetime]
    drain_seconds: float
    sleep: Sleep = time.sleep
    done: Callable[[], object] = lambda: None


def hold(tickets: Sequence[str], archive: Archive, *, case: str | None, by: str) -> list[Hold | Failure]:
    """Put a legal hold on tickets; return a Hold or a Failure for each. May be repeated.

    The item is changed first: attempts that begin afterwards store objects that do not expire. An attempt that began
    less than `drain_seconds` before may still store objects that do, so those tickets are done again when it has ended.
    """
    records = archive.records

    def first_pass(ticket: str) -> tuple[Hold, float]:
        since = records.hold(ticket, iso(archive.now()), case, by)
        item = archive.table.get(ticket)
        if since is None or item is None:
            raise unknown(ticket)
        return Hold(ticket, since, *_apply(ticket, None, records, archive.objects)), _in_flight(item, archive)

    def second_pass(first: tuple[Hold, float] | Failure) -> Hold:
        if isinstance(first, Failure):
            raise first
        held, pause = first
        if not pause:
            return held
        records.hold(held.ticket, iso(archive.now()), case, by)  # a new item may have replaced the old one meanwhile
        return Hold(held.ticket, held.since, *_apply(held.ticket, None, records, archive.objects))

    begun = for_each(first_pass, tickets, archive.done)
    _drain([first[1] for first in begun if not isinstance(first, Failure)], archive)
    return for_each(second_pass, begun)


def release(tickets: Sequence[str], days: int, archive: Archive) -> list[Release | Failure]:
    """Remove the legal hold of tickets, which then expire by `days` again; return a Release or a Failure for each.

    The item is changed after its objects, so that an interrupted release still shows as held and is repeated. Attempts
    that began under the hold are waited for as in `hold`.
    """

    def first_pass(ticket: str) -> tuple[Release, TicketItem, float]:
        item = archive.table.get(ticket)
        if item is None:
            raise unknown(ticket)
        held = item.state is not TicketState.ERASED and "legal_hold" in item.attributes
        if held:
            _apply(ticket, _expiry(item, days), archive.records, archive.objects)
        was_held = archive.records.release(ticket, _expiry(item, days))
        return Release(ticket, bool(was_held)), item, _in_flight(item, archive) if held else 0.0

    def second_pass(first: tuple[Release, TicketItem, float] | Failure) -> Release:
        if isinstance(first, Failure):
            raise first
        released, item, pause = first
        if pause:
            _apply(released.ticket, _expiry(item, days), archive.records, archive.objects)
        return released

    begun = for_each(first_pass, tickets, archive.done)
    _drain([first[2] for first in begun if not isinstance(first, Failure)], archive)
    return for_each(second_pass, begun)


def apply_to_all(
    days: int, records: OperatorTable, objects: Objects, *, now: datetime, dry_run: bool
) -> Generator[AppliedPage, None, None]:
    """Make every ticket that is not held expire by `days`, page by page of a scan. May be repeated."""

    def apply(item: TicketItem) -> None:
        _apply(item.ticket, _expiry(item, days), records, objects)
        records.set_ticket_expiry(item.ticket, _expiry(item, days))

    start = None
    while True:
        page = records.scan((), start)
        items = [item for item in page.items if item.state is not TicketState.ERASED]
        free = [item for item in items if "legal_hold" not in item.attributes]
        if not dry_run:
            for failure in for_each(apply, free):
                if failure is not None:
                    raise failure
        over = sum(is_over(_expiry(item, days), now) for item in free)
        yield AppliedPage(page.scanned, len(free), len(items) - len(free), over)
        start = page.start
        if start is None:
            return


def _in_flight(item: TicketItem, archive: Archive) -> float:
    """Return for how many seconds the last attempt may still store something."""
    begun = item.attributes.get("attempted_at")
    return remaining(begun, archive.drain_seconds, archive.now()) if begun else 0.0


def _drain(pauses: Sequence[float], archive: Archive) -> None:
    if pause := max(pauses, default=0.0):
        archive.sleep(pause)


def _apply(ticket: str, expires_at: int | None, records: OperatorTable, objects: Objects) -> tuple[int, int]:
    """Set the expiry of the ticket's events and of every version of its objects; return how many there are."""
    versions = sum(
        objects.set_expiring(version, expiring=is_limited(expires_at))
        for version in objects.versions(prefix_of(ticket), delete_markers=False)
    )
    events = 0
    for event in records.events(ticket):
        records.set_event_expiry(ticket, event.record, expires_at)
        events += 1
    return versions, events


def _expiry(item: TicketItem, days: int) -> int | None:
    return end_of(item.received_at, days) if item.received_at is not None else None
