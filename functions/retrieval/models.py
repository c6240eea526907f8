"""The API's answers: their shapes, from which docs/openapi.json is made, and how a ticket becomes one of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on only

from retrieval.presign import Link
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState
from ticket_archive.table import Page, TicketItem


class Image(TypedDict):
    """One image: its place within its type, its SHA-256 in hexadecimal, its size in bytes."""

    type: ImageType
    index: int
    sha256: str
    bytes: int
    content_type: str


class SignedImage(Image):
    """One image with a URL that downloads it until `expires_at` (ISO 8601, UTC). Send no Authorization along."""

    url: str
    expires_at: str


class Ticket(TypedDict):
    """An archived ticket. Times are ISO 8601 in UTC; `types` says of each image type what became of it."""

    ticket: str
    state: TicketState
    outcome: str | None
    disposition: str | None
    confidence_score: Decimal | None
    risk_code: str | None
    version: str | None
    received_at: str | None
    fetched_at: str | None
    archived_at: str | None
    images: list[Image]
    types: dict[ImageType, TypeState]


class PendingTicket(TypedDict):
    """A ticket that is not archived yet: ask again after Retry-After seconds."""

    ticket: str
    state: TicketState
    received_at: str | None
    types: dict[ImageType, TypeState]


class SignedImages(TypedDict):
    """A ticket's images in one version of it."""

    ticket: str
    version: str | None
    images: list[SignedImage]


class SignedDetails(TypedDict):
    """Details too large for an answer: their SHA-256 (of the canonical JSON), size in bytes, and where to get them."""

    ticket: str
    sha256: str | None
    bytes: int
    url: str
    expires_at: str


class CustomerTicket(TypedDict):
    """A ticket in a customer's list."""

    ticket: str
    state: TicketState
    outcome: str | None
    disposition: str | None
    version: str | None
    archived_at: str | None


class CustomerTickets(TypedDict):
    """A page of a customer's tickets, the newest first. `cursor` is null on the last page."""

    customer: str
    tickets: list[CustomerTicket]
    cursor: str | None


def ticket(item: TicketItem) -> Ticket:
    """An archived ticket, images without URLs."""
    return Ticket(
        ticket=item.ticket,
        state=item.state,
        outcome=item.outcome,
        disposition=item.attributes.get("disposition"),
        confidence_score=item.attributes.get("confidence_score"),
        risk_code=item.attributes.get("risk_code"),
        version=item.version,
        received_at=item.received_at,
        fetched_at=item.fetched_at,
        archived_at=item.archived_at,
        images=[_image(image) for image in item.images],
        types=dict(item.types),
    )


def pending(item: TicketItem) -> PendingTicket:
    """A ticket that is on its way."""
    return PendingTicket(ticket=item.ticket, state=item.state, received_at=item.received_at, types=dict(item.types))


def signed_image(image: StoredImage, link: Link) -> SignedImage:
    """An image and its URL."""
    return SignedImage(**_image(image), url=link.url, expires_at=seconds(link.expires_at))


def signed_images(item: TicketItem, images: Sequence[StoredImage], links: Sequence[Link]) -> SignedImages:
    """Some of a ticket's images, each with its URL."""
    signed = [signed_image(image, link) for image, link in zip(images, links, strict=True)]
    return SignedImages(ticket=item.ticket, version=item.version, images=signed)


def signed_details(item: TicketItem, link: Link) -> SignedDetails:
    """Where large details are."""
    return SignedDetails(
        ticket=item.ticket,
        sha256=item.details_sha256,
        bytes=item.details_bytes,
        url=link.url,
        expires_at=seconds(link.expires_at),
    )


def customer_tickets(customer: str, page: Page) -> CustomerTickets:
    """One page. The index follows the table with a delay: a ticket erased meanwhile is left out."""
    shown = [item for item in page.items if item.state is not TicketState.ERASED]
    return CustomerTickets(customer=customer, tickets=[_customer_ticket(item) for item in shown], cursor=page.cursor)


def seconds(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _image(image: StoredImage) -> Image:
    return Image(
        type=image.type,
        index=image.index,
        sha256=image.sha256,
        bytes=image.bytes,
        content_type=image.content_type,
    )


def _customer_ticket(item: TicketItem) -> CustomerTicket:
    return CustomerTicket(
        ticket=item.ticket,
        state=item.state,
        outcome=item.outcome,
        disposition=item.attributes.get("disposition"),
        version=item.version,
        archived_at=item.archived_at,
    )
