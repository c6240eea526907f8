"""Every metric that the functions write.

Alarms, dashboard and docs/operations.md name these metrics and no others; tests compare. All have one dimension,
`service`: the stack's name.
"""

import threading
from collections import defaultdict
from enum import StrEnum

from aws_lambda_powertools.metrics import MetricUnit

from ticket_archive.telemetry import metrics


class Metric(StrEnum):
    """Counts, and durations in milliseconds, whose names end in `Time` or `Latency`."""

    # Webhook handler
    WEBHOOKS_ACCEPTED = "WebhooksAccepted"
    WEBHOOKS_REJECTED = "WebhooksRejected"
    WEBHOOKS_ENQUEUE_FAILED = "WebhooksEnqueueFailed"

    # SQS handler: results of messages
    MESSAGES_PROCESSED = "MessagesProcessed"
    MESSAGES_RETRIED = "MessagesRetried"
    MESSAGES_RETRIED_OFTEN = "MessagesRetriedOften"  # received more than three times
    TICKETS_ARCHIVED = "TicketsArchived"
    TICKETS_UNCHANGED = "TicketsUnchanged"
    TICKETS_RECOVERED = "TicketsRecovered"  # archived because the schedule asked again
    REQUESTS_FOR_ERASED_TICKETS = "RequestsForErasedTickets"
    DUPLICATES_SUPPRESSED = "DuplicatesSuppressed"
    EVENTS_IGNORED = "EventsIgnored"
    UNKNOWN_TICKETS = "UnknownTickets"  # unknown to the vendor for `UnknownTicketMinutes`
    WEBHOOKS_QUARANTINED = "WebhooksQuarantined"  # once for each webhook
    WEBHOOKS_QUARANTINED_AGAIN = "WebhooksQuarantinedAgain"  # redriven, and still unreadable
    UNRECOGNIZED_EVENTS = "UnrecognizedEvents"
    ARCHIVED_WITHOUT_OUTCOME = "ArchivedWithoutOutcome"
    ARCHIVED_INCOMPLETE = "ArchivedIncomplete"
    ARCHIVE_LATENCY = "ArchiveLatency"  # from the webhook to the manifest, whichever message wrote it

    # SQS handler: errors that need a person, once for each delivery
    VENDOR_AUTH_ERRORS = "VendorAuthErrors"
    UNRECOGNIZED_RESPONSES = "UnrecognizedResponses"  # only when a part is first seen
    CONFIGURATION_ERRORS = "ConfigurationErrors"
    STORAGE_ERRORS = "StorageErrors"

    # Calls to the vendor (each attempt), and to the bucket
    VENDOR_CALLS = "VendorCalls"
    VENDOR_TOKEN_TIME = "VendorTokenTime"  # noqa: S105 - no password
    VENDOR_DETAILS_TIME = "VendorDetailsTime"
    VENDOR_IMAGES_TIME = "VendorImagesTime"
    VENDOR_LINK_TIME = "VendorLinkTime"
    VENDOR_CALLS_DENIED = "VendorCallsDenied"
    VENDOR_CALLS_NOT_FOUND = "VendorCallsNotFound"
    VENDOR_CALLS_THROTTLED = "VendorCallsThrottled"
    VENDOR_CALLS_UNAVAILABLE = "VendorCallsUnavailable"
    VENDOR_CALLS_INVALID = "VendorCallsInvalid"
    OBJECTS_PUT = "ObjectsPut"

    # Schedule handler
    TICKETS_REQUEUED = "TicketsRequeued"
    REQUEUE_EXHAUSTED = "RequeueExhausted"
    TICKETS_INCOMPLETE_FOR_AN_HOUR = "TicketsIncompleteForAnHour"

    # Retrieval
    TICKETS_READ = "TicketsRead"
    TICKETS_PENDING = "TicketsPending"
    CUSTOMERS_LISTED = "CustomersListed"
    URLS_ISSUED = "UrlsIssued"
    REQUESTS_REJECTED = "RequestsRejected"
    REQUESTS_FAILED = "RequestsFailed"

    @property
    def unit(self) -> MetricUnit:
        """Return the CloudWatch unit."""
        return MetricUnit.Milliseconds if self.endswith(("Time", "Latency")) else MetricUnit.Count


def count(metric: Metric, value: float = 1) -> None:
    """Add a value, written at the end of the invocation. Main thread only: Powertools' metrics are not thread-safe."""
    metrics.add_metric(metric.value, metric.unit, value)


class MetricBuffer:
    """Collects values from any thread until the main thread writes them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: defaultdict[Metric, list[float]] = defaultdict(list)

    def add(self, metric: Metric, value: float = 1) -> None:
        """Add a value."""
        with self._lock:
            self._values[metric].append(value)

    def flush(self) -> None:
        """Write the values that were added since the last flush."""
        with self._lock:
            added, self._values = self._values, defaultdict(list)
        for metric, values in added.items():
            for value in [sum(values)] if metric.unit is MetricUnit.Count else values:
                count(metric, value)
