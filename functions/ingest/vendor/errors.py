"""What an answer of the vendor's means when it is not what was asked for. Pure: status and headers in, error out."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ingest.vendor.http import Answer
from ticket_archive.errors import (
    InvalidVendorResponse,
    RetryableError,
    TicketNotFound,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)

RETRY_AFTER_MAX = 900.0
"""Seconds. An absurd Retry-After must not put a customer off for a day."""

_NOT_FOUND_CODE = "TCKTNTFND"
_WHOLE = (200, 201, 203, 204)  # of the other 2xx, 202 says "not yet" and 206 "not all"


def error_for_response(answer: Answer, now: datetime) -> RetryableError | None:
    """None for an answer that is whole, otherwise the error that says what to do next. Its detail is the status."""
    status = answer.status
    detail = str(status)
    if status in _WHOLE:
        return None
    if status == 404 or (400 <= status < 500 and _vendor_code(answer.body) == _NOT_FOUND_CODE):
        return TicketNotFound(detail)
    if status in (401, 403):
        return VendorAuthError(detail)
    pause = retry_after(answer.headers.get("Retry-After"), now)
    if status == 429:
        return VendorThrottled(detail, retry_after=pause)
    if status in (408, 425) or status >= 500:
        return VendorUnavailable(detail, retry_after=pause)
    return InvalidVendorResponse(detail)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3), at most 900.

    None for what is missing, malformed, negative or past.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    return min(seconds, RETRY_AFTER_MAX) if seconds > 0 else None


def _vendor_code(body: bytes) -> str | None:
    """The `code` of the vendor's error body {"status", "code", "message"}; the message is not looked at."""
    try:
        error = json.loads(body[:10_000].decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None
