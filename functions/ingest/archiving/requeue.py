"""The schedule door's use case: tickets that stay incomplete are queued again, at growing intervals, up to an age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ingest.messaging.backoff import pause_before_requeue
from ticket_archive.clock import iso
from ticket_archive.messages import ticket_message
from ticket_archive.table import IncompleteTicket
from ticket_archive.telemetry import logger

KIND = "schedule"
_LIMIT = 1000
_LATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Requeued:
    """What one look at the incomplete tickets did; `late` were received over an hour ago."""

    tickets: int
    given_up: int
    late: int


class Tickets(Protocol):
    """The table, as far as this use case needs it."""

    def incomplete(self, limit: int) -> Sequence[IncompleteTicket]:
        """The incomplete tickets."""
        ...

    def postpone(self, waiting: IncompleteTicket, retry_at: str | None) -> bool:
        """Claims one of them."""
        ...


class Queue(Protocol):
    """The ticket queue."""

    def send(self, body: str) -> str:
        """Queues a message."""
        ...


def requeue(table: Tickets, queue: Queue, now: datetime, keep_for: timedelta) -> Requeued:
    """Queues every due ticket again. Claimed first, sent second: a crash in between costs an interval, no ticket."""
    waiting = table.incomplete(_LIMIT)
    sent = given_up = 0
    for ticket in waiting:
        if ticket.retry_at > iso(now):
            continue
        if ticket.received_at < iso(now - keep_for):
            given_up += table.postpone(ticket, None)
        elif table.postpone(ticket, iso(now + timedelta(seconds=pause_before_requeue(ticket.requeues + 1)))):
            message_id = queue.send(ticket_message(ticket.ticket, kind=KIND))
            logger.info("ticket queued again", extra={"ticket": ticket.ticket, "correlation_id": message_id})
            sent += 1
    late = sum(ticket.received_at < iso(now - _LATE) for ticket in waiting)
    return Requeued(sent, given_up, late)
