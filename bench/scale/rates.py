"""What a rate of tickets asks of every service, by the second, and what a day's tickets use altogether."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.scale import batch, calls, traffic
from bench.scale.inputs import World
from bench.scale.settings import Settings
from ingest.secrets import CACHE_SECONDS as SECRET_LIFE

SECRET_READS = 3
"""The vendor's credential, the webhook secret, and the one before it."""
KEY_LIFE = 300.0
"""Seconds for which SQS and DynamoDB use a data key or table key again."""
POLLERS = 5
"""Lambda's pollers of an idle queue whose event source has a MaximumConcurrency, each with a long poll of 20 s."""
TABLES = 2
REQUEST_OUT = 1200
"""Bytes that one call to the vendor sends, TLS included."""


@dataclass(frozen=True)
class Rates:
    """Per second, at `tickets` per second; `concurrency` is what Lambda runs at once."""

    tickets: float
    batch: float
    batches: float
    concurrency: float
    lambda_seconds: float
    api: float
    queue: float
    table_units: float
    once_units: float
    puts: float
    vendor: float
    kms: float
    secrets: float
    events: float
    traces: float
    log_bytes: float
    out_bytes: float


def batch_at(world: World, settings: Settings, rate: float) -> int:
    """The smallest batch with which the workers keep up with `rate`: nothing waits for a batch to be full."""
    for size in range(1, settings.batch_size):
        if settings.concurrency * size / batch.seconds(world, size, settings.memory_mb) >= rate:
            return size
    return settings.batch_size


def capacity(world: World, settings: Settings) -> float:
    """Tickets per second with full batches in all workers."""
    full = batch.seconds(world, settings.batch_size, settings.memory_mb)
    return settings.concurrency * settings.batch_size / full


@cache
def at(world: World, settings: Settings, rate: float) -> Rates:
    """At `rate` tickets per second, or as many as are let in and can be worked on."""
    ticket = calls.of(world.ticket)
    size = batch_at(world, settings, rate)
    batches = rate / size
    took = batch.seconds(world, size, settings.memory_mb)
    seconds = rate * world.latencies.door + batches * took
    warm = min(float(settings.concurrency), max(1.0, batches * took)) if rate else 0.0
    puts, secrets = rate * ticket.bucket_puts, warm * SECRET_READS / SECRET_LIFE
    queue_keys = (2 + 1) / KEY_LIFE  # AWS's estimate: (2 * producers + consumers) per life of a data key
    return Rates(
        tickets=rate,
        batch=size,
        batches=batches,
        concurrency=seconds,
        lambda_seconds=seconds,
        api=rate * ticket.api_requests,
        queue=rate * ticket.queue_sends + 2 * batches,  # to receive and to delete
        table_units=rate * ticket.table_units,
        once_units=rate * ticket.once_units,
        puts=puts,
        vendor=rate * ticket.vendor + warm / world.token_life,
        kms=puts * world.bucket_key + queue_keys + TABLES / KEY_LIFE + secrets,
        secrets=secrets,
        events=puts,
        traces=_traced(world, rate) + _traced(world, batches),
        log_bytes=rate * (calls.LOGGED_WEBHOOK + calls.LAMBDA_LINES + calls.LOGGED_TICKET)
        + batches * (calls.LOGGED_BATCH + calls.LAMBDA_LINES),
        out_bytes=rate * ticket.vendor * REQUEST_OUT,
    )


def over_a_day(world: World, settings: Settings, tickets: float) -> Sequence[Rates]:
    """By the hour."""
    return [at(world, settings, rate) for rate in traffic.hours(tickets, world.peak)]


def _traced(world: World, rate: float) -> float:
    """X-Ray's default rule: the first request of each second, and a share of the others."""
    return min(rate, 1.0) + world.sampled * max(0.0, rate - 1.0)
