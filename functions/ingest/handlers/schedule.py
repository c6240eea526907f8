"""Schedule handler: queue incomplete tickets again."""

from typing import Any

from ingest import dependencies
from ingest.archiving.requeue import requeue
from ticket_archive.clock import now
from ticket_archive.errors import SettingsError
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import describe, logger


def handle() -> dict[str, Any]:
    """Queue the incomplete tickets that are due, and return the counts. Raises SettingsError, ClientError."""
    try:
        resources = dependencies.schedule()
    except SettingsError as error:
        count(Metric.CONFIGURATION_ERRORS)
        logger.error("schedule not run", extra=describe(error))
        raise
    done = requeue(resources.table, resources.queue, now(), resources.max_age)
    count(Metric.TICKETS_REQUEUED, done.tickets)
    count(Metric.REQUEUE_EXHAUSTED, done.exhausted)
    count(Metric.TICKETS_INCOMPLETE_FOR_AN_HOUR, done.late)
    counts = {"requeued": done.tickets, "exhausted": done.exhausted, "rechecks": done.rechecks, "late": done.late}
    logger.info("incomplete tickets", extra=counts)
    return counts
