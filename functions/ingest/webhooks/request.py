"""The webhook door's rules: which requests are kept, and how the others are answered. Pure: API Gateway's event in.

What a body holds is not looked at here. Every request of the right form gets the same answer, so that nobody can use
the answer or its timing to decipher anything.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ingest.webhooks.event import Webhook
from ticket_archive.errors import SettingsError

BODY_MAX = 256 * 1024
"""Bytes of a webhook's body."""
RETRY_AFTER = 30
"""Seconds that a caller is asked to wait when the queue is out of reach."""

_CONTENT_TYPES = ("text/plain", "application/json")
_IV_HEADER = "x-pvt-cipher-iv"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What every webhook must carry: a header with this exact value (Basic credentials: the header Authorization)."""

    header: str
    value: str = field(repr=False)


class Rejected(Exception):
    """A request that is not kept, and the status it is answered with."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def read_credentials(secret: str) -> Credentials:
    """Credentials from {"username", "password"} or {"header", "value"}: text, never empty. Raises SettingsError."""
    try:
        values = json.loads(secret)
    except ValueError:
        values = None
    match values:
        case {"username": str(username), "password": str(password)} if username and password:
            pair = f"{username}:{password}".encode("utf-8", "surrogatepass")
            return Credentials("authorization", "Basic " + base64.b64encode(pair).decode())
        case {"header": str(header), "value": str(value)} if header and value:  # "" is what a request without it has
            return Credentials(header.lower(), value)
    raise SettingsError("webhook credentials: malformed")


def receive(event: Mapping[str, Any], credentials: Iterable[Credentials] | None, received_at: str) -> Webhook:
    """The request of an API Gateway proxy event, to be kept. Raises Rejected, and whatever reading `credentials` raises.

    It must carry one of them, where they are not None: during a rotation there are two, and the later ones are not read
    where an earlier one fits.
    """
    headers = _headers(event)
    if credentials is not None and not any(_same(headers.get(each.header, ""), each.value) for each in credentials):
        raise Rejected(HTTPStatus.UNAUTHORIZED)
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _CONTENT_TYPES:
        raise Rejected(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = _body(event)
    if not body.strip():
        raise Rejected(HTTPStatus.BAD_REQUEST)
    if len(body) > BODY_MAX:
        raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return Webhook(body=body, iv=headers.get(_IV_HEADER), content_type=content_type, received_at=received_at)


def accepted() -> dict[str, Any]:
    """The one answer for everything that is kept."""
    return _answer(HTTPStatus.ACCEPTED, "application/json", {"status": "accepted"})


def refused(status: HTTPStatus) -> dict[str, Any]:
    """An answer for what is not kept, as RFC 9457 problem details."""
    answer = _answer(
        status, "application/problem+json", {"type": "about:blank", "title": status.phrase, "status": status.value}
    )
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"]["Retry-After"] = str(RETRY_AFTER)
    if status is HTTPStatus.UNAUTHORIZED:
        answer["headers"]["WWW-Authenticate"] = 'Basic realm="webhooks"'
    return answer


def _answer(status: HTTPStatus, content_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case name. One that came several times is joined, so that a doubled IV does not pass for one."""
    single = {name: [value] for name, value in (event.get("headers") or {}).items()}
    found: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or single).items():
        found.setdefault(name.lower(), []).extend(value or "" for value in values or ())
    return {name: ",".join(values) for name, values in found.items()}


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(HTTPStatus.BAD_REQUEST) from None


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
