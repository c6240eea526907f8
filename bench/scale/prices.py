"""AWS's prices, and what a ticket costs by service. To calculate with others, change this one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.scale import calls, rates
from bench.scale.inputs import DAY, World
from bench.scale.settings import Settings
from ticket_archive.metrics import Metric

REGION = "us-east-1"
AS_OF = "June 2026"
"""First tiers, without free tiers and discounts. eu-central-1 is 5 to 20 % dearer in most lines."""
MONTH = 30 * DAY
GB = 1e9


@dataclass(frozen=True)
class Price:
    """Dollars for so many of a unit. `source` tells who says so; "list knowledge": nobody that could be looked up."""

    dollars: float
    per: float
    unit: str
    source: str = "list knowledge"


PRICES: Mapping[str, Price] = {
    "api": Price(3.50, 1e6, "requests to a REST API", "AWS whitepaper on private APIs"),
    "lambda_requests": Price(0.20, 1e6, "invocations", "third-party guides of 2026"),
    "lambda_x86": Price(16.6667, 1e6, "GB-seconds, x86_64", "third-party guides of 2026"),
    "lambda_arm": Price(13.3334, 1e6, "GB-seconds, arm64", "third-party guides of 2026"),
    "queue": Price(0.40, 1e6, "requests to SQS", "third-party guides of 2026"),
    "table_writes": Price(0.625, 1e6, "write units on demand", "third-party guide of 2025"),
    "table_storage": Price(0.25 + 0.20, 1, "GB-months with PITR"),
    "puts": Price(5.00, 1e6, "PUT requests to S3", "third-party guides"),
    "storage": Price(0.023, 1, "GB-months in S3 Standard", "third-party guides"),
    "events": Price(1.00, 1e6, "S3 events to EventBridge", "AWS pricing page (that they are charged); a guide of 2026"),
    "kms": Price(0.03, 1e4, "requests to KMS", "third-party guides"),
    "secrets": Price(0.05, 1e4, "reads of a secret"),
    "logs": Price(0.50, GB, "bytes of logs", "third-party guides of 2026"),
    "traces": Price(5.00, 1e6, "traces recorded", "AWS pricing page of X-Ray"),
    "out": Price(0.09, GB, "bytes to the internet", "third-party guides"),
    "key": Price(1.00, 1, "keys, a month"),
    "secret": Price(0.40, 1, "secrets, a month"),
    "alarm": Price(0.10, 1, "alarms, a month", "third-party guides"),
    "dashboard": Price(3.00, 1, "dashboards, a month", "third-party guides of 2026"),
    "metric": Price(0.30, 1, "custom metrics, a month", "third-party guides of 2026"),
}

_API_METRICS = 7  # that API Gateway writes per method where MetricsEnabled is set
_METHODS = 6


@dataclass(frozen=True)
class Line:
    """So much of what has a price."""

    service: str
    price: str
    amount: float

    @property
    def dollars(self) -> float:
        """What the amount costs."""
        return self.amount * PRICES[self.price].dollars / PRICES[self.price].per


def lines(world: World, settings: Settings, tickets: float) -> list[Line]:
    """What a day with so many tickets uses, by service, but for what is stored and what is fixed."""
    hours = rates.over_a_day(world, settings, tickets)
    gb = settings.memory_mb / 1024

    def day(rate: str) -> float:
        return sum(3600 * float(getattr(hour, rate)) for hour in hours)

    return [
        Line("API Gateway", "api", day("api")),
        Line("Lambda", "lambda_requests", day("api") + day("batches")),
        Line("Lambda", "lambda_arm" if settings.arm else "lambda_x86", day("lambda_seconds") * gb),
        Line("SQS", "queue", day("queue")),
        Line("DynamoDB", "table_writes", day("table_units") + day("once_units")),
        Line("S3", "puts", day("puts")),
        Line("EventBridge", "events", day("events")),
        Line("KMS", "kms", day("kms")),
        Line("Secrets Manager", "secrets", day("secrets")),
        Line("CloudWatch Logs", "logs", day("log_bytes")),
        Line("X-Ray", "traces", day("traces")),
        Line("Data transfer", "out", day("out_bytes")),
    ]


def by_service(found: Sequence[Line]) -> dict[str, float]:
    """Dollars, the dearest first."""
    sums: dict[str, float] = {}
    for line in found:
        sums[line.service] = sums.get(line.service, 0.0) + line.dollars
    return dict(sorted(sums.items(), key=lambda each: -each[1]))


def stored(world: World) -> list[Line]:
    """What a million tickets take up, kept for a month."""
    ticket = calls.of(world.ticket)
    return [
        Line("S3", "storage", 1e6 * ticket.bucket_bytes / GB),
        Line("DynamoDB", "table_storage", 1e6 * ticket.table_bytes / GB),
    ]


def fixed(settings: Settings) -> list[Line]:
    """What a month costs without a single ticket; every metric of the product's is taken to be written."""
    return [
        Line("KMS", "key", 1),
        Line("Secrets Manager", "secret", settings.secrets),
        Line("CloudWatch", "alarm", settings.alarms),
        Line("CloudWatch", "dashboard", 1),
        Line("CloudWatch", "metric", len(Metric) + _API_METRICS * _METHODS),
        Line("SQS", "queue", MONTH * rates.POLLERS / 20),
    ]
