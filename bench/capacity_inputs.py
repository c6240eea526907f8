"""AWS's prices and limits, each with its source. To calculate with others, change these tables."""

from collections.abc import Mapping
from dataclasses import dataclass

CPU_SECONDS = 0.037
"""One CPU's time per ticket in a batch of ten: the least of 12 batches, which is nearest to an idle machine's."""
GUIDES = "third-party guides of 2026"
DOCS = "docs.aws.amazon.com"


@dataclass(frozen=True)
class Price:
    """Dollars for so many of a unit, us-east-1, June 2026, first tier, no free tier."""

    dollars: float
    per: float
    unit: str
    source: str = GUIDES

    @property
    def each(self) -> float:
        """Dollars of one."""
        return self.dollars / self.per


PRICES: Mapping[str, Price] = {
    "api": Price(3.50, 1e6, "requests to a REST API", "AWS whitepaper on private APIs"),
    "lambda_requests": Price(0.20, 1e6, "invocations"),
    "lambda_x86": Price(16.6667, 1e6, "GB-seconds, x86_64"),
    "lambda_arm": Price(13.3334, 1e6, "GB-seconds, arm64"),
    "queue": Price(0.40, 1e6, "requests to SQS"),
    "table_writes": Price(0.625, 1e6, "write units on demand", "third-party guide of 2025"),
    "table_reads": Price(0.125, 1e6, "read units on demand", "third-party guide of 2025"),
    "puts": Price(5.00, 1e6, "PUT requests to S3"),
    "events": Price(1.00, 1e6, "S3 events to EventBridge", "AWS pricing page (that they are charged); a guide of 2026"),
    "kms": Price(0.03, 1e4, "requests to KMS"),
    "secrets": Price(0.05, 1e4, "reads of a secret", "not looked up"),
    "logs": Price(0.50, 1e9, "bytes of logs"),
    "traces": Price(5.00, 1e6, "traces recorded", "AWS pricing page of X-Ray"),
    "out": Price(0.09, 1e9, "bytes to the internet"),
}


@dataclass(frozen=True)
class Limit:
    """A limit per account and region, or the template's own; `key` is what `Model.used` calls it."""

    key: str
    name: str
    value: float
    unit: str
    then: str
    source: str


# fmt: off
LIMITS = (
    Limit("workers", "workers (VendorMaxConcurrency)", 1, "of the template's",
          "the queue keeps the rest; raise it as far as the vendor allows",
          "template.yaml"),
    Limit("throttle", "webhooks (ThrottlingRateLimit)", 1, "of the template's",
          "429, and the vendor may never send it again: raise it before",
          "template.yaml"),
    Limit("api", "API Gateway, all APIs", 10_000, "requests/s",
          "quota: Throttle rate",
          "repost.aws/knowledge-center/api-gateway-throttling"),
    Limit("lambda", "Lambda, concurrent executions", 1_000, "executions",
          "quota: Concurrent executions",
          f"{DOCS}/lambda/latest/dg/lambda-concurrency.html"),
    Limit("table", "DynamoDB, new on-demand table", 4_000, "write units/s",
          "grows by itself to double the last peak; WarmThroughput before a migration",
          "repost.aws/knowledge-center/on-demand-table-throttling-dynamodb"),
    Limit("incomplete", "index `incomplete`, one partition, vendor down", 1_000, "write units/s",
          "fewer workers while the vendor is down",
          f"{DOCS}/amazondynamodb/latest/developerguide/gsi-throttling.html"),
    Limit("puts", "S3, one prefix that is not split yet", 3_500, "PUT/s",
          "splits by itself within an hour",
          "repost.aws/knowledge-center/http-5xx-errors-s3"),
    Limit("kms", "KMS, symmetric operations", 10_000, "requests/s",
          "quota: Cryptographic operations",
          f"{DOCS}/general/latest/gr/kms.html"),
    Limit("events", "EventBridge, one rule's target (manifests)", 4_500, "invocations/s",
          "delivered later; quota: Invocations throttle limit",
          f"{DOCS}/eventbridge/latest/userguide/eb-quota.html"),
)
# fmt: on
SMALL_ACCOUNT: Mapping[str, float] = {"lambda": 10, "api": 2_500}
"""What new accounts and some regions have: 10 concurrent executions, 2,500 requests a second."""
