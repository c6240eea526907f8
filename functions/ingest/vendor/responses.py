"""Map a response to the error that it means, if any. Pure: status, headers and body in, error out."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ingest.files.decoding import is_file
from ingest.files.labels import reports_error
from ingest.vendor.http import Response
from ingest.vendor.token_response import TokenResponse
from ticket_archive.details_facts import (
    IN_PROGRESS,
    NOT_FOUND,
    RESPONSE_ENVELOPES,
    SUCCESS_CODES,
    read_facts,
    scalars_of,
)
from ticket_archive.errors import (
    InvalidVendorResponse,
    RetryableError,
    TicketInProgress,
    TicketNotFound,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)
from ticket_archive.json_text import json_in, unwrapped, without_bom

MAX_RETRY_AFTER = 900.0
"""Seconds. A longer Retry-After is capped, so that a wrong value cannot delay a ticket for a day."""

_COMPLETE = (200, 201, 203, 204)  # of the other 2xx, 202 means "not yet" and 206 "not all"
_MAX_ENVELOPE_BYTES = 10_000
_INNER = RESPONSE_ENVELOPES | {"error", "errors"}
_NOT_FOUND_ENDINGS = ("NTFND", "NOT_FOUND", "NOTFOUND")


class Call(StrEnum):
    """The kinds of call. A link is the URL of a file."""

    TOKEN = "token"  # noqa: S105 - no password
    DETAILS = "details"
    IMAGES = "images"
    LINK = "link"


class Envelope(BaseModel):
    """The vendor's body for success and error alike.

    Its members are those of `OnboardingResponse.swift` (github.com/preventorid/button-ios-sdk), at the top or in one
    envelope. Anything else is in `model_extra`.
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    status: int | str | None = None
    code: int | str | None = None
    message: Any = None
    token: Any = None
    expiracy: Any = None
    user: Any = None
    ticket: Any = None

    @model_validator(mode="before")
    @classmethod
    def _with_inner(cls, values: Any) -> Any:
        """Add the members of an object in an envelope, or in `error`: `{"statusCode": 404, "body": "{…}"}`."""
        values = unwrapped(values)
        if not isinstance(values, dict):
            return values
        found = {name: value for name, value in values.items() if value is not None and name not in RESPONSE_ENVELOPES}
        for name in sorted(values.keys() & _INNER):
            inner = unwrapped(json_in(values[name]))
            found = {**inner, **found} if isinstance(inner, dict) else {name: values[name], **found}
        return found


def error_for_response(call: Call, response: Response, now: datetime) -> RetryableError | None:
    """Return the error that a response means, or None if it succeeded. The error's detail is the status.

    A 200 whose body is the vendor's error envelope is that error; its status is the one in the envelope, or 400. It
    carries its body, because it may be the final answer, unless its status is 401, 403, 404 or 429. So does another
    4xx or 2xx, and a 403 for an image type.
    """
    envelope = _envelope(response.body) if call is not Call.LINK else None
    status = response.status
    if status in _COMPLETE:
        if envelope is None or (error_status := _error_status(call, envelope)) is None:
            return None
        if call is Call.DETAILS and _code(envelope) in IN_PROGRESS:
            return TicketInProgress()
        status = error_status
    detail = str(status)
    body = response.body if call in (Call.DETAILS, Call.IMAGES) else None
    if status == 404 or (400 <= status < 500 and envelope is not None and _is_not_found(call, envelope)):
        return TicketNotFound(detail) if call in (Call.DETAILS, Call.IMAGES) else InvalidVendorResponse(detail)
    if status in (401, 403):  # a link is fetched without credentials: its URL has expired
        if call is Call.LINK:
            return InvalidVendorResponse(detail)
        # An image type that is always forbidden must not keep its ticket. Without permission, the details fail too.
        return VendorAuthError(detail, body if status == 403 and call is Call.IMAGES else None)
    wait = retry_after(response.headers.get("Retry-After"), now)
    if status == 429:
        return VendorThrottled(detail, retry_after=wait)
    if status in (408, 425) or status >= 500:
        return VendorUnavailable(detail, body if response.status in _COMPLETE else None, retry_after=wait)
    return InvalidVendorResponse(detail, body)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most MAX_RETRY_AFTER.

    It is a number of seconds or a date (RFC 9110, 10.2.3). None if it is missing, malformed, negative or past.
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
    return min(seconds, MAX_RETRY_AFTER) if seconds > 0 else None


def _envelope(body: bytes) -> Envelope | None:
    """Parse a small JSON object, or a list of one. None for everything else.

    Errors are small; details and images need not be.
    """
    body = without_bom(body)
    if body.lstrip()[:1] not in (b"{", b"[") or len(body) > _MAX_ENVELOPE_BYTES:
        return None
    try:
        return Envelope.model_validate_json(body)
    except ValidationError:
        return None


def _error_status(call: Call, envelope: Envelope) -> int | None:
    """Return the status of the error in a 200's body, or None if there is none.

    An error has a code that does not mean success, a status that HTTP has for errors, or another member that reports
    it, and none of the requested content.
    """
    code = _code(envelope)
    statuses = (envelope.status, code, getattr(envelope, "statusCode", None))
    http_status = next(filter(None, map(_http_error, statuses)), None)
    if _is_not_found(call, envelope):
        status = 404
    elif code in SUCCESS_CODES or not (http_status or _reports_error(envelope)):
        return None
    else:
        status = http_status or 400
    if _has_content(call, envelope):
        return None
    if call is Call.IMAGES and status == 400 and _reports_error(envelope):
        return None  # it may have a file too; if not, it settles as unrecognized
    return status


def _reports_error(envelope: Envelope) -> bool:
    members = {"status": envelope.status, "code": envelope.code, **(envelope.model_extra or {})}
    return any(reports_error(name, value) for name, value in members.items() if value not in (None, "", [], {}))


def _http_error(value: int | str | None) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch("[45][0-9]{2}", text) else None


def _has_content(call: Call, envelope: Envelope) -> bool:
    extra = envelope.model_extra or {}
    if call is Call.TOKEN:
        return bool(TokenResponse.model_validate({"token": envelope.token, **extra}).value)
    if call is Call.DETAILS and _is_not_found(call, envelope):  # whatever else it has: a trace, a list of errors
        return read_facts(scalars_of({"user": envelope.user, **extra})).recognized
    extra = {name: value for name, value in extra.items() if not reports_error(name, value)}
    if envelope.user or any(isinstance(value, dict | list) and value for value in extra.values()):
        return True
    if call is Call.IMAGES and any(isinstance(value, str) and is_file(value, name) for name, value in extra.items()):
        return True
    return read_facts(scalars_of({"status": envelope.status, **extra})).recognized


def _is_not_found(call: Call, envelope: Envelope) -> bool:
    """Return whether the ticket is not found, or the image type, whose code is not documented (`IMGNTFND`)."""
    code = _code(envelope)
    return NOT_FOUND in (code, envelope.status) or (call is Call.IMAGES and code.endswith(_NOT_FOUND_ENDINGS))


def _code(envelope: Envelope) -> str:
    return "" if envelope.code is None else str(envelope.code).strip().upper()
