"""Queue incomplete tickets again, at growing intervals, and recheck what was absent or unrecognized.

A ticket that is older than the age limit is queued to be archived as it is: no ticket leaves the list silently.
"""

import math
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from ingest.archiving.models import RECHECK, SCHEDULE
from ingest.messaging.backoff import next_requeue, pause_before_requeue
from ingest.messaging.queue import Queue
from ticket_archive.clock import iso
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType
from ticket_archive.table import Due, IncompleteTicket, TicketTable
from ticket_archive.telemetry import logger

_MAX_TICKETS = 1000
_LATE = timedelta(hours=1)
_SECOND_RECHECK = timedelta(days=1)


def requeue(
    table: TicketTable, queue: Queue, now: datetime, max_age: timedelta, deadline: float = math.inf
) -> dict[str, int]:
    """Queue at most _MAX_TICKETS due tickets of each list, none after `deadline` (monotonic seconds).

    The next run continues. Each ticket is claimed before it is sent: a crash in between costs an interval, no ticket.
    Returns counts: `exhausted` tickets were over the age limit; `late` ones were received over an hour ago.
    """
    incomplete = table.listed(Due.INCOMPLETE, _MAX_TICKETS)
    sent = exhausted = rechecked = 0
    refetches = table.listed(Due.REFETCH, _MAX_TICKETS)
    for ticket in _due([*incomplete, *refetches], now, deadline):
        force = ticket in refetches
        over = _waited(ticket) > max_age if force else ticket.received_at < iso(now - max_age)
        pause = pause_before_requeue(ticket.requeues + 1)
        again = now + timedelta(seconds=pause) if force else next_requeue(now, pause, ticket.received_at, max_age)
        if not table.postpone(ticket, iso(again)):
            continue
        settle = tuple(ImageType) if over else ()
        _send(queue, ticket_message(ticket.ticket, kind=SCHEDULE, force=force, settle=settle), ticket)
        if over:
            exhausted += 1
            logger.warning("requeue exhausted", extra={"ticket": ticket.ticket})
        else:
            sent += 1
    for ticket in _due(table.listed(Due.RECHECK, _MAX_TICKETS), now, deadline):
        if table.postpone(ticket, iso(now + _SECOND_RECHECK) if ticket.requeues == 0 else None):
            _send(queue, ticket_message(ticket.ticket, kind=RECHECK), ticket)
            rechecked += 1
    late = sum(ticket.received_at < iso(now - _LATE) for ticket in incomplete)
    return {"requeued": sent, "exhausted": exhausted, "rechecks": rechecked, "late": late}


def _due(listed: Iterable[IncompleteTicket], now: datetime, deadline: float) -> Iterator[IncompleteTicket]:
    return (each for each in listed if each.retry_at <= iso(now) and time.monotonic() < deadline)


def _waited(ticket: IncompleteTicket) -> timedelta:
    """Return the minimum time that a ticket has been listed. An archived ticket may have been received long before."""
    return timedelta(seconds=sum(pause_before_requeue(each) for each in range(ticket.requeues + 1)))


def _send(queue: Queue, body: str, ticket: IncompleteTicket) -> None:
    message_id = queue.send(body)
    logger.info("ticket queued again", extra={"ticket": ticket.ticket, "correlation_id": message_id})
