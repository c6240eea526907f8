"""The schedule door: tickets that stay incomplete are queued again."""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from ingest.archiving.requeue import requeue
from ingest.clients import client
from ingest.messaging.queue import TicketQueue
from ingest.settings import IngestSettings
from ticket_archive.clock import now
from ticket_archive.errors import SettingsError
from ticket_archive.metrics import Metric, count
from ticket_archive.table import TicketTable
from ticket_archive.telemetry import logger

_DELIVERIES = timedelta(hours=2)
"""Longer than a queued ticket is delivered again and again."""


@dataclass(frozen=True, slots=True)
class Collaborators:
    """`keep_for` is the age up to which a ticket is queued again."""

    table: TicketTable
    queue: TicketQueue
    keep_for: timedelta


@cache
def collaborators() -> Collaborators:
    """Made on the first tick. Raises SettingsError."""
    settings = IngestSettings.read(os.environ)
    if settings.queue_url is None:
        raise SettingsError("QUEUE_URL")
    return Collaborators(
        TicketTable(client("dynamodb"), settings.table_name),
        TicketQueue(client("sqs"), settings.queue_url),
        _age_limit(settings),
    )


def _age_limit(settings: IngestSettings) -> timedelta:
    """Never beyond a ticket's end, which asking again would put off; a message's own deliveries come before it too."""
    limit = timedelta(days=settings.requeue_for_days)
    return min(limit, timedelta(days=settings.retention_days) - _DELIVERIES) if settings.retention_days else limit


def handle() -> dict[str, Any]:
    """One look at the incomplete tickets; answers with what was done."""
    door = collaborators()
    done = requeue(door.table, door.queue, now(), door.keep_for)
    count(Metric.TICKETS_REQUEUED, done.tickets)
    count(Metric.REQUEUE_EXHAUSTED, done.given_up)
    count(Metric.TICKETS_INCOMPLETE_FOR_AN_HOUR, done.late)
    counts = {"requeued": done.tickets, "given_up": done.given_up, "late": done.late}
    logger.info("incomplete tickets", extra=counts)
    return counts
