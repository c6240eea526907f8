"""Schedule handler: queue incomplete tickets again."""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest import dependencies
from ticket_archive.clock import now
from ticket_archive.errors import SettingsError
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import describe, logger

RESERVED_FOR_ONE_TICKET = 20.0
"""Seconds before the end of the invocation after which no ticket is claimed: its two calls may take that long."""


def handle(context: LambdaContext) -> dict[str, Any]:
    """Queue the incomplete tickets that are due, and return the counts. Raises SettingsError, ClientError."""
    try:
        requeue = dependencies.schedule()
    except SettingsError as error:
        count(Metric.CONFIGURATION_ERRORS)
        logger.error("schedule not run", extra=describe(error))
        raise
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVED_FOR_ONE_TICKET
    done = requeue(now=now(), deadline=deadline)
    count(Metric.TICKETS_REQUEUED, done["requeued"])
    count(Metric.REQUEUE_EXHAUSTED, done["exhausted"])
    count(Metric.TICKETS_INCOMPLETE_FOR_AN_HOUR, done["late"])
    logger.info("incomplete tickets", extra=done)
    return done
