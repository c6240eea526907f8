"""The handlers' dependencies, created from the settings on first use and kept for the process.

Nothing is created at import, so a snapshot (SnapStart) holds no client, secret or connection. Every function raises
SettingsError.
"""

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache, partial
from typing import NamedTuple

from botocore.config import Config

from ingest.archiving.archiver import Archiver
from ingest.archiving.fetcher import Fetcher
from ingest.archiving.processor import MessageProcessor
from ingest.archiving.requeue import requeue
from ingest.messaging.idempotency import EventIdempotency
from ingest.messaging.queue import Queue
from ingest.rotating_secret import RotatingSecret
from ingest.settings import IngestSettings, WebhookSettings
from ingest.threads import ContextThreadPool
from ingest.vendor.client import Preventor
from ingest.vendor.http import HttpClient
from ingest.vendor.metrics import record_call
from ticket_archive import aws, clock
from ticket_archive.bucket import Bucket
from ticket_archive.metrics import Metric, MetricBuffer
from ticket_archive.secrets import VendorCredential, WebhookCredentials, WebhookSecret
from ticket_archive.table import TicketTable

MAX_CONCURRENT_CALLS = 16
"""Concurrent calls to the vendor of one invocation; the description of VendorMaxConcurrency names it too."""
MAX_CONCURRENT_TICKETS = 10
_CALL_THREADS = MAX_CONCURRENT_CALLS + 8
"""More than calls, so that others call the vendor while some store a file. Each thread holds at most one file."""

_DELIVERY_SPAN = timedelta(hours=2)
"""Longer than the queue retries a message."""

_BATCH = Config(
    connect_timeout=1,
    read_timeout=3,
    # Two attempts and the pause between them take 9 seconds at most: the last store ends before the invocation does.
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=_CALL_THREADS + MAX_CONCURRENT_TICKETS,
)
_client = partial(aws.client, config=_BATCH)
_INTERACTIVE = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""API Gateway gives up after 29 seconds."""


class SqsDependencies(NamedTuple):
    """The SQS handler's dependencies. `calls` is the pool for vendor calls; its threads add to `metric_buffer`."""

    processor: MessageProcessor
    calls: ContextThreadPool
    max_receives: int
    metric_buffer: MetricBuffer


@cache
def webhook() -> tuple[Queue, Callable[[], Iterable[WebhookCredentials] | None]]:
    """Return the queue, and a function that returns the accepted webhook credentials: None if none are required."""
    settings = WebhookSettings.read(os.environ)
    queue = Queue(aws.client("sqs", _INTERACTIVE), settings.queue_url)
    if settings.webhook_credentials_secret is None:
        return queue, lambda: None
    secrets = aws.client("secretsmanager", _INTERACTIVE)
    credentials = RotatingSecret(secrets, settings.webhook_credentials_secret, WebhookCredentials.read)
    return queue, credentials.live


@cache
def sqs() -> SqsDependencies:
    """Return the SQS handler's dependencies."""
    settings = IngestSettings.read(os.environ)
    calls = ContextThreadPool(_CALL_THREADS, thread_name_prefix="call")
    dynamodb, queues = _client("dynamodb"), _client("sqs")
    metric_buffer = MetricBuffer()
    bucket = Bucket(_client("s3"), settings.bucket_name, on_put=lambda: metric_buffer.add(Metric.OBJECTS_PUT))
    secrets = _client("secretsmanager")
    webhook_secrets = RotatingSecret(secrets, settings.webhook_secret, lambda text: WebhookSecret.read(text).key)
    vendor = Preventor(
        settings.vendor_url,
        RotatingSecret(secrets, settings.vendor_credential_secret, VendorCredential.read).current,
        HttpClient(pool_size=MAX_CONCURRENT_CALLS),
        settings.image_hosts,
        settings.vendor_user_agent,
        max_calls=MAX_CONCURRENT_CALLS,
        observe=partial(record_call, metric_buffer),
    )
    archiver = Archiver(
        fetcher=Fetcher(vendor, bucket, calls),
        table=TicketTable(dynamodb, settings.table_name),
        bucket=bucket,
        clock=clock.now,
        image_types=settings.image_types,
        retention_days=settings.retention_days,
        settle_time=timedelta(minutes=settings.settle_minutes),
        unknown_after=timedelta(minutes=settings.unknown_ticket_minutes),
        retry_delay=settings.retry_delay_seconds,
        max_age=_max_age(settings),
    )
    processor = MessageProcessor(
        archiver=archiver,
        idempotency=EventIdempotency(dynamodb, settings.idempotency_table_name),
        queue=Queue(queues, settings.queue_url),
        quarantine_queue=Queue(queues, settings.quarantine_queue_url),
        webhook_secrets=webhook_secrets.live,
        allow_plaintext=settings.allow_plaintext_webhooks,
        retry_delay=settings.retry_delay_seconds,
    )
    return SqsDependencies(processor, calls, settings.max_receives, metric_buffer)


@cache
def schedule() -> Callable[..., dict[str, int]]:
    """Return `requeue` with all arguments but `now` and `deadline`."""
    settings = IngestSettings.read(os.environ)
    table, queue = TicketTable(_client("dynamodb"), settings.table_name), Queue(_client("sqs"), settings.queue_url)
    return partial(requeue, table, queue, max_age=_max_age(settings))


def _max_age(settings: IngestSettings) -> timedelta:
    """Return the age at which an incomplete ticket is archived as it is: before its retention ends."""
    max_age = timedelta(days=settings.requeue_for_days)
    if settings.retention_days:
        max_age = min(max_age, timedelta(days=settings.retention_days) - _DELIVERY_SPAN)
    return max_age
