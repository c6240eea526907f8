"""Preventor's API: a token, a ticket's details, its files by image type.

Sources: docs.preventor.com, server/api-reference/security and server/api-reference/idv-tickets.
"""

import base64
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from ingest.files.decoding import File, InlineFile, LinkedFile, inline_file
from ingest.files.parsing import parse_files
from ingest.vendor.auth import TokenSource
from ingest.vendor.http import HttpClient, Response
from ingest.vendor.responses import Call, error_for_response
from ingest.vendor.token_response import Token, read_token
from ingest.vendor.url_policy import check_image_url
from ticket_archive.clock import now
from ticket_archive.details import Details, read_details
from ticket_archive.errors import (
    DeadlineExceeded,
    InvalidTokenResponse,
    InvalidVendorResponse,
    RetryableError,
    TicketNotFound,
    VendorAuthError,
    VendorUnavailable,
)
from ticket_archive.models import ImageType, ticket_id
from ticket_archive.secrets import VendorCredential

MAX_RESPONSE_BYTES = 12_000_000
"""Limit of a decompressed response. The vendor's API is behind API Gateway, which allows 10 MB."""
MAX_TOKEN_BYTES = 64_000
ATTEMPT_TIMEOUTS = (15.0, 30.0, 30.0)
"""Seconds for each attempt, from the connection to the last byte. A connection that died while the process was frozen
costs the first; the others wait longer than API Gateway, which gives up after 29 seconds."""

_NEXT_LINK = re.compile(r'<([^<>]*)>[^<]*;\s*rel\s*=\s*"?[^"<;]*\bnext\b', re.IGNORECASE)  # RFC 8288
_QUICK_PAUSES = (0.2, 0.6)  # seconds before the second and the third attempt; jitter takes up to half off
_MIN_SECONDS = 0.5  # no call begins with less time left
_FORBIDDEN_TOKEN_AGE = 60.0  # seconds at which a token is replaced after 403
_TRANSACTIONS = "/id/v1/identity/transactions/"

_parsing = threading.Lock()
"""Parsing holds the interpreter's lock anyway. With this lock, at most one response is in memory more than once."""

_random = random.SystemRandom()  # instances restored from one snapshot share all other random state

T = TypeVar("T")


@dataclass(repr=False, eq=False)
class Preventor:
    """The vendor's API for one customer. Safe to use from many threads.

    `credential` returns the vendor's credential; `credential(fresh=True)` bypasses its cache
    (`ingest.rotating_secret`). Every method takes a deadline (monotonic seconds), retries twice within it where that
    makes sense, and raises RetryableError or UnrecognizedResponse. At most `max_calls` are in flight; others wait for
    their turn until their deadline. `observe` is called after each attempt with its kind, its seconds without that
    wait, and its error (`ingest.vendor.metrics.record_call`).
    """

    origin: str
    credential: Callable[..., VendorCredential]
    http: HttpClient
    image_hosts: Sequence[str] = ()
    user_agent: str = "Mozilla/5.0"
    max_calls: int = 16
    observe: Callable[[Call, float, RetryableError | None], None] = lambda *_: None
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._turns = threading.BoundedSemaphore(self.max_calls)
        self._tokens = TokenSource(self._fetch_token)

    def details(self, ticket: str, deadline: float) -> Details:
        """Return the ticket's details. Raises TicketNotFound if the vendor does not know it (yet)."""
        url = self._ticket_url(ticket)

        def attempt(until: float) -> Details:
            details = read_details(self._get(Call.DETAILS, url, until).body)
            details.check_ticket(ticket)
            return details

        return self._retry(attempt, deadline)

    def files(self, ticket: str, image_type: ImageType, deadline: float) -> list[File]:
        """Return the ticket's files of one type, in the vendor's order; empty if the vendor has none.

        A redirect is a file at a URL: it is not followed, because the request's token would go with it.
        """
        url = f"{self._ticket_url(ticket)}/images?type={image_type.value}"

        def attempt(until: float) -> list[File]:
            response = self._get(Call.IMAGES, url, until)
            with _parsing:
                files = parse_files(response.body, response.content_type, image_type)
            more = _NEXT_LINK.findall(response.headers.get("Link", ""))
            return files + [InlineFile(target.encode(), None) for target in more]

        try:
            return self._retry(attempt, deadline)
        except TicketNotFound:
            return []
        except InvalidVendorResponse as error:
            if error.detail != "redirect" or error.body is None:
                raise
            return [LinkedFile(error.body.decode())]

    def linked_file(self, link: LinkedFile, deadline: float) -> InlineFile:
        """Return the file behind a URL, which must be allowed (`url_policy`). It is fetched without credentials."""
        url, public_only = check_image_url(link.url, vendor_origin=self.origin, allowed_hosts=self.image_hosts)

        def attempt(until: float) -> InlineFile:
            return inline_file(self._send(Call.LINK, url, until, public_only=public_only).body)

        return self._retry(attempt, deadline)

    def _retry(self, attempt: Callable[[float], T], deadline: float) -> T:
        """Make up to three attempts while the error suggests a quick retry and time is left."""
        for timeout, pause in zip(ATTEMPT_TIMEOUTS, (*_QUICK_PAUSES, None), strict=True):
            if deadline - time.monotonic() < _MIN_SECONDS:
                raise DeadlineExceeded("vendor")
            try:
                return attempt(min(deadline, time.monotonic() + timeout))
            except RetryableError as error:
                wait = _random.uniform(pause / 2, pause) if pause else 0.0
                asked_to_wait = error.retry_after is not None and error.retry_after > wait
                no_time_left = time.monotonic() + wait + _MIN_SECONDS > deadline
                if pause is None or not error.quick or asked_to_wait or no_time_left:
                    raise
            self.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _get(self, call: Call, url: str, deadline: float) -> Response:
        """Send an authenticated GET; replace a token that is refused once.

        Some gateways respond with 403 to an expired token. A 403 for a recent token is about permissions, and a type
        that is always forbidden must not cost a token each time.
        """
        token = self._tokens.get(deadline)
        try:
            response = self._send(call, url, deadline, token=token)
        except VendorAuthError as error:
            self._tokens.reject(token, _FORBIDDEN_TOKEN_AGE if error.detail == "403" else 0.0)
            if (renewed := self._tokens.get(deadline)) == token:  # during a back-off
                raise
            try:
                response = self._send(call, url, deadline, token=renewed)
            except VendorAuthError as again:
                if again.detail == "401":
                    self._tokens.back_off()
                raise
        self._tokens.reset_backoff()
        return response

    def _fetch_token(self, deadline: float) -> Token:
        """Fetch a token. If the credential is refused, read its secret again: it may have been rotated."""
        credential = self.credential()
        try:
            return self._fetch_token_with(credential, deadline)
        except VendorAuthError:
            renewed = self.credential(fresh=True)
            if renewed == credential:
                raise
            return self._fetch_token_with(renewed, deadline)

    def _fetch_token_with(self, credential: VendorCredential, deadline: float) -> Token:
        url = f"{self.origin}/id/v1/identity/auth/token"
        try:
            return read_token(self._send(Call.TOKEN, url, deadline, credential=credential).body, time.time())
        except InvalidVendorResponse as error:
            raise InvalidTokenResponse(error.detail) from None

    def _send(
        self,
        call: Call,
        url: str,
        deadline: float,
        *,
        token: str = "",
        credential: VendorCredential | None = None,
        public_only: bool = False,
    ) -> Response:
        """Send one request in its turn, report it to the observer, and raise the error that its response means."""
        method, max_bytes = ("POST", MAX_TOKEN_BYTES) if call is Call.TOKEN else ("GET", MAX_RESPONSE_BYTES)
        headers = self._headers(token, credential)
        if not self._turns.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise VendorUnavailable("deadline")  # not observed: the vendor has not failed
        began = time.monotonic()
        try:
            response = self.http.send(
                method, url, headers=headers, deadline=deadline, max_bytes=max_bytes, public_only=public_only
            )
        except RetryableError as error:
            self.observe(call, time.monotonic() - began, error)
            if call is Call.TOKEN:
                error.body = None  # which would be kept as the ticket's
            raise
        finally:
            self._turns.release()
        failure = error_for_response(call, response, now())
        self.observe(call, time.monotonic() - began, failure)
        if failure is not None:
            raise failure
        return response

    def _headers(self, token: str, credential: VendorCredential | None) -> dict[str, str]:
        """Return the headers of a token call (`credential` given), a ticket call (`token`) or a link's (neither)."""
        common = {"Accept": "application/json, */*", "User-Agent": self.user_agent}
        if token:
            api_key = self.credential().api_key.get_secret_value()
            return common | {"Authorization": f"Bearer {token}", "x-api-key": api_key}
        if credential is None:
            return common
        values = {name: secret.get_secret_value() for name, secret in credential if secret}
        api_key = values.pop("api_key")
        pair = base64.b64encode(f"{api_key}:{values.pop('secret')}".encode()).decode()
        given = {f"x-{name}": value for name, value in values.items()}  # tenant, env and banknu, if there are any
        return common | {"Authorization": f"Basic {pair}", "x-api-key": api_key, "x-interface": "API", **given}

    def _ticket_url(self, ticket: str) -> str:
        """Return the ticket's URL. The id is checked again here, where it becomes a path segment."""
        return self.origin + _TRANSACTIONS + quote(ticket_id(ticket), safe="")
