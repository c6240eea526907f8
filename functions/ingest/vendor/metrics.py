"""What is told of every call to the vendor: a count and a time, a log line. Ids and codes only."""

from enum import StrEnum

from ticket_archive.errors import (
    InvalidVendorResponse,
    RetryableError,
    TicketNotFound,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)
from ticket_archive.metrics import Metric, MetricBuffer
from ticket_archive.telemetry import describe, logger


class Call(StrEnum):
    """What is asked for; a link is an image behind a URL."""

    TOKEN = "token"  # noqa: S105 - no password
    DETAILS = "details"
    IMAGES = "images"
    LINK = "link"


_TIMES = {
    Call.TOKEN: Metric.VENDOR_TOKEN_TIME,
    Call.DETAILS: Metric.VENDOR_DETAILS_TIME,
    Call.IMAGES: Metric.VENDOR_IMAGES_TIME,
    Call.LINK: Metric.VENDOR_LINK_TIME,
}
_FAILURES: dict[type[RetryableError], Metric] = {
    TicketNotFound: Metric.VENDOR_CALLS_NOT_FOUND,
    VendorAuthError: Metric.VENDOR_CALLS_DENIED,
    InvalidVendorResponse: Metric.VENDOR_CALLS_MISBEHAVED,
    VendorThrottled: Metric.VENDOR_CALLS_THROTTLED,
    VendorUnavailable: Metric.VENDOR_CALLS_UNAVAILABLE,
}


class VendorCalls:
    """Told of each call when it has ended, by many threads."""

    def __init__(self, metric_buffer: MetricBuffer) -> None:
        self._tally = metric_buffer

    def __call__(self, call: Call, seconds: float, failure: RetryableError | None) -> None:
        """`failure` is what the answer, or its absence, means; None where it is what was asked for."""
        milliseconds = round(seconds * 1000)
        self._tally.add(Metric.VENDOR_CALLS)
        self._tally.add(_TIMES[call], milliseconds)
        if failure is not None:
            self._tally.add(_FAILURES.get(type(failure), Metric.VENDOR_CALLS_MISBEHAVED))
        told = {"call": call.value, **(describe(failure) if failure else {})}
        expected = failure is None or isinstance(failure, TicketNotFound)  # which may mean a derived image's absence
        log = logger.debug if expected else logger.info
        log("vendor call", extra={**told, "milliseconds": milliseconds})
