"""SQS handler: process a batch's messages in parallel, and report those that must be delivered again."""

import random
import time
from collections.abc import Collection
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest import dependencies
from ingest.archiving.models import SCHEDULE, ProcessingResult, Result
from ingest.archiving.processor import Message
from ingest.dependencies import MAX_CONCURRENT_TICKETS, SqsDependencies
from ingest.messaging.backoff import pause_before_delivery
from ingest.threads import ContextThreadPool
from ticket_archive.clock import iso, now
from ticket_archive.errors import (
    ArchiveError,
    DeadlineExceeded,
    RetryableError,
    SettingsError,
    TicketIncomplete,
    UnrecognizedResponse,
    VendorAuthError,
    WriteConflict,
)
from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import describe, logger

RESERVED_FOR_STORING = 10.0
"""Seconds before the end of the invocation at which calls to the vendor end, so that what they returned is stored."""
MIN_TICKET_SECONDS = 4.0
"""Seconds for vendor calls; with less time left, a message is not processed."""
SHORT_RETRY_DELAY = 2
"""Base in seconds of the pause after an attempt that only lacked time or met a concurrent one.

It doubles each time, so that the message's deliveries are not used up while the other attempt runs.
"""
MAX_AGED_RECEIVES = 3
"""SQS measures the age of messages that were received at most so often. Others have a metric of ours when they fail."""

_STORAGE = "storage"
"""The code of an exception that is not an ArchiveError: it is the AWS SDK's."""
_random = random.SystemRandom()  # copies of a snapshot share the state of every other generator


class NotProcessed(Exception):
    """Makes Powertools report a record as failed. It has no text, because Powertools logs it."""


def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process an SQS batch; return the partial batch response."""
    try:
        resources = dependencies.sqs()
    except SettingsError as error:
        count(Metric.CONFIGURATION_ERRORS)
        logger.error("batch not processed", extra=describe(error))
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}
    resources.processor.idempotency.begin_invocation(context)
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVED_FOR_STORING
    with ContextThreadPool(MAX_CONCURRENT_TICKETS, thread_name_prefix="ticket") as tickets:
        in_flight: dict[str, Future[bool]] = {
            record["messageId"]: tickets.submit(_process, resources, SQSRecord(record), deadline)
            for record in event["Records"]
        }

        def record_handler(record: SQSRecord) -> None:
            if not in_flight[record.message_id].result():
                raise NotProcessed

        response = process_partial_response(
            event=event,
            record_handler=record_handler,
            processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
            context=context,
        )
    resources.calls.drain()  # nothing may be stored after the invocation
    resources.metric_buffer.flush()
    return dict(response)


def _process(resources: SqsDependencies, record: SQSRecord, deadline: float) -> bool:
    """Process one message; return whether it is done."""
    receives = int(record.attributes.approximate_receive_count or 1)
    message = Message(record.body, _sent_at(record), receives, final=receives >= resources.max_receives)
    logger.thread_safe_append_keys(correlation_id=record.message_id)
    try:
        if time.monotonic() + MIN_TICKET_SECONDS > deadline:
            raise DeadlineExceeded("not_begun")
        result = resources.processor.process(message, deadline)
    except Exception as error:  # noqa: BLE001 - a failure of one record is that record's alone
        _schedule_retry(resources, record.receipt_handle, message, error)
        return False
    _report(resources, result)
    return True


def _report(resources: SqsDependencies, result: ProcessingResult) -> None:
    add = resources.metric_buffer.add
    add(Metric.MESSAGES_PROCESSED)
    if result.result in _METRICS:
        add(_METRICS[result.result])
    _count_alarming(resources, result.causes)
    if result.unrecognized:
        add(Metric.UNRECOGNIZED_EVENTS)
    if result.incomplete:
        add(Metric.ARCHIVED_INCOMPLETE)
    if result.without_outcome:
        add(Metric.ARCHIVED_WITHOUT_OUTCOME)
    codes = result.codes()
    if result.result == Result.ARCHIVED and result.kind == SCHEDULE:
        add(Metric.TICKETS_RECOVERED)
    if result.result == Result.ARCHIVED and result.received_at is not None:
        latency = now() - datetime.fromisoformat(result.received_at)
        codes["milliseconds"] = round(latency.total_seconds() * 1000)
        add(Metric.ARCHIVE_LATENCY, codes["milliseconds"])
    logger.info("message processed", extra=codes)


_METRICS = {
    Result.ARCHIVED: Metric.TICKETS_ARCHIVED,
    Result.UNCHANGED: Metric.TICKETS_UNCHANGED,
    Result.ALREADY_ARCHIVED: Metric.TICKETS_UNCHANGED,
    Result.DUPLICATE: Metric.DUPLICATES_SUPPRESSED,
    Result.SUPERSEDED: Metric.DUPLICATES_SUPPRESSED,
    Result.QUARANTINED: Metric.WEBHOOKS_QUARANTINED,
    Result.QUARANTINED_AGAIN: Metric.WEBHOOKS_QUARANTINED_AGAIN,
    Result.UNKNOWN_TICKET: Metric.UNKNOWN_TICKETS,
    Result.ERASED: Metric.REQUESTS_FOR_ERASED_TICKETS,
    Result.IN_PROGRESS: Metric.EVENTS_IGNORED,
}


def _schedule_retry(resources: SqsDependencies, receipt_handle: str, message: Message, error: Exception) -> None:
    """Set the visibility timeout; 0 after the final receive, so that SQS moves the message to the dead-letter queue."""
    resources.metric_buffer.add(Metric.MESSAGES_RETRIED)
    if message.receives > MAX_AGED_RECEIVES:
        resources.metric_buffer.add(Metric.MESSAGES_RETRIED_OFTEN)
    codes = {error.code if isinstance(error, ArchiveError) else _STORAGE}
    if isinstance(error, TicketIncomplete):
        codes |= error.causes
    _count_alarming(resources, codes)
    pause = 0 if message.final else _pause(error, message.receives, resources.processor.retry_delay)
    logger.warning("retry scheduled", extra={"receives": message.receives, "pause": pause, **describe(error)})
    try:
        resources.processor.queue.set_visibility_timeout(receipt_handle, pause)
    except Exception as failure:  # noqa: BLE001 - the queue's own visibility timeout brings the message back, only later
        logger.warning("visibility timeout not set", extra=describe(failure))


def _count_alarming(resources: SqsDependencies, codes: Collection[str]) -> None:
    """Count error codes that need a person, each under the metric of its alarm."""
    for code in _ALARMING.keys() & codes:
        resources.metric_buffer.add(_ALARMING[code])


_ALARMING = {
    VendorAuthError.code: Metric.VENDOR_AUTH_ERRORS,
    UnrecognizedResponse.code: Metric.UNRECOGNIZED_RESPONSES,
    SettingsError.code: Metric.CONFIGURATION_ERRORS,
    _STORAGE: Metric.STORAGE_ERRORS,
}


def _pause(error: Exception, receives: int, retry_delay: float) -> int:
    base = SHORT_RETRY_DELAY if isinstance(error, DeadlineExceeded | WriteConflict) else retry_delay
    retry_after = error.retry_after if isinstance(error, RetryableError) else None
    return pause_before_delivery(receives, base, retry_after, _random.random())


def _sent_at(record: SQSRecord) -> str:
    milliseconds = int(record.attributes.sent_timestamp or 0)
    return iso(datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else now())
