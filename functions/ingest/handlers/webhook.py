"""The webhook door: keep the request, answer 202. Only the queue stands in between, so nothing else can lose it."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.clients import client
from ingest.messaging.messages import webhook_message
from ingest.messaging.queue import TicketQueue
from ingest.webhooks.request import Credentials, Rejected, accepted, read_credentials, receive, refused
from ticket_archive.clock import iso, now
from ticket_archive.errors import SettingsError
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import describe, logger


@dataclass(frozen=True, slots=True)
class Collaborators:
    """`credentials` gives those of which webhooks must carry one, None where nothing is asked of them."""

    queue: TicketQueue | None
    credentials: Callable[[], Iterable[Credentials] | None]


@cache
def collaborators() -> Collaborators:
    """Made on the first request. Reads its own two variables only: a mistake in others must not cost an event."""
    url = os.environ.get("QUEUE_URL")
    queue = TicketQueue(client("sqs", interactive=True), url) if url else None
    return Collaborators(queue, _credentials_reader(os.environ.get("WEBHOOK_CREDENTIALS_SECRET")))


def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers a request of API Gateway's. Never raises: the vendor must hear when its event is not kept."""
    # API Gateway's own: `requestId` is whatever the header x-amzn-RequestId says, and anybody may post.
    request = {"request_id": (event.get("requestContext") or {}).get("extendedRequestId")}
    try:
        door = collaborators()
        webhook = receive(event, door.credentials(), iso(now()))
        body = webhook_message(webhook)
        kept = {"correlation_id": door.queue.send(body)} if door.queue else _work_at_once(body, context)
    except Rejected as refusal:
        count(Metric.WEBHOOKS_REJECTED)
        logger.info("webhook rejected", extra={**request, "status": refusal.status.value})
        return refused(refusal.status)
    except Exception as error:  # noqa: BLE001 - see above
        count(Metric.WEBHOOKS_ENQUEUE_FAILED)
        logger.error("webhook enqueue failed", extra={**request, **describe(error)})
        return refused(HTTPStatus.SERVICE_UNAVAILABLE)
    count(Metric.WEBHOOKS_ACCEPTED)
    logger.info("webhook accepted", extra={**request, **kept, "bytes": len(webhook.body)})
    return accepted()


def _work_at_once(body: str, context: LambdaContext) -> dict[str, Any]:
    """Without a queue (SAM local on its own) the queue door's use case runs here; its result changes no answer."""
    from ingest.handlers import sqs as sqs_handler

    message_id = f"local-{context.aws_request_id}"
    try:
        return {"correlation_id": message_id, "result": sqs_handler.work_on(body, message_id, context).result}
    except Exception as error:  # noqa: BLE001 - one answer for every body
        logger.error("ticket not archived", extra={"correlation_id": message_id, **describe(error)})
        return {"correlation_id": message_id, "result": "failed"}


def _credentials_reader(secret: str | None) -> Callable[[], Iterable[Credentials] | None]:
    """Reads the secret when it is needed, and remembers it for five minutes."""
    if not secret:
        return lambda: None
    from ingest.secrets import LiveSecret

    live = LiveSecret(client("secretsmanager", interactive=True), secret, "webhook_credentials")

    def credentials() -> Iterator[Credentials]:
        """The current ones, and for whoever does not carry these those of before the last change."""
        yield read_credentials(str(live.current()))
        with suppress(SettingsError):  # what was there before were no credentials
            if (previous := live.previous()) is not None:
                yield read_credentials(str(previous))

    return credentials
