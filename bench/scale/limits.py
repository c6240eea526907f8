"""AWS's limits and the template's own, what comes near them at the busiest second, and what to do then."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.scale import batch, rates, traffic
from bench.scale.calls import FailedAttempt
from bench.scale.inputs import DAY, World
from bench.scale.rates import Rates
from bench.scale.settings import Settings
from ingest.archiving.requeue import _LIMIT as REQUEUED_AT_ONCE
from ingest.messaging.backoff import pause_before_delivery

HEADROOM = 1.5
"""What is advised of workers over the busiest second's need; the stage's throttle gets twice that second."""
_HOUR = 3600
_DOCS = "docs.aws.amazon.com"


@dataclass(frozen=True)
class Limit:
    """`value` of `unit`; `used` tells how much a rate takes of it. `hard`: what is over it is refused, not put off."""

    name: str
    value: float
    unit: str
    used: Callable[[Rates], float]
    then: str
    source: str
    hard: bool = True


@dataclass(frozen=True)
class Use:
    """A limit at the busiest second; `reached_at` is tickets a day, None where more tickets do not lead there."""

    limit: Limit
    used: float
    reached_at: float | None

    @property
    def share(self) -> float:
        """1.0 at the limit."""
        return self.used / self.limit.value


def every(world: World, settings: Settings) -> list[Limit]:
    """With these settings; AWS's values are defaults of an account, per region."""
    return [
        Limit(
            "webhooks let in by the stage (ThrottlingRateLimit)",
            settings.throttle_rate,
            "requests/s",
            lambda rate: rate.api,
            "raise ThrottlingRateLimit and ThrottlingBurstLimit in the template",
            "template.yaml",
        ),
        Limit(
            "tickets worked on (VendorMaxConcurrency)",
            rates.capacity(world, settings),
            "tickets/s",
            lambda rate: rate.tickets,
            "raise VendorMaxConcurrency as far as the vendor allows; until then the queue keeps what is over",
            "template.yaml and the batch above",
            hard=False,
        ),
        Limit(
            "API Gateway, all APIs of the account",
            10_000,
            "requests/s",
            lambda rate: rate.api,
            "quota: Throttle rate",
            "repost.aws/knowledge-center/api-gateway-throttling",
        ),
        Limit(
            "Lambda, concurrent executions of the account",
            1_000,
            "executions",
            lambda rate: rate.concurrency,
            "quota: Concurrent executions; then reserve some for the webhook door",
            f"{_DOCS}/lambda/latest/dg/lambda-concurrency.html",
        ),
        Limit(
            "DynamoDB, new on-demand table (Tickets)",
            4_000,
            "write units/s",
            lambda rate: rate.table_units,
            "grows by itself to double the last peak; for a sudden start set WarmThroughput",
            "repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
        ),
        Limit(
            "DynamoDB, new on-demand table (Idempotency)",
            4_000,
            "write units/s",
            lambda rate: rate.once_units,
            "as above",
            "repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
        ),
        Limit(
            "index `incomplete`, one partition, while the vendor is down",
            1_000,
            "write units/s",
            lambda rate: FailedAttempt().incomplete_units * failing(world, settings, rate.tickets),
            "a second value of the index's key; or fewer workers while the vendor is down",
            f"{_DOCS}/amazondynamodb/latest/developerguide/gsi-throttling.html",
            hard=False,
        ),
        Limit(
            "S3, one prefix that is not split yet",
            3_500,
            "PUT/s",
            lambda rate: rate.puts,
            "S3 splits by itself within an hour (ids spread well); before a migration ask AWS for it",
            "repost.aws/knowledge-center/http-5xx-errors-s3",
        ),
        Limit(
            "KMS, symmetric operations",
            10_000,
            "requests/s",
            lambda rate: rate.kms,
            "quota: Cryptographic operations (symmetric) request rate; 100,000 in us-east-1",
            f"{_DOCS}/general/latest/gr/kms.html",
        ),
        Limit(
            "Secrets Manager, reads",
            10_000,
            "requests/s",
            lambda rate: rate.secrets,
            "remember secrets longer than five minutes",
            f"{_DOCS}/secretsmanager/latest/userguide/reference_limits.html",
        ),
        Limit(
            "EventBridge, events to one rule's target (manifests)",
            4_500,
            "invocations/s",
            lambda rate: rate.tickets,
            "quota: Invocations throttle limit; what is over it comes later (value of eu-central-1)",
            f"{_DOCS}/eventbridge/latest/userguide/eb-quota.html",
            hard=False,
        ),
    ]


def at_peak(world: World, settings: Settings, tickets: float) -> list[Use]:
    """Of so many tickets a day; the nearest limit comes first."""
    peak = rates.at(world, settings, traffic.rate(tickets, world.peak, DAY / 2))
    found = [Use(limit, limit.used(peak), _reached(world, settings, limit)) for limit in every(world, settings)]
    return sorted(found, key=lambda use: -use.share)


def advised(world: World, settings: Settings, tickets: float) -> Settings:
    """The template's settings where they suffice, else raised: throttle and workers."""
    peak = traffic.rate(tickets, world.peak, DAY / 2)
    workers = math.ceil(HEADROOM * peak * settings.concurrency / rates.capacity(world, settings))
    rate = max(settings.throttle_rate, math.ceil(2 * peak / 100) * 100.0)
    burst = max(settings.throttle_burst, 2 * rate)
    if rate == settings.throttle_rate:
        burst = settings.throttle_burst
    return replace(settings, concurrency=max(settings.concurrency, workers), throttle_rate=rate, throttle_burst=burst)


def failing(world: World, settings: Settings, rate: float) -> float:
    """Attempts per second that fail at the end of an hour's outage, bounded by the workers."""
    full = batch.failing_seconds(world, settings.batch_size, settings.memory_mb)
    return min(rate * attempts_within(settings, _HOUR), settings.concurrency * settings.batch_size / full)


def attempts_within(settings: Settings, seconds: float) -> int:
    """How often a message is tried that keeps failing, for so long, with pauses of average length."""
    return sum(begun < seconds for begun in attempts(settings, 0.5))


def attempts(settings: Settings, draw: float) -> Sequence[float]:
    """When a message's attempts begin, in seconds from the first, if all fail; the last makes it a dead letter."""
    begun = [0.0]
    for receives in range(1, settings.max_receives):
        begun.append(begun[-1] + pause_before_delivery(receives, settings.retry_delay, None, draw))
    return begun


def requeued_per_second(settings: Settings) -> float:
    """What the schedule door can queue again at most."""
    return REQUEUED_AT_ONCE / settings.requeue_every


def _reached(world: World, settings: Settings, limit: Limit) -> float | None:
    """Tickets a day at which the busiest second is at the limit."""
    low, high = 1.0, 1e12

    def share(tickets: float) -> float:
        return limit.used(rates.at(world, settings, tickets / DAY * world.peak)) / limit.value

    if share(high) < 1:
        return None
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if share(middle) < 1 else (low, middle)
    return high
