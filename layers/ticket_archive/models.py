"""The archive's words: tickets, image types, states, and what is kept of an image."""

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ticket_archive.errors import InvalidRequest

TICKET_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
_TICKET = re.compile(TICKET_PATTERN, re.ASCII)
_CUSTOMER_MAX = 256


class ImageType(StrEnum):
    """The vendor's image types, spelt as its `type` parameter wants them (IDV Tickets, Images)."""

    SELF_PORTRAITS = "SELF_PORTRAITS"
    DOCUMENT = "DOCUMENT"
    DOCUMENT_PORTRAIT = "DOCUMENT_PORTRAIT"
    DOCUMENT_SIGNATURE = "DOCUMENT_SIGNATURE"
    DOCUMENT_GHOST_PORTRAIT = "DOCUMENT_GHOST_PORTRAIT"

    @property
    def uploaded(self) -> bool:
        """Whether the user sent it, so that it must exist; the others are cut from the document, where it has them."""
        return self in (ImageType.SELF_PORTRAITS, ImageType.DOCUMENT)


class TicketState(StrEnum):
    """Where a ticket stands in the archive. ERASED is final."""

    RECEIVED = "received"
    INCOMPLETE = "incomplete"
    ARCHIVED = "archived"
    ERASED = "erased"


class TypeState(StrEnum):
    """What became of one image type of a ticket."""

    STORED = "stored"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image in the bucket. `index` counts from 0 within its type, in the vendor's order; `sha256` is in hex."""

    type: ImageType
    index: int
    key: str
    sha256: str
    bytes: int
    content_type: str

    def as_dict(self) -> dict[str, Any]:
        """As the table and the manifest spell it."""
        return {**asdict(self), "type": self.type.value}


def ticket_id(text: object) -> str:
    """`text` itself where it can be a ticket's id: 1 to 128 of A-Z a-z 0-9 _ -, not beginning with a sign.

    The id becomes part of a URL, of object keys and of log lines; nothing else may get that far.
    Raises InvalidRequest.
    """
    if not isinstance(text, str) or not _TICKET.fullmatch(text):
        raise InvalidRequest("ticket")
    return text


def customer_id(text: object) -> str | None:
    """The customer's code (`cifcode`) where it can be an index key: 1 to 256 printable characters; else None."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        return None
    text = text.strip()
    return text if text.isprintable() and 0 < len(text) <= _CUSTOMER_MAX else None
