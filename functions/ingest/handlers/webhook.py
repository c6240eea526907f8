"""Webhook handler: enqueue the request and respond with 202."""

from http import HTTPStatus
from typing import Any

from ingest import dependencies
from ingest.webhooks.request import Rejected, accepted_response, parse_request, rejected_response
from ticket_archive.clock import iso, now
from ticket_archive.errors import SettingsError
from ticket_archive.messages import webhook_message
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import describe, logger

RESOURCE = "/webhooks/tickets"


def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Respond to an API Gateway proxy event. Never raises: the sender must learn that its event was not enqueued."""
    # Not `requestId`: API Gateway takes that from the header x-amzn-RequestId, which any sender can set.
    request = {"request_id": (event.get("requestContext") or {}).get("extendedRequestId")}
    try:
        queue, credentials = dependencies.webhook()
        webhook = parse_request(event, credentials(), iso(now()))
        message_id = queue.send(webhook_message(webhook))
    except Rejected as rejection:
        count(Metric.WEBHOOKS_REJECTED)
        logger.info("webhook rejected", extra={**request, "status": rejection.status.value})
        return rejected_response(rejection.status)
    except Exception as error:  # noqa: BLE001 - see above
        count(Metric.WEBHOOKS_ENQUEUE_FAILED)
        if isinstance(error, SettingsError):
            count(Metric.CONFIGURATION_ERRORS)
        logger.error("webhook enqueue failed", extra={**request, **describe(error)})
        return rejected_response(HTTPStatus.SERVICE_UNAVAILABLE)
    count(Metric.WEBHOOKS_ACCEPTED)
    logger.info("webhook accepted", extra={**request, "correlation_id": message_id, "bytes": len(webhook.body)})
    return accepted_response()
