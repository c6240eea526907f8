"""The queue door: a batch's tickets are worked on at the same time; what fails or is not begun goes back alone."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.archiving.archiver import Archive, Result
from ingest.archiving.fetcher import Fetcher
from ingest.archiving.processor import ERASED, QUARANTINED, Message, MessageProcessor, ProcessingResult
from ingest.archiving.requeue import KIND as SCHEDULE
from ingest.clients import CALLS_AT_ONCE, TICKETS_AT_ONCE, client
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import DUPLICATE, EventIdempotency
from ingest.messaging.queue import TicketQueue
from ingest.secrets import Secrets
from ingest.settings import IngestSettings
from ingest.threads import Threads
from ingest.vendor.client import Preventor
from ingest.vendor.http import Transport, usual_tls
from ingest.vendor.metrics import VendorCalls
from ticket_archive import clock, traces
from ticket_archive.bucket import Bucket
from ticket_archive.errors import ArchiveError, DeadlineExceeded, RetryableError, TicketIncomplete, WriteConflict
from ticket_archive.metrics import Metric, MetricBuffer
from ticket_archive.table import TicketTable
from ticket_archive.telemetry import append_log_keys, describe, logger

LEFT_FOR_STORING = 8.0
"""Seconds before the invocation's end at which calls to the vendor end: what came is still stored then."""
LEAST_FOR_A_TICKET = 4.0
"""Seconds that must be left for the vendor, or a ticket is not begun."""
SOON = 2
"""Seconds after which a ticket comes back first that only had bad luck: no time left, or another attempt under way.

They double each time: a message's deliveries must not be used up while the other attempt takes its time.
"""

_random = random.SystemRandom()  # the copies of a snapshot share all other random state


@dataclass(frozen=True, slots=True)
class Collaborators:
    """`tickets` is the pool in which a batch's tickets are worked on, `metric_buffer` what their threads have to count."""

    work: MessageProcessor
    once: EventIdempotency | None
    queue: TicketQueue | None
    tickets: ThreadPoolExecutor
    retry_delay: float
    max_receives: int
    metric_buffer: MetricBuffer = field(default_factory=MetricBuffer)


class NotDone(Exception):
    """Makes Powertools hand a record back. It says nothing, because libraries log what it says."""


@cache
def collaborators() -> Collaborators:
    """Made on the first batch. Raises SettingsError."""
    settings = IngestSettings.read(os.environ)
    calls = Threads(CALLS_AT_ONCE, thread_name_prefix="call")
    tls = calls.submit(usual_tls)  # OpenSSL reads its authorities while Python reads what AWS's services are like
    dynamodb = client("dynamodb")
    metric_buffer = MetricBuffer()
    bucket = Bucket(client("s3"), settings.bucket_name, on_put=lambda: metric_buffer.add(Metric.OBJECTS_PUT))
    secrets = Secrets(
        client("secretsmanager"),
        vendor_credential=settings.vendor_credential_secret,
        webhook_secret=settings.webhook_secret,
    )
    transport = Transport(pool_size=CALLS_AT_ONCE, tls=tls.result)
    vendor = Preventor(
        settings.vendor_url,
        secrets.vendor_credential,
        transport,
        settings.image_hosts,
        observe=VendorCalls(metric_buffer),
    )
    archive = Archive(
        fetcher=Fetcher(vendor, bucket, calls),
        table=TicketTable(dynamodb, settings.table_name),
        bucket=bucket,
        pool=calls,
        clock=clock.now,
        image_types=settings.image_types,
        retention_days=settings.retention_days,
    )
    once = EventIdempotency(dynamodb, settings.idempotency_table_name) if settings.idempotency_table_name else None
    queue = (
        TicketQueue(client("sqs"), settings.queue_url, settings.quarantine_queue_url) if settings.queue_url else None
    )
    work = MessageProcessor(
        archive=archive,
        once=once,
        quarantine=queue,
        webhook_secrets=secrets.webhook_secrets,
        allow_plaintext=settings.allow_plaintext_webhooks,
        retry_delay=settings.retry_delay_seconds,
    )
    tickets = ThreadPoolExecutor(TICKETS_AT_ONCE, thread_name_prefix="ticket")
    return Collaborators(work, once, queue, tickets, settings.retry_delay_seconds, settings.max_receives, metric_buffer)


def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Works on an SQS batch; answers which messages are to be delivered again."""
    door = collaborators()
    expires_at = _begin(door, context)
    in_flight = {
        record.receipt_handle: door.tickets.submit(copy_context().run, _deliver, door, record, expires_at)
        for record in map(SQSRecord, event["Records"])
    }

    def record_handler(record: SQSRecord) -> None:
        """Powertools comes with one record after the other, while all of them are worked on."""
        if not in_flight[record.receipt_handle].result():
            raise NotDone

    response = process_partial_response(
        event=event,
        record_handler=record_handler,
        processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )
    door.metric_buffer.flush()
    return dict(response)


def _deliver(door: Collaborators, record: SQSRecord, expires_at: float) -> bool:
    """Works on one message in a context of its own, and tells how that ended. Whether the message is done."""
    message = Message(
        body=record.body,
        id=record.message_id,
        sent_at=_sent_at(record),
        receives=int(record.attributes.approximate_receive_count or 1),
    )
    try:
        done = _work(door, message, expires_at)
    except Exception as error:  # noqa: BLE001 - one record's failure, whatever it is, is that record's alone
        _put_off(door, record.receipt_handle, message, error)
        return False
    _report(door, done)
    return True


def work_on(body: str, message_id: str, context: LambdaContext) -> ProcessingResult:
    """One message outside a queue. Raises what the use case raises."""
    door = collaborators()
    message = Message(body=body, id=message_id, sent_at=clock.iso(clock.now()))
    try:
        return copy_context().run(_work, door, message, _begin(door, context))
    finally:
        door.metric_buffer.flush()


def _begin(door: Collaborators, context: LambdaContext) -> float:
    """When calls to the vendor must end, in monotonic seconds."""
    if door.once is not None:
        door.once.begin_invocation(context)
    return clock.monotonic_in(context.get_remaining_time_in_millis() / 1000 - LEFT_FOR_STORING)


def _work(door: Collaborators, message: Message, expires_at: float) -> ProcessingResult:
    append_log_keys(correlation_id=message.id)
    if clock.monotonic_in(LEAST_FOR_A_TICKET) > expires_at:
        raise DeadlineExceeded("not_begun")
    with traces.part("message") as annotations:
        done = door.work.do(message, expires_at)
        annotations.update(done.codes())
        return done


def _report(door: Collaborators, done: ProcessingResult) -> None:
    door.metric_buffer.add(Metric.MESSAGES_PROCESSED)
    door.metric_buffer.add(_RESULTS.get(done.result, Metric.EVENTS_IGNORED))
    told = done.codes()
    if done.result == Result.ARCHIVED and done.kind == SCHEDULE:
        door.metric_buffer.add(Metric.TICKETS_RECOVERED)
    if done.result == Result.ARCHIVED and done.received_at is not None:
        took = clock.now() - datetime.fromisoformat(done.received_at)
        told["milliseconds"] = round(took.total_seconds() * 1000)
        door.metric_buffer.add(Metric.ARCHIVE_LATENCY, told["milliseconds"])
    logger.info("message processed", extra=told)


_RESULTS = {
    Result.ARCHIVED: Metric.TICKETS_ARCHIVED,
    Result.UNCHANGED: Metric.TICKETS_UNCHANGED,
    Result.ALREADY_ARCHIVED: Metric.TICKETS_UNCHANGED,
    DUPLICATE: Metric.DUPLICATES_SUPPRESSED,
    Result.SUPERSEDED: Metric.DUPLICATES_SUPPRESSED,
    QUARANTINED: Metric.WEBHOOKS_QUARANTINED,
    ERASED: Metric.TICKETS_ERASED_ASKED_FOR,
}


def _put_off(door: Collaborators, receipt_handle: str, message: Message, error: Exception) -> None:
    """Logs why, and sets when the message comes back: at once after its last chance, to be a dead letter soon."""
    door.metric_buffer.add(Metric.MESSAGES_RETRIED)
    for metric in alarming(error):
        door.metric_buffer.add(metric)
    last = message.receives >= door.max_receives
    pause = 0 if last else _pause(error, message.receives, door.retry_delay)
    logger.warning("retry scheduled", extra={"receives": message.receives, "pause": pause, **describe(error)})
    if door.queue is None:
        return
    try:
        door.queue.set_visibility_timeout(receipt_handle, pause)
    except Exception as failure:  # noqa: BLE001 - then the queue's own visibility time-out brings it back, only later
        logger.warning("pause not set", extra=describe(failure))


def alarming(error: Exception) -> list[Metric]:
    """Metrics for what a person must look at."""
    codes = {error.code} if isinstance(error, ArchiveError) else {"storage"}
    if isinstance(error, TicketIncomplete):
        codes |= error.causes
    return [metric for code, metric in _ALARMING.items() if code in codes]


_ALARMING = {
    "vendor_auth_error": Metric.VENDOR_AUTH_ERRORS,
    "unrecognized_response": Metric.UNRECOGNIZED_RESPONSES,
    "settings": Metric.CONFIGURATION_ERRORS,
    "storage": Metric.STORAGE_ERRORS,
}


def _pause(error: Exception, receives: int, retry_delay: float) -> int:
    base = SOON if isinstance(error, DeadlineExceeded | WriteConflict) else retry_delay
    asked = error.retry_after if isinstance(error, RetryableError) else None
    return pause_before_delivery(receives, base, asked, _random.random())


def _sent_at(record: SQSRecord) -> str:
    milliseconds = int(record.attributes.sent_timestamp or 0)
    return clock.iso(datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else clock.now())
