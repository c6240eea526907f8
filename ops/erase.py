"""Erase tickets: the tombstone first, so that nothing new is stored, then every object version, then the events."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.errors import Failure
from ops.objects import Objects, Version, prefix_of
from ops.parallel import for_each
from ops.table import OperatorTable
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.table import TicketTable

DRAIN_SECONDS = 70.0
"""An ingest invocation that began before the tombstone was set ends within the function's 60 seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would remove. `state` is None if the table has no item."""

    ticket: str
    state: TicketState | None
    legal_hold: str | None
    object_versions: int
    events: int

    @property
    def unknown(self) -> bool:
        """Whether the archive has nothing of this ticket."""
        return self.state is None and not self.object_versions and not self.events


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure removed: counts, times and a digest, no personal data.

    `sha256` is of the lines "key<tab>version<newline>" of all deleted object versions, sorted. `late_*` counts what the
    second pass found. `refused` counts versions that S3 did not delete: the erasure is then not complete.
    """

    ticket: str
    erased_at: str
    finished_at: str
    object_versions: int
    events: int
    late_object_versions: int
    late_events: int
    refused: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _FirstPass:
    ticket: str
    erased_at: str
    deleted: Sequence[Version]
    events: int


def plan(ticket: str, table: TicketTable, records: OperatorTable, objects: Objects) -> Plan:
    """Count what an erasure would remove."""
    item = table.get(ticket)
    return Plan(
        ticket,
        item.state if item else None,
        item.attributes.get("legal_hold") if item else None,
        sum(1 for _ in objects.versions(prefix_of(ticket))),
        sum(1 for _ in records.events(ticket)),
    )


def erase(
    tickets: Sequence[str],
    records: OperatorTable,
    objects: Objects,
    *,
    drain_seconds: float,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    done: Callable[[], object] = lambda: None,
) -> list[Receipt | Failure]:
    """Erase tickets in parallel; return a receipt or a failure for each. May be repeated.

    A second pass removes what invocations stored that were in flight when the tombstones were set. It begins when
    `drain_seconds` have passed since then, once for all tickets. `done` is called twice for each ticket.
    """

    def first_pass(ticket: str) -> _FirstPass:
        erased_at = records.erase(ticket, iso(now()))  # raises InvalidRequest("legal_hold")
        deleted, _, events = _sweep(ticket, records, objects)
        return _FirstPass(ticket, erased_at, deleted, events)

    def second_pass(first: _FirstPass | Failure) -> Receipt:
        if isinstance(first, Failure):
            raise first
        late, refused, late_events = _sweep(first.ticket, records, objects)
        return Receipt(
            ticket=first.ticket,
            erased_at=first.erased_at,
            finished_at=iso(now()),
            object_versions=len(first.deleted) + len(late),
            events=first.events + late_events,
            late_object_versions=len(late),
            late_events=late_events,
            refused=len(refused),
            sha256=digest([*first.deleted, *late]),
        )

    begun = for_each(first_pass, tickets, done)
    moment = now()
    pause = max(
        (remaining(first.erased_at, drain_seconds, moment) for first in begun if isinstance(first, _FirstPass)),
        default=0.0,
    )
    if pause:
        sleep(pause)
    return for_each(second_pass, begun, done)


def remaining(since: str, drain_seconds: float, moment: datetime) -> float:
    """Return the seconds from `moment` until `drain_seconds` have passed since `since` (ISO 8601), at least 0."""
    passed = (moment - datetime.fromisoformat(since)).total_seconds()
    return min(max(drain_seconds - passed, 0.0), drain_seconds)


def digest(versions: Iterable[Version]) -> str:
    """Return the receipt's digest of deleted versions."""
    lines = sorted(f"{version.key}\t{version.version_id}\n" for version in versions)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sweep(ticket: str, records: OperatorTable, objects: Objects) -> tuple[list[Version], list[Version], int]:
    """Delete everything of the ticket; return deleted versions, refused versions and the number of events."""
    found = list(objects.versions(prefix_of(ticket)))
    refused = objects.delete(found)
    events = list(records.events(ticket))
    for event in events:
        records.delete_event(ticket, event.record)
    return [version for version in found if version not in set(refused)], refused, len(events)
