"""The queue door: a batch's tickets are worked on at the same time; what fails or is not begun goes back alone."""

import asyncio
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.archive import Archive
from ingest.clients import CALLS_AT_ONCE, TICKETS_AT_ONCE, client
from ingest.fetch import Fetcher
from ingest.once import Once
from ingest.patience import pause_before_delivery
from ingest.preventor import Preventor
from ingest.queue import TicketQueue
from ingest.secrets import Secrets
from ingest.settings import IngestSettings
from ingest.transport import Transport
from ingest.work import Done, Message, Work
from ticket_archive import clock
from ticket_archive.bucket import Bucket
from ticket_archive.errors import ArchiveError, OutOfTime, Superseded, TicketIncomplete, TryLater
from ticket_archive.table import TicketTable
from ticket_archive.telemetry import describe, logger, metrics

LEFT_FOR_STORING = 8.0
"""Seconds before the invocation's end at which calls to the vendor end: what came is still stored then."""
LEAST_FOR_A_TICKET = 4.0
"""Seconds that must be left for the vendor, or a ticket is not begun."""
SOON = 2
"""Seconds after which a ticket comes back first that only had bad luck: no time left, or another attempt under way.

They double each time: a message's deliveries must not be used up while the other attempt takes its time.
"""


@dataclass(frozen=True, slots=True)
class Collaborators:
    """`tickets` is the pool in which a batch's tickets are worked on."""

    work: Work
    once: Once | None
    queue: TicketQueue | None
    tickets: ThreadPoolExecutor
    retry_delay: float
    max_receives: int


class NotDone(Exception):
    """Makes Powertools hand a record back. It says nothing, because libraries log what it says."""


@cache
def collaborators() -> Collaborators:
    """Made on the first batch. Raises SettingsError."""
    settings = IngestSettings.read(os.environ)
    dynamodb = client("dynamodb")
    bucket = Bucket(client("s3"), settings.bucket_name)
    secrets = Secrets(
        client("secretsmanager"),
        vendor_credential=settings.vendor_credential_secret,
        webhook_secret=settings.webhook_secret,
    )
    transport = Transport(pool_size=CALLS_AT_ONCE)
    vendor = Preventor(settings.vendor_url, secrets.vendor_credential, transport, settings.image_hosts)
    calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="call")
    archive = Archive(
        fetcher=Fetcher(vendor, bucket, calls),
        table=TicketTable(dynamodb, settings.table_name),
        bucket=bucket,
        pool=calls,
        clock=clock.now,
        image_types=settings.image_types,
        retention_days=settings.retention_days,
    )
    once = Once(dynamodb, settings.idempotency_table_name) if settings.idempotency_table_name else None
    queue = (
        TicketQueue(client("sqs"), settings.queue_url, settings.quarantine_queue_url) if settings.queue_url else None
    )
    work = Work(
        archive=archive,
        once=once,
        quarantine=queue,
        webhook_secrets=secrets.webhook_secrets,
        allow_plaintext=settings.allow_plaintext_webhooks,
        retry_delay=settings.retry_delay_seconds,
    )
    tickets = ThreadPoolExecutor(TICKETS_AT_ONCE, thread_name_prefix="ticket")
    return Collaborators(work, once, queue, tickets, settings.retry_delay_seconds, settings.max_receives)


def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Works on an SQS batch; answers which messages are to be delivered again."""
    door = collaborators()
    expires_at = _begin(door, context)

    async def record_handler(record: SQSRecord) -> None:
        message = Message(
            body=record.body,
            id=record.message_id,
            sent_at=_sent_at(record),
            receives=int(record.attributes.approximate_receive_count or 1),
        )
        try:
            done = await asyncio.get_running_loop().run_in_executor(door.tickets, _work, door, message, expires_at)
        except Exception as error:  # noqa: BLE001 - one record's failure, whatever it is, is that record's alone
            _put_off(door, record.receipt_handle, message, error)
            raise NotDone from None
        _report(done, message.id)

    response = async_process_partial_response(
        event=event,
        record_handler=record_handler,
        processor=AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )
    return dict(response)


def work_on(body: str, message_id: str, context: LambdaContext) -> Done:
    """One message outside a queue. Raises what the use case raises."""
    door = collaborators()
    message = Message(body=body, id=message_id, sent_at=clock.iso(clock.now()))
    return _work(door, message, _begin(door, context))


def _begin(door: Collaborators, context: LambdaContext) -> float:
    """When calls to the vendor must end, in monotonic seconds."""
    if door.once is not None:
        door.once.begin_invocation(context)
    return clock.monotonic_in(context.get_remaining_time_in_millis() / 1000 - LEFT_FOR_STORING)


def _work(door: Collaborators, message: Message, expires_at: float) -> Done:
    if clock.monotonic_in(LEAST_FOR_A_TICKET) > expires_at:
        raise OutOfTime("not_begun")
    return door.work.do(message, expires_at)


def _report(done: Done, message_id: str) -> None:
    metrics.add_metric("MessagesDone", MetricUnit.Count, 1)
    metrics.add_metric(_METRICS.get(done.result, "EventsIgnored"), MetricUnit.Count, 1)
    if done.kind == "schedule" and done.result == "archived":
        metrics.add_metric("TicketsRepaired", MetricUnit.Count, 1)
    logger.info("message done", extra={"message_id": message_id, **done.codes()})


_METRICS = {
    "archived": "TicketsArchived",
    "unchanged": "TicketsUnchanged",
    "already_archived": "TicketsUnchanged",
    "already_done": "DuplicatesSuppressed",
    "superseded": "DuplicatesSuppressed",
    "quarantined": "WebhooksQuarantined",
    "erased": "TicketsErasedAskedFor",
}


def _put_off(door: Collaborators, receipt_handle: str, message: Message, error: Exception) -> None:
    """Logs why, and sets when the message comes back: at once after its last chance, to be a dead letter soon."""
    metrics.add_metric("MessagesPutOff", MetricUnit.Count, 1)
    for name in alarming(error):
        metrics.add_metric(name, MetricUnit.Count, 1)
    last = message.receives >= door.max_receives
    pause = 0 if last else _pause(error, message.receives, door.retry_delay)
    logger.warning(
        "message put off",
        extra={"message_id": message.id, "receives": message.receives, "pause": pause, **describe(error)},
    )
    if door.queue is None:
        return
    try:
        door.queue.put_off(receipt_handle, pause)
    except Exception as failure:  # noqa: BLE001 - then the queue's own visibility time-out brings it back, only later
        logger.warning("pause not set", extra={"message_id": message.id, **describe(failure)})


def alarming(error: Exception) -> list[str]:
    """Metrics for what a person must look at."""
    codes = {error.code} if isinstance(error, ArchiveError) else {"storage"}
    if isinstance(error, TicketIncomplete):
        codes |= error.causes
    return [name for code, name in _ALARMING.items() if code in codes]


_ALARMING = {
    "vendor_denied_access": "VendorDeniedAccess",
    "not_understood": "BodiesNotUnderstood",
    "settings": "SettingsAtFault",
    "storage": "StorageErrors",
}


def _pause(error: Exception, receives: int, retry_delay: float) -> int:
    base = SOON if isinstance(error, OutOfTime | Superseded) else retry_delay
    asked = error.retry_after if isinstance(error, TryLater) else None
    return pause_before_delivery(receives, base, asked, random.random())  # noqa: S311 - jitter


def _sent_at(record: SQSRecord) -> str:
    milliseconds = int(record.attributes.sent_timestamp or 0)
    return clock.iso(datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else clock.now())
