"""A table and a bucket in memory, tickets as the archive writes them, and requests as API Gateway sends them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import quote

from boto3 import Session
from botocore.credentials import Credentials

from retrieval.dependencies import s3_config
from retrieval.presign import Presigner
from tests.support.dynamodb import attributes
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.models import ImageType, StoredImage, TicketItem
from ticket_archive.table import read_item

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
CUSTOMER = "C-1001"
BUCKET = "archive"
CALLER = "arn:aws:sts::123456789012:assumed-role/reviewer/session"
REQUEST_ID = "11111111-2222-4333-8444-555555555555"
EXTENDED_REQUEST_ID = "XKvXwHlYFiAEbdA="
DETAILS = {"id": TICKET, "score": Decimal("98.70"), "user": {"full_name": "Jón Þór", "ids": [Decimal(1), None, True]}}
TYPES = {**dict.fromkeys(("SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT"), "stored"), "DOCUMENT_SIGNATURE": "absent"}


def sha256_of(kind: ImageType, index: int = 0) -> str:
    return hashlib.sha256(f"{kind.value} {index}".encode()).hexdigest()


def path_of(resource: str) -> dict[str, str]:
    """Return the path parameters of a resource: the archived ticket, its document and its customer."""
    values = {"ticket": TICKET, "sha256": sha256_of(ImageType.DOCUMENT), "customer": CUSTOMER}
    return {name: value for name, value in values.items() if f"{{{name}}}" in resource}


def image(kind: ImageType, index: int = 0, **changes: Any) -> dict[str, Any]:
    sha256 = sha256_of(kind, index)
    key = f"tickets/{TICKET}/images/{kind.value}/{sha256}.jpg"
    plain = {"type": kind.value, "index": index, "key": key, "sha256": sha256, "bytes": 1234}
    return {**plain, "content_type": "image/jpeg", **changes}


PICTURE = StoredImage(**image(ImageType.DOCUMENT))


def item(**changes: Any) -> TicketItem:
    """Return an archived ticket with these changes; None removes an attribute."""
    values = {
        "ticket": TICKET,
        "record": "ticket",
        "state": "archived",
        "outcome": "ACCEPTED",
        "disposition": "PASSED",
        "confidence_score": Decimal("98.70"),
        "risk_code": "R-1",
        "customer": CUSTOMER,
        "version": "a" * 64,
        "received_at": "2026-01-15T09:30:00.000000Z",
        "fetched_at": "2026-01-15T09:30:01.000000Z",
        "archived_at": "2026-01-15T09:30:02.000000Z",
        "details": DETAILS,
        "details_sha256": "d" * 64,
        "details_bytes": 120,
        "images": [
            image(ImageType.SELF_PORTRAITS),
            image(ImageType.SELF_PORTRAITS, 1),
            image(ImageType.DOCUMENT),
            image(ImageType.DOCUMENT_PORTRAIT),
        ],
        "types": TYPES,
        **changes,
    }
    return read_item(attributes({name: value for name, value in values.items() if value is not None}))


def incomplete(**changes: Any) -> TicketItem:
    """Return a ticket that an attempt left incomplete, with the parts that it fetched."""
    missing = {"version": None, "archived_at": None, "retry_at": "2026-01-15T09:31:00.000000Z"}
    return item(
        **{"state": "incomplete", **missing, "types": {"SELF_PORTRAITS": "stored", "DOCUMENT": "failed"}, **changes}
    )


class FakeTickets:
    """A table that counts its reads. `broken` is raised instead of an answer."""

    def __init__(self, *items: TicketItem) -> None:
        self._items = {item.ticket: item for item in items}
        self.reads = self.details_read = 0
        self.asked: tuple[str, int, str | None] | None = None
        self.next_cursor: str | None = None
        self.broken: Exception | None = None

    def add(self, item: TicketItem) -> None:
        self._items[item.ticket] = item

    def get(self, ticket: str, *, details: bool = True) -> TicketItem | None:
        self._read()
        self.details_read += details
        item = self._items.get(ticket)
        if item is None or details:
            return item
        kept = {name: value for name, value in item.attributes.items() if name not in DETAILS_ATTRIBUTES}
        return item.model_copy(update={"attributes": kept})

    def by_customer(self, customer: str, limit: int, cursor: str | None) -> tuple[list[TicketItem], str | None]:
        self._read()
        self.asked = (customer, limit, cursor)
        found = [item for item in self._items.values() if item.attributes.get("customer") == customer]
        return found[:limit], self.next_cursor

    def _read(self) -> None:
        self.reads += 1
        if self.broken:
            raise self.broken


class FakeBucket(dict[str, bytes]):
    """A bucket."""

    def read(self, key: str) -> bytes:
        return self[key]


@cache
def _s3() -> Any:
    session = Session("AKIAEXAMPLE", "example", region_name="eu-central-1")
    return session.client("s3", config=s3_config("virtual"))


def presigner(credentials: Credentials | None = None) -> Presigner:
    """Return a presigner on a client as `retrieval.dependencies` makes it, with these credentials."""
    signing = credentials or Credentials("AKIAEXAMPLE", "example")
    _s3()._request_signer._credentials = signing  # a client takes a while to make
    return Presigner(_s3(), BUCKET, signing, 300)


@dataclass
class World:
    """The routes' dependencies in memory. `presigner` is the real one, which needs no network."""

    tickets: FakeTickets = field(default_factory=lambda: FakeTickets(item()))
    bucket: FakeBucket = field(default_factory=FakeBucket)
    presigner: Presigner = field(default_factory=presigner)


@dataclass(frozen=True)
class Answer:
    """A response as the caller gets it, with the log lines and metrics of its request."""

    status: int
    headers: dict[str, str]
    text: str
    json: Any
    log: list[dict[str, Any]]
    metrics: dict[str, float]

    @property
    def audit(self) -> dict[str, Any]:
        (record,) = [line["audit"] for line in self.log if "audit" in line]
        return dict(record)


def request(
    resource: str,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str | list[str]] | None = None,
    method: str = "GET",
) -> dict[str, Any]:
    """Return a REST proxy event as AWS sends it: path values percent-encoded, query values decoded."""
    encoded = {name: quote(value, safe="") for name, value in (path or {}).items()}
    where = resource
    for name, value in encoded.items():
        where = where.replace(f"{{{name}}}", value)
    many = {name: value if isinstance(value, list) else [value] for name, value in (query or {}).items()}
    return {
        "resource": resource,
        "path": where,
        "httpMethod": method,
        "headers": {"Authorization": "AWS4-HMAC-SHA256 canary-signature"},
        "multiValueHeaders": {"Authorization": ["AWS4-HMAC-SHA256 canary-signature"]},
        "queryStringParameters": {name: values[-1] for name, values in many.items()} or None,
        "multiValueQueryStringParameters": many or None,
        "pathParameters": encoded or None,
        "requestContext": {
            "httpMethod": method,
            "requestId": REQUEST_ID,
            "extendedRequestId": EXTENDED_REQUEST_ID,
            "stage": "v1",
            "path": f"/v1{where}",
            "identity": {"userArn": CALLER, "accountId": "123456789012"},
        },
        "body": None,
        "isBase64Encoded": False,
    }
