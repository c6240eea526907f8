"""When tickets end: never under a legal hold, else by `RetentionDays`; item, events and objects alike."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from ops.erase import unsettled
from ops.objects import Objects, prefix_of
from ops.records import Records
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.retention import end_of, is_limited, is_over
from ticket_archive.table import TicketItem, TicketTable

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: since when, and how many object versions and events it reaches."""

    since: str
    object_versions: int
    events: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What one page of tickets came to. `held` are left alone, `over` are those among the others that end at once."""

    scanned: int
    tickets: int
    held: int
    over: int


def hold(
    ticket: str,
    table: TicketTable,
    records: Records,
    objects: Objects,
    *,
    settle: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Hold | None:
    """Stops the end of a ticket; None where it is unknown. May be repeated. Raises TicketErased.

    The item first: whoever begins on the ticket from then on stores objects that do not end. One that had begun before
    may still store others: where the last attempt is younger than `settle` seconds, it is done a second time.
    """
    since = records.hold(ticket, iso(now()))
    item = table.get(ticket)
    if since is None or item is None:
        return None
    reached = _apply(ticket, None, records, objects)
    if (pause := _under_way(item, settle, now())) > 0:
        sleep(pause)
        records.hold(ticket, iso(now()))  # its item may have begun anew meanwhile, with an end
        reached = _apply(ticket, None, records, objects)
    return Hold(since, *reached)


def release(
    ticket: str,
    days: int,
    table: TicketTable,
    records: Records,
    objects: Objects,
    *,
    settle: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> bool | None:
    """Lets a ticket end again as `days` say; says whether it was held, None where it is unknown. Raises TicketErased.

    The item after the objects: a release that was broken off is seen not to be done, and is repeated. What an attempt
    that began under the hold still stores does not end: as in `hold`, such a one is waited for and it is done again.
    """
    item = table.get(ticket)
    if item is None:
        return None
    held = item.state is not TicketState.ERASED and "legal_hold" in item.attributes
    if held:
        _apply(ticket, _end(item, days), records, objects)
    was = records.release(ticket, _end(item, days))
    if held and (pause := _under_way(item, settle, now())) > 0:
        sleep(pause)
        _apply(ticket, _end(item, days), records, objects)
    return was


def _under_way(item: TicketItem, settle: float, moment: datetime) -> float:
    """For how many seconds the last attempt may still store something."""
    begun = item.attributes.get("attempted_at")
    return unsettled(begun, settle, moment) if begun else 0.0


def apply_to_all(
    days: int, records: Records, objects: Objects, *, now: datetime, dry_run: bool
) -> Generator[Ended, None, None]:
    """Makes every ticket that is not held end as `days` say, page by page of a scan. May be repeated."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        start = None
        while True:
            page = records.scan(None, None, start)
            items = [item for item in page.items if item.state is not TicketState.ERASED]
            free = [item for item in items if "legal_hold" not in item.attributes]
            if not dry_run:
                list(pool.map(lambda item: _end_at(item, _end(item, days), records, objects), free))
            over = sum(is_over(_end(item, days), now) for item in free)
            yield Ended(page.scanned, len(free), len(items) - len(free), over)
            start = page.start
            if start is None:
                return


def _end_at(item: TicketItem, end: int | None, records: Records, objects: Objects) -> None:
    _apply(item.ticket, end, records, objects)
    records.end_ticket(item.ticket, end)


def _apply(ticket: str, end: int | None, records: Records, objects: Objects) -> tuple[int, int]:
    """Gives the ticket's events and every version of its objects this end; says how many there are."""
    versions = sum(objects.limit(version, limited=is_limited(end)) for version in objects.kept(prefix_of(ticket)))
    events = 0
    for event in records.events(ticket):
        records.end_event(ticket, event.record, end)
        events += 1
    return versions, events


def _end(item: TicketItem, days: int) -> int | None:
    return end_of(item.received_at, days) if item.received_at is not None else None
