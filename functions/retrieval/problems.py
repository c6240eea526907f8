"""Error responses: problem details (RFC 9457).

A problem names the parameter and the rule that a request breaks. It never repeats input, nor the text of an exception
that might hold some.
"""

import re
from http import HTTPStatus
from typing import Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError

from retrieval.models import Model
from retrieval.presign import SigningPaused
from ticket_archive.errors import THROTTLED, InvalidRequest, TicketErased

CONTENT_TYPE = "application/problem+json"

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_RETRY_AFTER = 2
"""Seconds: enough for a throttled partition or for renewed credentials, and short for a waiting person."""


class Problem(Model):
    """Problem details (RFC 9457). `code` is stable; `instance` identifies the request in the logs."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    code: str
    detail: str | None = None
    instance: str | None = None


def response(error: Exception, request_id: str | None) -> Response[str]:
    """Return the response to a request that ended in `error`."""
    status, code, detail = _classify(error)
    problem = Problem(title=status.phrase, status=status.value, code=code, detail=detail)
    if request_id and _UUID.fullmatch(request_id):  # callers can choose another one, which is not repeated
        problem.instance = f"urn:uuid:{request_id}"
    headers: dict[str, Any] = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_AFTER)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET"
    return Response(status.value, CONTENT_TYPE, problem.model_dump_json(exclude_none=True), headers)


def _classify(error: Exception) -> tuple[HTTPStatus, str, str | None]:
    """Return status, code and detail."""
    match error:
        case RequestValidationError():
            # pydantic's message, unlike its `input` and `ctx`, does not quote the value
            rules = (f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
            return HTTPStatus.BAD_REQUEST, "invalid_request", "; ".join(rules)
        case InvalidRequest():
            return HTTPStatus.BAD_REQUEST, error.code, f"{error.detail}: Value should be one that this API returned"
        case ServiceError():
            return HTTPStatus(error.status_code), str(error.msg), None
        case TicketErased():
            return HTTPStatus.GONE, error.code, None
        case SigningPaused():
            return HTTPStatus.SERVICE_UNAVAILABLE, error.code, None
    if _is_unavailable(error):
        return HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", None
    return HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", None


def _is_unavailable(error: Exception) -> bool:
    """Return whether AWS did not respond, or responded that it is busy."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in THROTTLED
    return isinstance(error, AwsConnectionError | HTTPClientError)
