"""A metric, a duration and a log line for every call to the vendor. Ids and codes only."""

from ingest.vendor.responses import Call
from ticket_archive.errors import RetryableError, TicketNotFound, VendorAuthError, VendorThrottled, VendorUnavailable
from ticket_archive.metrics import Metric, MetricBuffer
from ticket_archive.telemetry import describe, logger

_DURATIONS = {
    Call.TOKEN: Metric.VENDOR_TOKEN_TIME,
    Call.DETAILS: Metric.VENDOR_DETAILS_TIME,
    Call.IMAGES: Metric.VENDOR_IMAGES_TIME,
    Call.LINK: Metric.VENDOR_LINK_TIME,
}
_FAILURES: dict[type[RetryableError], Metric] = {
    TicketNotFound: Metric.VENDOR_CALLS_NOT_FOUND,
    VendorAuthError: Metric.VENDOR_CALLS_DENIED,
    VendorThrottled: Metric.VENDOR_CALLS_THROTTLED,
    VendorUnavailable: Metric.VENDOR_CALLS_UNAVAILABLE,
}
_HINTS = {
    "401": "The vendor refused the credential or a new token. Check the vendor credential secret.",
    "403": (
        "The vendor refused access. Check the vendor credential's permissions, and whether a filter refuses the "
        "User-Agent: try a browser's in the parameter VendorUserAgent."
    ),
}


def record_call(metric_buffer: MetricBuffer, call: Call, seconds: float, error: RetryableError | None) -> None:
    """Record a call that has ended; `error` is None if it succeeded. Safe to use from many threads."""
    milliseconds = round(seconds * 1000)
    metric_buffer.add(Metric.VENDOR_CALLS)
    metric_buffer.add(_DURATIONS[call], milliseconds)
    keys = {"call": call.value, "milliseconds": milliseconds}
    if error is not None:
        metric_buffer.add(_FAILURES.get(type(error), Metric.VENDOR_CALLS_INVALID))
        keys |= describe(error)
    if isinstance(error, VendorAuthError):
        logger.warning("vendor call", extra={**keys, "hint": _HINTS.get(error.detail, "")})
    elif error is None or isinstance(error, TicketNotFound):  # which is normal for a derived image
        logger.debug("vendor call", extra=keys)
    else:
        logger.info("vendor call", extra=keys)
