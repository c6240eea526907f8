"""Client of the ticket archive: its retrieval API, its manifests and their events.

One module to copy; it needs boto3, requests and pydantic.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlencode

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoRegionError
from pydantic import BaseModel, ConfigDict, Field

SIGNED_URL_TYPE = "application/vnd.ticket-archive.signed-url+json"
UNKNOWN_TICKET_PAUSE = 2.0
"""Seconds between requests for a ticket that is unknown: its first attempt takes about one."""


class ArchiveApiError(Exception):
    """A response other than 200. `code` is the problem's stable code; None if API Gateway or S3 sent the response.

    API Gateway's responses have its error type as the detail, such as AccessDeniedException.
    """

    def __init__(self, status: int, code: str | None = None, detail: str | None = None) -> None:
        super().__init__(" ".join(str(each) for each in (status, code, detail) if each))
        self.status = status
        self.code = code
        self.detail = detail


class TicketPending(ArchiveApiError):
    """The ticket is not archived yet. `missing` gives reasons; ask again after `retry_after` seconds."""

    def __init__(self, retry_after: int, missing: dict[str, str]) -> None:
        super().__init__(202, "pending", ", ".join(f"{part}: {reason}" for part, reason in missing.items()))
        self.retry_after = retry_after
        self.missing = missing


class NoResponse(requests.RequestException):
    """No response came. The text is the type of requests' own exception, whose text would hold the URL."""


class CorruptDownload(Exception):
    """The downloaded bytes do not have the hash that the archive stored."""


class Model(BaseModel):
    """What the archive sends. The text of a ValidationError does not quote it: presigned URLs grant access."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Image(Model):
    """A stored image: position within its type from 0, SHA-256 in hexadecimal, size in bytes."""

    type: str
    index: int
    sha256: str
    bytes: int
    content_type: str


class SignedImage(Image):
    """An image with a URL that is valid until `expires_at`. The URL grants access: do not log it."""

    url: str
    expires_at: datetime
    content_disposition: Literal["attachment", "inline"]


class UnrecognizedFile(Model):
    """A file that is stored but never served."""

    type: str
    sha256: str
    bytes: int


class Ticket(Model):
    """An archived ticket."""

    ticket: str
    state: str
    complete: bool
    outcome: str | None
    disposition: str | None
    confidence_score: float | None
    risk_code: str | None
    version: str | None
    received_at: datetime | None
    fetched_at: datetime | None
    archived_at: datetime | None
    images: list[Image]
    types: dict[str, str]
    absent: list[str]
    unrecognized: list[UnrecognizedFile]
    missing: dict[str, str]


class CustomerTicket(Model):
    """A ticket in a customer's list, in any state but erased."""

    ticket: str
    state: str
    outcome: str | None
    disposition: str | None
    version: str | None
    archived_at: datetime | None


class ManifestDetails(Model):
    """The vendor's JSON: its digest and size."""

    sha256: str
    bytes: int


class ManifestImage(Image):
    """An image and its object in the bucket."""

    key: str


class Manifest(Model):
    """One version of a ticket, as docs/manifest.schema.json describes it. Raises ValidationError for another schema."""

    schema_: Literal["idv-ticket-archive/manifest/v1"] = Field(alias="schema")
    ticket: str
    version: str
    previous: str | None
    outcome: str | None
    archived_at: datetime
    complete: bool = True
    details: ManifestDetails | None
    images: list[ManifestImage]
    absent: list[str]
    unrecognized: list[UnrecognizedFile] = []
    missing: list[str] = []


class EventBucket(Model):
    """The archive's bucket."""

    name: str


class EventObject(Model):
    """A manifest's object. Of two events of one key, the greater `sequencer` is the later one."""

    key: Annotated[str, Field(pattern=r"^tickets/[A-Za-z0-9][A-Za-z0-9_-]{0,127}/manifests/[0-9a-f]{64}\.json$")]
    size: int
    etag: str
    sequencer: str


class EventDetail(Model):
    """What S3 says of the new object."""

    bucket: EventBucket
    object: EventObject


class ManifestCreated(Model):
    """EventBridge's event of a new manifest: this version of the ticket is archived. It may come twice, and late."""

    id: str
    source: Literal["aws.s3"]
    detail_type: Literal["Object Created"] = Field(alias="detail-type")
    account: str
    region: str
    time: datetime
    resources: list[str]
    detail: EventDetail

    @property
    def ticket(self) -> str:
        """The ticket's id."""
        return self.detail.object.key.split("/")[1]


class TicketArchive:
    """Calls the API with the credentials and the region of a boto3 session. Use one instance per thread.

    Methods with `wait` ask again for up to that many seconds while a ticket is not archived yet, then raise
    TicketPending. A ticket is unknown (404) until the archive has tried to fetch it, so they wait for that too. Any
    other response is an ArchiveApiError; without one, NoResponse is raised.
    """

    def __init__(
        self,
        api_url: str,
        session: boto3.Session | None = None,
        *,
        http: requests.Session | None = None,
        timeout: float = 10,
    ) -> None:
        """`api_url` is the stack's output ApiUrl; `timeout` is in seconds for each request. Raises NoRegionError."""
        self._api_url = api_url.rstrip("/")
        self._session = session or boto3.Session()
        if self._session.region_name is None:
            raise NoRegionError
        self._http = http or requests.Session()
        self._timeout = timeout

    def ticket(self, ticket: str, *, wait: float = 0) -> Ticket:
        """Return an archived ticket."""
        return Ticket.model_validate_json(self._get(f"/tickets/{quote(ticket, safe='')}", wait=wait).content)

    def details(self, ticket: str, *, wait: float = 0) -> Any:
        """Return the vendor's details as parsed JSON. Decimal: numbers with fractions, integers too long for int()."""
        response = self._get(f"/tickets/{quote(ticket, safe='')}/details", wait=wait)
        if response.headers["Content-Type"] == SIGNED_URL_TYPE:
            response = self._download(response.json()["url"])
        return json.loads(response.content, parse_float=Decimal, parse_int=_integer)

    def images(
        self,
        ticket: str,
        types: Sequence[str] = ("ALL",),
        *,
        expires_in: int | None = None,
        disposition: Literal["attachment", "inline"] = "attachment",
        wait: float = 0,
    ) -> list[SignedImage]:
        """Return a ticket's images with presigned URLs that live `expires_in` seconds (60 to 900) or less."""
        query = {"type": ",".join(types), "expires_in": expires_in, "disposition": disposition}
        response = self._get(f"/tickets/{quote(ticket, safe='')}/images", query, wait=wait)
        return [SignedImage.model_validate(image) for image in response.json()["images"]]

    def image(self, ticket: str, sha256: str) -> SignedImage:
        """Return one image by its hash, with a presigned URL."""
        response = self._get(f"/tickets/{quote(ticket, safe='')}/images/{quote(sha256, safe='')}")
        return SignedImage.model_validate_json(response.content)

    def download(self, image: SignedImage) -> bytes:
        """Return an image's bytes. Raises CorruptDownload if their hash differs."""
        body = self._download(image.url).content
        if hashlib.sha256(body).hexdigest() != image.sha256:
            raise CorruptDownload(f"{image.type} {image.index}")
        return body

    def customer_tickets(self, customer: str, *, page_size: int = 100) -> Iterator[CustomerTicket]:
        """Yield all tickets of a customer, newest first."""
        cursor: str | None = None
        while True:
            query = {"limit": page_size, "cursor": cursor}
            page = self._get(f"/customers/{quote(customer, safe='')}/tickets", query).json()
            yield from map(CustomerTicket.model_validate, page["tickets"])
            cursor = page["cursor"]
            if cursor is None:
                return

    def send(self, path: str, query: Mapping[str, object] | None = None) -> requests.Response:
        """Return the response to one signed GET of an API path, whatever its status."""
        # SigV4 covers the encoded query: a comma must be sent as %2C, a space as %20
        text = urlencode({name: each for name, each in (query or {}).items() if each is not None}, quote_via=quote)
        request = AWSRequest("GET", f"{self._api_url}{path}{'?' if text else ''}{text}")
        credentials: Any = self._session.get_credentials()  # without any, SigV4Auth raises NoCredentialsError
        signing = credentials and credentials.get_frozen_credentials()  # a renewal while signing would mix two keys
        SigV4Auth(signing, "execute-api", self._session.region_name).add_auth(request)
        return self._fetch(str(request.url), dict(request.headers.items()))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, query: Mapping[str, object] | None = None, *, wait: float = 0) -> requests.Response:
        deadline = time.monotonic() + wait
        while True:
            response = self.send(path, query)
            if response.status_code == 200:
                return response
            error = _error(response)
            if isinstance(error, TicketPending):
                pause: float = error.retry_after
            elif error.code == "unknown_ticket":
                pause = UNKNOWN_TICKET_PAUSE
            else:
                raise error
            left = deadline - time.monotonic()
            if left <= 0:
                raise error
            time.sleep(min(pause, left))

    def _download(self, url: str) -> requests.Response:
        """Get a presigned URL. It carries its own signature: S3 refuses a second one."""
        response = self._fetch(url)
        if response.status_code != 200:
            raise ArchiveApiError(response.status_code)
        return response

    def _fetch(self, url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        try:
            return self._http.get(
                url, headers=headers, timeout=self._timeout, allow_redirects=False, auth=_signed_already
            )
        except requests.RequestException as error:
            reason = type(error).__name__
        raise NoResponse(reason)  # outside the handler: a URL grants access, or names a customer, and may be logged


def _integer(digits: str) -> int | Decimal:
    """Return an integer, as Decimal if it is longer than int() takes: by default 4,300 digits."""
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def _signed_already(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Change nothing: without an `auth`, requests takes one from ~/.netrc, and replaces the signature with it."""
    return request


def _error(response: requests.Response) -> ArchiveApiError:
    if response.status_code == 202:
        return TicketPending(int(response.headers["Retry-After"]), response.json()["missing"])
    if response.headers.get("Content-Type") != "application/problem+json":
        # API Gateway's message is left out: it quotes the path, which may name a customer
        return ArchiveApiError(response.status_code, detail=response.headers.get("x-amzn-ErrorType"))
    problem = response.json()
    return ArchiveApiError(response.status_code, problem["code"], problem.get("detail"))
