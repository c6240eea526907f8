"""Erasing a ticket: the tombstone first, so that nothing new comes, then every version of every object, then events."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from ops.objects import Objects, Version, prefix_of
from ops.records import Records
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.table import TicketTable

SETTLE = 70.0
"""Seconds: an ingest that passed the tombstone's place before it stood there ends within the function's 60."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would remove. `state` is None where the table has no item."""

    ticket: str
    state: TicketState | None
    legal_hold: str | None
    object_versions: int
    events: int

    @property
    def unknown(self) -> bool:
        """Whether there is nothing of the ticket anywhere."""
        return self.state is None and not self.object_versions and not self.events


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure removed: counts, times and a digest, no personal data.

    `sha256` is of the lines "key<tab>version<newline>" of all deleted object versions, sorted. `late_*` are those among
    them that the second look found. `refused` could not be deleted: the erasure is not complete then.
    """

    ticket: str
    erased_at: str
    finished_at: str
    object_versions: int
    events: int
    late_object_versions: int
    late_events: int
    looked_again_after: float
    refused: int
    sha256: str


def plan(ticket: str, table: TicketTable, records: Records, objects: Objects) -> Plan:
    """Counts, and changes nothing."""
    item = table.get(ticket)
    return Plan(
        ticket,
        item.state if item else None,
        item.attributes.get("legal_hold") if item else None,
        sum(1 for _ in objects.versions(prefix_of(ticket))),
        sum(1 for _ in records.events(ticket)),
    )


def erase(
    ticket: str,
    records: Records,
    objects: Objects,
    *,
    settle: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Receipt:
    """Erases; may be repeated. Raises InvalidRequest("legal_hold").

    Looks a second time once everything that was under way when the tombstone was set has surely ended: until
    `settle` seconds have passed since then.
    """
    erased_at = records.erase(ticket, iso(now()))
    deleted, refused, events = _sweep(ticket, records, objects)
    pause = unsettled(erased_at, settle, now())
    late: list[Version] = []
    late_events = 0
    if pause:
        sleep(pause)
        late, refused, late_events = _sweep(ticket, records, objects)
    return Receipt(
        ticket=ticket,
        erased_at=erased_at,
        finished_at=iso(now()),
        object_versions=len(deleted) + len(late),
        events=events + late_events,
        late_object_versions=len(late),
        late_events=late_events,
        looked_again_after=round(pause, 1),
        refused=len(refused),
        sha256=digest([*deleted, *late]),
    )


def unsettled(since: str, settle: float, moment: datetime) -> float:
    """Seconds from `moment` until what was under way at `since` (ISO 8601) has surely ended; 0 where it has."""
    passed = (moment - datetime.fromisoformat(since)).total_seconds()
    return min(max(settle - passed, 0.0), settle)


def digest(versions: Iterable[Version]) -> str:
    """The receipt's digest."""
    lines = sorted(f"{version.key}\t{version.version_id}\n" for version in versions)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sweep(ticket: str, records: Records, objects: Objects) -> tuple[list[Version], list[Version], int]:
    found = list(objects.versions(prefix_of(ticket)))
    refused = objects.delete(found)
    events = list(records.events(ticket))
    for event in events:
        records.forget_event(ticket, event.record)
    return [version for version in found if version not in set(refused)], refused, len(events)
