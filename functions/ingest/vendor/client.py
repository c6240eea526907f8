"""Preventor's API: a token, a ticket's details, its images by type (IDV Tickets; Security)."""

import base64
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from ingest.files.parsing import InlineImage, LinkedImage, check_image, read_images
from ingest.vendor.auth import Token, TokenSource, read_token
from ingest.vendor.errors import error_for_response
from ingest.vendor.http import Answer, Transport
from ingest.vendor.metrics import Call
from ingest.vendor.url_policy import check_image_url
from ticket_archive.clock import now
from ticket_archive.details import Details, read_details
from ticket_archive.errors import (
    DeadlineExceeded,
    InvalidVendorResponse,
    RetryableError,
    TicketNotFound,
    UnrecognizedResponse,
    VendorAuthError,
)
from ticket_archive.models import ImageType, ticket_id
from ticket_archive.summary import tells_of
from ticket_archive.webhook_credentials import VendorCredential

USER_AGENT = "idv-ticket-archive/1"
MAX_BYTES = 12_000_000
"""Of one answer, decompressed. API Gateway, behind which the vendor's API stands, lets at most 10 MB through."""
TOKEN_MAX_BYTES = 64_000
ATTEMPT_TIMEOUT = 20.0
"""How long one try may take, from the connection to the last byte."""

_QUICK_PAUSES = (0.2, 0.6)  # seconds, before the second and the third try; each is drawn from half of it to all of it
_LEAST_SECONDS = 0.5  # with less time left a call is not begun

_random = random.SystemRandom()  # the copies of a snapshot share all other random state

T = TypeVar("T")


class CredentialReader(Protocol):
    """Gives the vendor's credential: `ingest.secrets.Secrets.vendor_credential`."""

    def __call__(self, *, fresh: bool = False) -> VendorCredential:
        """The credential; `fresh` reads it again."""
        ...


class Observer(Protocol):
    """Hears of every call: `ingest.vendor.metrics.VendorCalls`."""

    def __call__(self, call: Call, seconds: float, failure: RetryableError | None) -> None:
        """A call has ended; `failure` is what is wrong with its answer."""
        ...


class Preventor:
    """The vendor's API for one customer. Safe to use from many threads.

    Every method takes `expires_at` (monotonic seconds), tries again twice within it where that makes sense, and raises
    RetryableError or UnrecognizedResponse.
    """

    def __init__(
        self,
        origin: str,
        credential: CredentialReader,
        transport: Transport,
        image_hosts: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        observe: Observer = lambda *_: None,
    ) -> None:
        self._origin = origin
        self._credential = credential
        self._transport = transport
        self._image_hosts = frozenset(image_hosts)
        self._sleep = sleep
        self._observe = observe
        self._tokens = TokenSource(self._fetch_token)

    def details(self, ticket: str, expires_at: float) -> Details:
        """The ticket's details. Raises TicketNotFound where the vendor does not know it (yet)."""
        path = f"/id/v1/identity/transactions/{_segment(ticket)}"

        def ask(until: float) -> Details:
            details = read_details(self._get(Call.DETAILS, path, until).body)
            if not tells_of(details.value, ticket):
                raise UnrecognizedResponse("details_of_no_ticket", details.raw)
            return details

        return self._persist(ask, expires_at)

    def images(self, ticket: str, wanted: ImageType, expires_at: float) -> list[InlineImage | LinkedImage]:
        """The ticket's images of one type, in the vendor's order; empty where the vendor has none."""
        path = f"/id/v1/identity/transactions/{_segment(ticket)}/images?type={wanted.value}"

        def ask(until: float) -> list[InlineImage | LinkedImage]:
            answer = self._get(Call.IMAGES, path, until)
            return read_images(answer.body, answer.content_type, wanted)

        try:
            return self._persist(ask, expires_at)
        except TicketNotFound:
            return []

    def linked_image(self, link: LinkedImage, expires_at: float) -> InlineImage:
        """The image behind a URL of the vendor's. No token goes there; the address must be one that is allowed."""
        target = check_image_url(link.url, vendor_origin=self._origin, allowed_hosts=self._image_hosts)

        def ask(until: float) -> InlineImage:
            headers = {"Accept": "image/*", "User-Agent": USER_AGENT}
            answer = self._send(
                Call.LINK, "GET", target.url, headers=headers, expires_at=until, public_only=target.public_only
            )
            _raise_refusal(Call.LINK, answer)
            return check_image(answer.body)

        return self._persist(ask, expires_at)

    def _persist(self, ask: Callable[[float], T], expires_at: float) -> T:
        """Asks up to three times while the error says that trying again at once makes sense and time is left."""
        for pause in (*_QUICK_PAUSES, None):
            if expires_at - time.monotonic() < _LEAST_SECONDS:
                raise DeadlineExceeded("vendor")
            try:
                return ask(min(expires_at, time.monotonic() + ATTEMPT_TIMEOUT))
            except RetryableError as error:
                wait = _random.uniform(pause / 2, pause) if pause else 0.0
                asked_to_wait = error.retry_after is not None and error.retry_after > wait
                no_time_left = time.monotonic() + wait + _LEAST_SECONDS > expires_at
                if pause is None or not error.quick or asked_to_wait or no_time_left:
                    raise
            self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _get(self, call: Call, path: str, expires_at: float) -> Answer:
        """One authenticated GET; a token that is refused is replaced once."""
        answer = self._send_with(token := self._tokens.get(expires_at), call, path, expires_at)
        if answer.status == 401:
            self._tokens.reject(token)
            renewed = self._tokens.get(expires_at)
            if renewed != token:
                answer = self._send_with(renewed, call, path, expires_at)
                if answer.status == 401:
                    self._tokens.back_off()
        _raise_refusal(call, answer)
        self._tokens.reset_backoff()
        return answer

    def _send_with(self, token: str, call: Call, path: str, expires_at: float) -> Answer:
        headers = {
            "Authorization": f"Bearer {token}",
            "x-api-key": self._credential().api_key.get_secret_value(),
            "Accept": "application/json, image/*",
            "User-Agent": USER_AGENT,
        }
        return self._send(call, "GET", self._origin + path, headers=headers, expires_at=expires_at)

    def _send(
        self, call: Call, method: str, url: str, *, headers: Mapping[str, str], expires_at: float, **more: Any
    ) -> Answer:
        """One exchange; the observer hears what it took and what its answer means."""
        began = time.monotonic()
        try:
            answer = self._transport.send(
                method, url, headers=headers, expires_at=expires_at, **{"max_bytes": MAX_BYTES, **more}
            )
        except RetryableError as error:
            self._observe(call, time.monotonic() - began, error)
            raise
        self._observe(call, time.monotonic() - began, _failure(call, answer))
        return answer

    def _fetch_token(self, expires_at: float) -> Token:
        """A new token. A refused credential is read once more from its secret: it may just have been rotated."""
        credential = self._credential()
        try:
            return self._ask_token(credential, expires_at)
        except VendorAuthError:
            renewed = self._credential(fresh=True)
            if renewed == credential:
                raise
            return self._ask_token(renewed, expires_at)

    def _ask_token(self, credential: VendorCredential, expires_at: float) -> Token:
        pair = f"{credential.api_key.get_secret_value()}:{credential.secret.get_secret_value()}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "x-api-key": credential.api_key.get_secret_value(),
            "x-tenant": credential.tenant.get_secret_value(),
            "x-env": credential.env.get_secret_value(),
            "x-banknu": credential.banknu.get_secret_value(),
            "x-interface": "API",
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        answer = self._send(
            Call.TOKEN,
            "POST",
            f"{self._origin}/id/v1/identity/auth/token",
            headers={name: value for name, value in headers.items() if value},
            expires_at=expires_at,
            max_bytes=TOKEN_MAX_BYTES,
        )
        _raise_refusal(Call.TOKEN, answer)
        return read_token(answer.body, time.time())


def _raise_refusal(call: Call, answer: Answer) -> None:
    failure = _failure(call, answer)
    if failure is not None:
        raise failure


def _failure(call: Call, answer: Answer) -> RetryableError | None:
    """What an answer means that is not what was asked for.

    Elsewhere than at a ticket's own address a 404 says nothing of the ticket, and where no token was sent a 401 or 403
    (a link that has expired) says nothing of the credential.
    """
    error = error_for_response(answer, now())
    of_no_ticket = call in (Call.TOKEN, Call.LINK) and isinstance(error, TicketNotFound)
    of_no_credential = call is Call.LINK and isinstance(error, VendorAuthError)
    return InvalidVendorResponse(error.detail) if error and (of_no_ticket or of_no_credential) else error


def _segment(ticket: str) -> str:
    """The ticket as one path segment. Checked again here, where it meets a URL."""
    return quote(ticket_id(ticket), safe="")
