"""Every metric that the functions write, and the ways to write it.

Alarms, dashboard and docs/operations.md name these metrics and no others: tests compare. All have one dimension,
`service`, with the value `ticket-archive`.
"""

import threading
from enum import StrEnum

from aws_lambda_powertools.metrics import MetricUnit

from ticket_archive.telemetry import metrics


class Metric(StrEnum):
    """Counts, and times in milliseconds: those that have Time in their name."""

    # The webhook door
    WEBHOOKS_ACCEPTED = "WebhooksAccepted"
    WEBHOOKS_REJECTED = "WebhooksRejected"
    WEBHOOKS_ENQUEUE_FAILED = "WebhooksEnqueueFailed"

    # The queue door: what became of a message
    MESSAGES_PROCESSED = "MessagesProcessed"
    MESSAGES_RETRIED = "MessagesRetried"
    TICKETS_ARCHIVED = "TicketsArchived"
    TICKETS_UNCHANGED = "TicketsUnchanged"
    TICKETS_RECOVERED = "TicketsRecovered"  # archived because the schedule asked again
    TICKETS_ERASED_ASKED_FOR = "RequestsForErasedTickets"
    DUPLICATES_SUPPRESSED = "DuplicatesSuppressed"
    EVENTS_IGNORED = "EventsIgnored"
    WEBHOOKS_QUARANTINED = "WebhooksQuarantined"  # once for each webhook
    WEBHOOKS_QUARANTINED_AGAIN = "WebhooksQuarantinedAgain"  # redriven, and still unreadable
    UNRECOGNIZED_EVENTS = "UnrecognizedEvents"
    ARCHIVED_WITHOUT_OUTCOME = "ArchivedWithoutOutcome"
    ARCHIVED_INCOMPLETE = "ArchivedIncomplete"
    ARCHIVE_LATENCY = "ArchiveLatency"  # from the webhook to its manifest

    # The queue door: what a person must look at, once for each delivery
    VENDOR_AUTH_ERRORS = "VendorAuthErrors"
    UNRECOGNIZED_RESPONSES = "UnrecognizedResponses"
    CONFIGURATION_ERRORS = "ConfigurationErrors"
    STORAGE_ERRORS = "StorageErrors"

    # Calls to the vendor, each try for itself, and to the bucket
    VENDOR_CALLS = "VendorCalls"
    VENDOR_TOKEN_TIME = "VendorTokenTime"  # noqa: S105 - no password
    VENDOR_DETAILS_TIME = "VendorDetailsTime"
    VENDOR_IMAGES_TIME = "VendorImagesTime"
    VENDOR_LINK_TIME = "VendorLinkTime"
    VENDOR_CALLS_DENIED = "VendorCallsDenied"
    VENDOR_CALLS_NOT_FOUND = "VendorCallsNotFound"
    VENDOR_CALLS_THROTTLED = "VendorCallsThrottled"
    VENDOR_CALLS_UNAVAILABLE = "VendorCallsUnavailable"
    VENDOR_CALLS_MISBEHAVED = "VendorCallsInvalid"
    OBJECTS_PUT = "ObjectsPut"

    # The schedule door
    TICKETS_REQUEUED = "TicketsRequeued"
    REQUEUE_EXHAUSTED = "RequeueExhausted"
    TICKETS_INCOMPLETE_FOR_AN_HOUR = "TicketsIncompleteForAnHour"

    # Retrieval
    TICKETS_READ = "TicketsRead"
    TICKETS_PENDING = "TicketsPending"
    CUSTOMERS_LISTED = "CustomersListed"
    URLS_ISSUED = "UrlsIssued"
    REQUESTS_REFUSED = "RequestsRejected"
    REQUESTS_FAILED = "RequestsFailed"

    @property
    def unit(self) -> MetricUnit:
        """As CloudWatch knows it."""
        return MetricUnit.Milliseconds if self in _DURATIONS else MetricUnit.Count


_DURATIONS = {
    Metric.ARCHIVE_LATENCY,
    Metric.VENDOR_TOKEN_TIME,
    Metric.VENDOR_DETAILS_TIME,
    Metric.VENDOR_IMAGES_TIME,
    Metric.VENDOR_LINK_TIME,
}


def count(metric: Metric, value: float = 1) -> None:
    """Adds to what is written at the invocation's end. For its own thread only: Powertools' metrics know no locks."""
    metrics.add_metric(metric.value, metric.unit, value)


class MetricBuffer:
    """What many threads have to count, until the invocation's own thread hands it over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: list[tuple[Metric, float]] = []

    def add(self, metric: Metric, value: float = 1) -> None:
        """Notes a value; any thread may."""
        with self._lock:
            self._noted.append((metric, value))

    def flush(self) -> None:
        """Counts what was noted since the last time. A call that outlives its invocation is counted by the next."""
        with self._lock:
            noted, self._noted = self._noted, []
        counts: dict[Metric, float] = {}
        for metric, value in noted:
            if metric.unit is MetricUnit.Count:
                counts[metric] = counts.get(metric, 0) + value
            else:
                count(metric, value)
        for metric, value in counts.items():
            count(metric, value)
