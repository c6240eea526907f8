"""The one place where errors become answers: RFC 9457 problem details.

A problem says which rule was broken, in this module's words: neither the caller's input nor an exception's text is ever
repeated. `code` is stable and meant for programs; `instance` names the request as the logs do.
"""

import json
import re
from http import HTTPStatus
from typing import Any, NotRequired

from aws_lambda_powertools.event_handler import Response
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from typing_extensions import TypedDict

from retrieval import params
from retrieval.errors import MethodNotAllowed, SigningPaused, UnknownImage, UnknownRoute, UnknownTicket
from retrieval.settings import LIFE_MAX, LIFE_MIN
from ticket_archive.errors import ArchiveError, InvalidRequest, TicketErased

CONTENT_TYPE = "application/problem+json"

_STATUS: dict[type[Exception], HTTPStatus] = {
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    UnknownRoute: HTTPStatus.NOT_FOUND,
    UnknownTicket: HTTPStatus.NOT_FOUND,
    UnknownImage: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    TicketErased: HTTPStatus.GONE,
    SigningPaused: HTTPStatus.SERVICE_UNAVAILABLE,
}

_RULES = {
    "ticket": "A ticket's id has 1 to 128 of A-Z a-z 0-9 _ - and begins with a letter or a digit.",
    "customer": "A customer's code has 1 to 256 printable characters, percent-encoded as UTF-8.",
    "sha256": "An image's hash has 64 hexadecimal digits in lower case.",
    "type": "type is ALL, or image types joined by commas without spaces.",
    "expires_in": f"expires_in is a number of seconds from {LIFE_MIN} to {LIFE_MAX}.",
    "limit": f"limit is a number from {params.LIMIT_MIN} to {params.LIMIT_MAX}.",
    "cursor": "cursor is what the page before gave, for the same customer.",
    "repeated": "A parameter may be given once.",
}

_BUSY = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "SlowDown", "ThrottlingException"}
"""What AWS says with a 400 that is not the request's fault; a 5xx says it anyway."""
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_RETRY_AFTER = 2
"""Seconds. Long enough for a throttled partition or a credential's renewal, short enough for somebody who waits."""


class Problem(TypedDict):
    """Problem details (RFC 9457). `code` is stable; `instance` is the request's id, for support."""

    type: str
    title: str
    status: int
    code: str
    detail: NotRequired[str]
    instance: NotRequired[str]


def answer(error: Exception, request_id: str | None) -> Response[str]:
    """Any error as an answer to the caller."""
    status, code = _kind(error)
    problem = Problem(type="about:blank", title=status.phrase, status=status.value, code=code)
    if isinstance(error, InvalidRequest) and error.detail in _RULES:
        problem["detail"] = _RULES[error.detail]
    if request_id and _UUID.fullmatch(request_id):  # a caller may choose another: it is not repeated
        problem["instance"] = f"urn:uuid:{request_id}"
    return Response(status.value, CONTENT_TYPE, json.dumps(problem, separators=(",", ":")), _headers(status))


def _kind(error: Exception) -> tuple[HTTPStatus, str]:
    status = _STATUS.get(type(error))
    if status is not None and isinstance(error, ArchiveError):
        return status, error.code
    if _busy(error):
        return HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"
    return HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"


def _busy(error: Exception) -> bool:
    """Whether AWS did not answer, or answered that it has too much to do."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _BUSY
    return isinstance(error, AwsConnectionError | HTTPClientError)


def _headers(status: HTTPStatus) -> dict[str, Any]:
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(_RETRY_AFTER)}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return {"Allow": "GET"}
    return {}
