"""The vendor's API: returns the correct response to each request. Sockets and faults are in other modules.

Source: docs.preventor.com (server/api-reference: security, idv-tickets) and the headers of its published iOS SDK.
"""

import hmac
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.vendor.credential import Credential, Tokens
from local.vendor.details import details
from local.vendor.pictures import Picture
from local.vendor.responses import NOT_FOUND, UNAUTHORIZED, Response, error, gateway_error, json_response
from local.vendor.shapes import LINKED, LINKS, UNUSABLE, images_response
from local.vendor.tickets import UNCHANGED, State, Ticket, Tickets
from ticket_archive.models import ImageType

ALL = "ALL"
_BODY_LIMIT = 10 * 2**20
_TOKEN_PATH = "/id/v1/identity/auth/token"  # noqa: S105  a path, not a secret
_TICKET_PATH = re.compile(r"/id/v1/identity/transactions/([^/]+)(/images)?")
_CREDENTIAL_HEADERS = ("x-tenant", "x-env", "x-banknu", "user-agent", "x-interface")

Alteration = Callable[[list[Picture]], list[Picture]]


class Endpoint(StrEnum):
    """The vendor's three endpoints, and the image URLs."""

    TOKEN = "token"  # noqa: S105  a name, not a secret
    DETAILS = "details"
    IMAGES = "images"
    PICTURE = "picture"


class Request:
    """A request, with header names in lower case; `types` is an images request's `type` as sent."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(target)
        self.method, self.target, self.path, self.headers = method, target, parts.path, headers
        self.endpoint: Endpoint | None = None
        self.ticket: str | None = None
        self.types: str | None = None
        if method == "POST" and self.path == _TOKEN_PATH:
            self.endpoint = Endpoint.TOKEN
        elif method == "GET" and (ticket := _TICKET_PATH.fullmatch(self.path)):
            self.endpoint = Endpoint.IMAGES if ticket[2] else Endpoint.DETAILS
            self.ticket = unquote(ticket[1])
            if ticket[2]:
                self.types = "&".join(parse_qs(parts.query, keep_blank_values=True).get("type", [ALL]))
        elif method == "GET" and self.path.startswith("/pictures/"):
            self.endpoint = Endpoint.PICTURE

    @property
    def bearer(self) -> str:
        """Return the bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else ""


def types_of(value: str) -> tuple[ImageType, ...]:
    """Return the types of a `type` parameter in its order. Raises ValueError for an unknown one."""
    names = value.split(",")
    if ALL in names:
        names = [*(name for name in names if name != ALL), *ImageType]
    return tuple(dict.fromkeys(ImageType(name) for name in names))


class Service:
    """The vendor's service. Image URLs have the request's host: containers know the simulator by another address."""

    def __init__(self, tickets: Tickets, credential: Credential, clock: Callable[[], float] = time.monotonic) -> None:
        self.tickets, self.credential, self.tokens = tickets, credential, Tokens()
        self.base_url = ""
        self._clock = clock
        self._url_key = os.urandom(32)
        self._states: dict[str, State] = {}
        self._first_requests: dict[str, float] = {}
        self._hosted: dict[str, Picture] = {}
        self._digests: dict[tuple[str, State, ImageType], list[dict[str, Any]]] = {}
        self._cached_pictures = lru_cache(maxsize=256)(
            lambda ticket, state, kind: tickets.get(ticket, state).pictures(kind)
        )

    def ticket(self, ticket: str) -> Ticket:
        """Return the ticket in its current state. Raises KeyError for an unknown one."""
        return self.tickets.get(ticket, self._states.get(ticket))

    def requested(self, request: Request) -> frozenset[str]:
        """Return the types of an images request, and LINKS if its response has URLs of the files, not the files."""
        with suppress(KeyError, ValueError):
            links = (LINKS,) if self.ticket(request.ticket or "").shape in LINKED else ()
            return frozenset[str]((*types_of(request.types or ""), *links))
        return frozenset()

    def change(self, ticket: str, **changes: Any) -> None:
        """Change a ticket, beside earlier changes. Raises KeyError for an unknown one."""
        self.tickets.index(ticket)
        self._states[ticket] = replace(self._states.get(ticket, UNCHANGED), **changes)

    def clear(self) -> None:
        """Remove all changes of tickets and all tokens."""
        self._states.clear()
        self._first_requests.clear()
        self.tokens = Tokens()

    def digests(self, ticket: Ticket, kind: ImageType) -> list[dict[str, Any]]:
        """Return `{"sha256", "bytes", "content_type"}` of every file of one type, in the vendor's order."""
        if (ticket.id, ticket.state, kind) not in self._digests:
            self._pictures(ticket, kind)
        return self._digests[ticket.id, ticket.state, kind]

    def _pictures(self, ticket: Ticket, kind: ImageType) -> tuple[Picture, ...]:
        """Return the files, from a cache of the latest. Digests are kept for all, for comparisons in long runs."""
        pictures = self._cached_pictures(ticket.id, ticket.state, kind)
        self._digests[ticket.id, ticket.state, kind] = [
            {"sha256": each.sha256, "bytes": len(each.data), "content_type": each.content_type} for each in pictures
        ]
        return pictures

    def respond(self, request: Request, alter: Alteration | None = None) -> Response:
        """Return the correct response, its files changed by `alter`; one that is too large fails, as at API Gateway."""
        match request.endpoint:
            case Endpoint.TOKEN:
                response = self._token(request)
            case Endpoint.DETAILS | Endpoint.IMAGES:
                found = self._authorized(request)
                response = found if isinstance(found, Response) else self._about(found, request, alter)
            case Endpoint.PICTURE:
                return self._picture(request)
            case _:
                return gateway_error(403, "Missing Authentication Token")
        return response if len(response.body) <= _BODY_LIMIT else gateway_error(500, "Internal server error")

    def _token(self, request: Request) -> Response:
        headers, mine = request.headers, self.credential
        if headers.get("x-api-key") != mine.api_key:
            return gateway_error(403, "Forbidden")
        missing = [f"{name} must not be empty" for name in _CREDENTIAL_HEADERS if not headers.get(name)]
        if missing:
            return error(400, "BDRQST", missing)
        theirs = (headers.get("authorization"), headers["x-tenant"], headers["x-env"], headers["x-banknu"])
        if theirs != (mine.basic, mine.tenant, mine.env, mine.banknu):
            return UNAUTHORIZED
        return json_response(self.tokens.issue())

    def _about(self, found: Ticket, request: Request, alter: Alteration | None) -> Response:
        """Return the ticket's details or its images."""
        if request.endpoint is Endpoint.DETAILS:
            return json_response(details(found))
        try:
            kinds = types_of(request.types or "")
        except ValueError:
            return error(400, "BDRQST", ["type must be one of: " + ", ".join([*ImageType, ALL])])
        if len(kinds) == 1 and kinds[0] in found.unusable:
            return UNUSABLE[found.unusable[kinds[0]]]
        ready = self._is_ready(found)
        host = request.headers.get("host")
        origin = urlsplit(self.base_url)._replace(netloc=host).geturl() if host else self.base_url
        held: dict[ImageType, Sequence[Picture]] = {}
        for kind in kinds:
            held[kind] = self._pictures(found, kind) if ready and kind not in found.unusable else ()
            if alter:
                held[kind] = alter(list(held[kind]))
        return images_response(found.shape, found.absence, held, partial(self._host, origin))

    def _is_ready(self, ticket: Ticket) -> bool:
        """Whether the ticket's images are ready: `ready_after` seconds after its first request."""
        if not ticket.state.ready_after:
            return True
        now = self._clock()
        return now - self._first_requests.setdefault(ticket.id, now) >= ticket.state.ready_after

    def _authorized(self, request: Request) -> Ticket | Response:
        if request.headers.get("x-api-key") != self.credential.api_key:
            return gateway_error(403, "Forbidden")
        if not request.headers.get("user-agent"):
            return error(400, "BDRQST", ["user-agent must not be empty"])
        if not self.tokens.is_valid(request.bearer):
            return UNAUTHORIZED
        try:
            return self.ticket(request.ticket or "")
        except KeyError:
            return NOT_FOUND

    def _picture(self, request: Request) -> Response:
        if "authorization" in request.headers:
            # As S3 responds to a signed URL that comes with an Authorization header.
            return Response(400, b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        picture = self._hosted.get(request.target)
        if not picture:
            return Response(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
        return Response(200, picture.data, picture.content_type)

    def _host(self, origin: str, picture: Picture) -> str:
        """Return the file's URL, and serve it from now on."""
        signature = hmac.digest(self._url_key, picture.sha256.encode(), sha256).hex()
        target = f"/pictures/{picture.sha256}?Expires=300&Signature={signature}"
        self._hosted[target] = picture
        return origin + target
