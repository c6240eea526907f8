"""Entry point of the ingest function: choose the handler by the event's source."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.handlers import schedule, sqs, webhook
from ticket_archive import snapshot
from ticket_archive.event_source import REST_API, SCHEDULE_SOURCE, SQS, UnsupportedEvent, event_source
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import metrics

snapshot.prepare("dynamodb", "s3", "secretsmanager", "sqs")


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a webhook request, an SQS batch or the schedule's event. Raises UnsupportedEvent for any other."""
    source = event_source(event)
    if source == SQS:
        return sqs.handle(event, context)
    if source == SCHEDULE_SOURCE:
        return schedule.handle(context)
    if source == REST_API:
        if (event["httpMethod"], event.get("resource")) == ("POST", webhook.RESOURCE):
            return webhook.handle(event)
        source += f" request {event['httpMethod']} {event.get('resource')}"
    count(Metric.CONFIGURATION_ERRORS)  # another service invokes this function
    raise UnsupportedEvent(
        f"ingest does not take this event: {source}. It takes POST {webhook.RESOURCE} of a REST API, "
        f'{SQS} records, and {{"source": "{SCHEDULE_SOURCE}"}}.'
    )
