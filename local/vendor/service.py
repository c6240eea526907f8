"""The vendor's API: returns the correct response to each request. Sockets and faults are in other modules.

Source: docs.preventor.com (server/api-reference: security, idv-tickets) and the headers of its published iOS SDK.
"""

import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local.vendor.credential import Credential, Tokens
from local.vendor.details import details
from local.vendor.faults import Endpoint
from local.vendor.pictures import ImageType, Picture
from local.vendor.responses import Response, error, gateway_error, json_response, ticket_not_found
from local.vendor.shapes import LINKED, UNUSABLE, images_response
from local.vendor.tickets import UNCHANGED, State, Ticket, Tickets

ALL = "ALL"
TEN_MEBIBYTES = 10 * 2**20
_TOKEN_PATH = "/id/v1/identity/auth/token"  # noqa: S105  a path, not a secret
_TICKET_PATH = re.compile(r"/id/v1/identity/transactions/([^/]+)(/images)?")
_PICTURE_PATH = re.compile(r"/pictures/([0-9a-f]{64})")
_CREDENTIAL_HEADERS = ("x-tenant", "x-env", "x-banknu", "user-agent", "x-interface")

Alteration = Callable[[list[Picture]], list[Picture]]


class Request:
    """A request, with header names in lower case; `types` is an images request's `type` as sent."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(target)
        self.method, self.path, self.headers = method, parts.path, headers
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.endpoint: Endpoint | None = None
        self.ticket: str | None = None
        self.types: str | None = None
        ticket = _TICKET_PATH.fullmatch(self.path)
        if method == "POST" and self.path == _TOKEN_PATH:
            self.endpoint = Endpoint.TOKEN
        elif method == "GET" and ticket:
            self.endpoint = Endpoint.IMAGES if ticket[2] else Endpoint.DETAILS
            self.ticket = unquote(ticket[1])
            self.types = "&".join(self.query.get("type", [ALL])) if ticket[2] else None
        elif method == "GET" and _PICTURE_PATH.fullmatch(self.path):
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
    """The vendor's service. Larger responses than `body_limit` bytes fail, as at API Gateway.

    Image URLs begin with `base_url`, at the host of the request's Host header: containers know the simulator by another
    address.
    """

    def __init__(
        self,
        tickets: Tickets,
        credential: Credential,
        body_limit: int = TEN_MEBIBYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tickets = tickets
        self.credential = credential
        self.tokens = Tokens(credential)
        self.base_url = ""
        self._url_key = credential.secret.encode()  # URLs outlive a rotation of the credential
        self._body_limit = body_limit
        self._clock = clock
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

    def has_links(self, ticket: str) -> bool:
        """Whether a ticket's images response has URLs of the files, not the files."""
        try:
            return self.ticket(ticket).shape in LINKED
        except KeyError:
            return False

    def change(self, ticket: str, **changes: Any) -> None:
        """Change a ticket, beside earlier changes. Raises KeyError for an unknown one."""
        self.tickets.index(ticket)
        self._states[ticket] = replace(self._states.get(ticket, UNCHANGED), **changes)

    def clear(self) -> None:
        """Remove all changes of tickets and all tokens."""
        self._states.clear()
        self._first_requests.clear()
        self.tokens.revoke()

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
        """Return the correct response; `alter` replaces the files of an images response."""
        match request.endpoint:
            case Endpoint.TOKEN:
                response = self._token(request)
            case Endpoint.DETAILS:
                response = self._details(request)
            case Endpoint.IMAGES:
                response = self._images(request, alter)
            case Endpoint.PICTURE:
                return self._picture(request)
            case _:
                return gateway_error(403, "Missing Authentication Token")
        return response if len(response.body) <= self._body_limit else gateway_error(500, "Internal server error")

    def _token(self, request: Request) -> Response:
        headers, mine = request.headers, self.credential
        if not _same(headers.get("x-api-key", ""), mine.api_key):
            return gateway_error(403, "Forbidden")
        missing = [f"{name} must not be empty" for name in _CREDENTIAL_HEADERS if not headers.get(name)]
        if missing:
            return error(400, "BDRQST", missing)
        theirs = (headers.get("authorization", ""), headers["x-tenant"], headers["x-env"], headers["x-banknu"])
        if not all(map(_same, theirs, (mine.basic, mine.tenant, mine.env, mine.banknu))):
            return _unauthorized()
        return json_response(self.tokens.issue())

    def _details(self, request: Request) -> Response:
        found = self._authorized(request)
        return found if isinstance(found, Response) else json_response(details(found))

    def _images(self, request: Request, alter: Alteration | None) -> Response:
        found = self._authorized(request)
        if isinstance(found, Response):
            return found
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
        if not _same(request.headers.get("x-api-key", ""), self.credential.api_key):
            return gateway_error(403, "Forbidden")
        if not request.headers.get("user-agent"):
            return error(400, "BDRQST", ["user-agent must not be empty"])
        if not self.tokens.is_valid(request.bearer):
            return _unauthorized()
        try:
            return self.ticket(request.ticket or "")
        except KeyError:
            return ticket_not_found()

    def _picture(self, request: Request) -> Response:
        if "authorization" in request.headers:
            # As S3 responds to a signed URL that comes with an Authorization header.
            return Response(400, b"<Error><Code>InvalidArgument</Code></Error>", "application/xml")
        digest = request.path.rpartition("/")[2]
        if request.query.get("Signature") != [self._signature(digest)] or digest not in self._hosted:
            return Response(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
        picture = self._hosted[digest]
        return Response(200, picture.data, picture.content_type)

    def _host(self, origin: str, picture: Picture) -> str:
        """Return the file's URL, and serve it from now on."""
        self._hosted[picture.sha256] = picture
        return f"{origin}/pictures/{picture.sha256}?Expires=300&Signature={self._signature(picture.sha256)}"

    def _signature(self, digest: str) -> str:
        return hmac.digest(self._url_key, digest.encode(), sha256).hex()


def _unauthorized() -> Response:
    return error(401, "UNTHRZD", "Unauthorized")


def _same(received: str, expected: str) -> bool:
    return hmac.compare_digest(received.encode(), expected.encode())
