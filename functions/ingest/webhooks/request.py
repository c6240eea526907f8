"""The webhook endpoint's rules: API Gateway's event in, a webhook to enqueue or a status out.

The body is not inspected: every request that is enqueued gets the same response, so that neither the response nor its
timing helps to decrypt anything.
"""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ticket_archive.messages import Webhook
from ticket_archive.secrets import WebhookCredentials
from ticket_archive.webhook_encryption import IV_HEADER

MAX_BODY_BYTES = 256 * 1024
"""Bytes of a webhook's body."""
RETRY_AFTER = 30
"""Seconds that a caller is asked to wait when the queue cannot be reached."""


class Rejected(Exception):
    """A request that is not enqueued, and the status of its response."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def parse_request(
    event: Mapping[str, Any], credentials: Iterable[WebhookCredentials] | None, received_at: str
) -> Webhook:
    """Return the request in an API Gateway proxy event. Raises Rejected, and what reading `credentials` raises.

    Unless `credentials` is None the request must carry one of them. Later ones are not read where an earlier one
    matches.
    """
    headers = _headers(event)
    if credentials is not None and not any(_carries(headers, each) for each in credentials):
        raise Rejected(HTTPStatus.UNAUTHORIZED)
    body = _body(event)
    if not body.strip():
        raise Rejected(HTTPStatus.BAD_REQUEST)
    if len(body) > MAX_BODY_BYTES:
        raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    iv, content_type = (_text(headers.get(name)) for name in (IV_HEADER, "content-type"))
    return Webhook(body=body, iv=iv, content_type=content_type, received_at=received_at)


def accepted_response() -> dict[str, Any]:
    """Return the one response for every request that is enqueued."""
    return _response(HTTPStatus.ACCEPTED, "application/json", {"status": "accepted"})


def rejected_response(status: HTTPStatus) -> dict[str, Any]:
    """Return the response for a request that is not enqueued, as RFC 9457 problem details."""
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value}
    response = _response(status, "application/problem+json", problem)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response["headers"]["Retry-After"] = str(RETRY_AFTER)
    if status is HTTPStatus.UNAUTHORIZED:
        # API Gateway renames this header to x-amzn-Remapped-WWW-Authenticate.
        response["headers"]["WWW-Authenticate"] = 'Basic realm="webhooks"'
    return response


def _response(status: HTTPStatus, content_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers by lower-case name. Repeated ones are joined, so that a doubled IV is not taken for one."""
    given = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    found: dict[str, str] = {}
    for name, values in given.items():
        key, value = name.lower(), ",".join(filter(None, values or ()))
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _text(value: str | None) -> str | None:
    """Replace lone surrogates, which no JSON message can hold."""
    return value if value is None else value.encode("utf-8", "replace").decode()


def _body(event: Mapping[str, Any]) -> bytes:
    text = str(event.get("body") or "")
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Rejected(HTTPStatus.BAD_REQUEST) from None


def _carries(headers: Mapping[str, str], credentials: WebhookCredentials) -> bool:
    """Return whether a request has these credentials; the comparison takes constant time."""
    given, expected = headers.get(credentials.header, ""), credentials.value.get_secret_value()
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "surrogatepass"))
