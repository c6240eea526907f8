"""What may be read of a ticket, by its state. Object keys come from the ticket's item and from nowhere else."""

from collections.abc import Collection, Sequence
from typing import Protocol

from retrieval.errors import NotArchivedYet, UnknownImage, UnknownTicket
from ticket_archive.clock import now
from ticket_archive.details import ANSWER_LIMIT, to_json, unpack
from ticket_archive.errors import TicketErased
from ticket_archive.models import ImageType, StoredImage, TicketState
from ticket_archive.retention import is_over
from ticket_archive.table import Page, TicketItem


class Tickets(Protocol):
    """The part of the table that is read here."""

    def get(self, ticket: str) -> TicketItem | None:
        """The ticket, or None."""

    def by_customer(self, customer: str, limit: int, cursor: str | None) -> Page:
        """One page of a customer's tickets."""


class Objects(Protocol):
    """The part of the bucket that is read here."""

    def read(self, key: str) -> bytes:
        """The object's bytes."""


def archived(tickets: Tickets, ticket: str) -> TicketItem:
    """The ticket, complete. Raises UnknownTicket, TicketErased, NotArchivedYet."""
    item = tickets.get(ticket)
    if item is None or is_over(item.expires_at, now()):
        raise UnknownTicket
    if item.state is TicketState.ERASED:
        raise TicketErased
    if item.state is not TicketState.ARCHIVED:
        raise NotArchivedYet(item)
    return item


def images(item: TicketItem, types: Collection[ImageType]) -> Sequence[StoredImage]:
    """The ticket's images of these types, in the archive's order."""
    return [image for image in item.images if image.type in types]


def image(item: TicketItem, sha256: str) -> StoredImage:
    """The ticket's image with this hash. Raises UnknownImage."""
    for candidate in item.images:
        if candidate.sha256 == sha256:
            return candidate
    raise UnknownImage


def large_details(item: TicketItem) -> str | None:
    """The key of details that no answer of a function can hold; None where `details` brings them."""
    return item.attributes.get("details_key") if item.details_bytes > ANSWER_LIMIT else None


def details(item: TicketItem, objects: Objects) -> bytes:
    """The vendor's JSON, from wherever there was room for it (`ticket_archive.details`)."""
    if "details" in item.attributes:
        return to_json(item.attributes["details"])
    if "details_packed" in item.attributes:
        return unpack(item.attributes["details_packed"])
    return unpack(objects.read(item.attributes["details_key"]))
