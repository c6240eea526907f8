"""The ingest function: one handler, three doors, told apart by the form of the event.

A door's module is imported when its first event comes: a cold start costs what the door in use needs. In a snapshot of
the initialised process (SnapStart) all of them are loaded, and nothing is made yet: no client, secret or connection.
"""

import gc
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ticket_archive import snapshot
from ticket_archive.telemetry import metrics

# What is loaded until the first event is done stays: to look for garbage in it is a twentieth of a cold start.
gc.disable()

SCHEDULE_SOURCE = "ticket-archive.schedule"

snapshot.prepare(
    "ingest.handlers.webhook",
    "ingest.handlers.sqs",
    "ingest.handlers.schedule",
    "cryptography.hazmat.primitives.ciphers",
    "cryptography.hazmat.primitives.padding",
)


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Hands the event to its door: SQS records, the schedule's tick, or else a request from API Gateway."""
    try:
        return _through_its_door(event, context)
    finally:
        gc.enable()


def _through_its_door(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "Records" in event:
        from ingest.handlers import sqs as sqs_handler

        return sqs_handler.handle(event, context)
    if event.get("source") == SCHEDULE_SOURCE:
        from ingest.handlers import schedule as schedule_handler

        return schedule_handler.handle()
    from ingest.handlers import webhook as webhook_handler

    return webhook_handler.handle(event, context)
