"""Types that every part shares: ticket and customer ids, states, a ticket's item and the files in it."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ticket_archive.errors import InvalidRequest

TICKET_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
TICKET_NAMES: Final = ("ticket", "ticket_id", "ticketid")
"""Names, in lower case, under which the vendor's JSON may have a ticket's id, the documented one first."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
DETAILS: Final = "DETAILS"
"""The part of a ticket that is not an image type: stands for the details in `UnrecognizedFile.type` and `missing`."""

INLINE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})
"""Content types that every current browser shows without running anything in them; others are downloads."""

_TICKET = re.compile(TICKET_PATTERN, re.ASCII)
_DIGITS = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_UUID = re.compile(rf"(?:urn:uuid:)?{_DIGITS}|\{{{_DIGITS}\}}", re.ASCII | re.IGNORECASE)
_MAX_CUSTOMER = 256


class ImageType(StrEnum):
    """The values of the vendor's `type` parameter (IDV Tickets, Images)."""

    SELF_PORTRAITS = "SELF_PORTRAITS"
    DOCUMENT = "DOCUMENT"
    DOCUMENT_PORTRAIT = "DOCUMENT_PORTRAIT"
    DOCUMENT_SIGNATURE = "DOCUMENT_SIGNATURE"
    DOCUMENT_GHOST_PORTRAIT = "DOCUMENT_GHOST_PORTRAIT"

    @property
    def uploaded(self) -> bool:
        """Whether the user uploads images of this type. The vendor cuts the other types out of the document."""
        return self in (ImageType.SELF_PORTRAITS, ImageType.DOCUMENT)


class TicketState(StrEnum):
    """The state of a ticket. ERASED is final."""

    RECEIVED = "received"
    INCOMPLETE = "incomplete"
    ARCHIVED = "archived"
    ERASED = "erased"


class TypeState(StrEnum):
    """The state of one image type of a ticket. FAILED: the vendor has not given an answer that counts yet."""

    STORED = "stored"
    ABSENT = "absent"
    UNRECOGNIZED = "unrecognized"
    FAILED = "failed"


class Model(BaseModel):
    """Base of immutable records, whose errors do not show their content."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class StoredImage(Model):
    """An image in the bucket. `index` is its position within its type, from 0; `sha256` is hexadecimal."""

    type: ImageType
    index: int
    key: str
    sha256: str
    bytes: int
    content_type: str


class UnrecognizedFile(Model):
    """A file or response body that is kept but never served. `type` is an image type, or DETAILS."""

    type: str
    key: str
    sha256: str
    bytes: int


class PendingAnswer(Model):
    """The latest answer of a part that is not final, and when each different answer was first given."""

    answer: str
    seen: Mapping[str, str]

    @property
    def first(self) -> datetime:
        """When the first of them was given."""
        return min(map(datetime.fromisoformat, self.seen.values()))


class TicketItem(Model):
    """A ticket's item. Times are ISO 8601 in UTC; `attributes` is the whole item, details included.

    `complete` is whether details and every type are stored or absent and nothing is unrecognized. `missing` has a short
    code for each part (an image type or DETAILS) that is not there. `expires_at` is in epoch seconds.
    """

    ticket: str
    state: TicketState
    version: str | None = None
    previous: str | None = None
    outcome: str | None = None
    disposition: str | None = None
    confidence_score: Decimal | None = None
    risk_code: str | None = None
    received_at: str | None = None
    fetched_at: str | None = None
    archived_at: str | None = None
    details_sha256: str | None = None
    details_bytes: int = 0
    images: tuple[StoredImage, ...] = ()
    types: Mapping[ImageType, TypeState] = {}
    complete: bool = False
    unrecognized: tuple[UnrecognizedFile, ...] = ()
    pending: Mapping[str, PendingAnswer] = {}
    missing: Mapping[str, str] = {}
    resume: str | None = None
    attempts: int = 0
    requeues: int = 0
    expires_at: int | None = None
    attributes: Mapping[str, Any] = Field(default={}, repr=False)

    @property
    def absent(self) -> list[ImageType]:
        """The types of which the vendor has no image."""
        return [kind for kind in ImageType if self.types.get(kind) is TypeState.ABSENT]

    @property
    def unanswered(self) -> list[str]:
        """The parts of an archived ticket that are neither stored nor absent nor kept as unrecognized."""
        there = {kind for kind, state in self.types.items() if state in (TypeState.STORED, TypeState.ABSENT)}
        kept = {file.type for file in self.unrecognized}
        types = [kind for kind in ImageType if kind in self.types and kind not in there]
        parts = [*([] if self.details_sha256 else [DETAILS]), *types]
        return [str(part) for part in parts if part not in kept]


def ticket_id(text: object) -> str:
    """Return `text` if it is a valid ticket id: 1 to 128 of A-Z a-z 0-9 _ -, beginning with a letter or digit.

    Ids become part of URLs, object keys and log lines, so nothing else may pass. Raises InvalidRequest.
    """
    if not isinstance(text, str) or not _TICKET.fullmatch(text):
        raise InvalidRequest("ticket")
    return text


def bare_id(text: object) -> object:
    """Return a text without white space around it, and a UUID without `urn:uuid:` (RFC 9562, 4) or braces around it.

    Returns None for a UUID in mixed case: no platform writes one, but one bit of an IV turns a ticket's id into one,
    and a vendor that ignores case would treat it as that ticket.
    """
    if not isinstance(text, str):
        return text
    text = text.strip()
    if not (found := _UUID.fullmatch(text)):
        return text
    uuid = found[1] or found[2]
    return uuid if uuid in (uuid.lower(), uuid.upper()) else None


def customer_id(text: object) -> str | None:
    """Return the customer code (`cifcode`) if it can be an index key: 1 to 256 printable characters; else None."""
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        return None
    text = text.strip()
    return text if text.isprintable() and 0 < len(text) <= _MAX_CUSTOMER else None
