"""The API's parameters and responses. Powertools validates them and generates docs/openapi.json from them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from retrieval.gateway import PercentDecoded
from retrieval.settings import MAX_LIFETIME, MIN_LIFETIME
from ticket_archive.models import TICKET_PATTERN, ImageType, Sha256, TicketItem, TicketState, TypeState, customer_id

Disposition = Literal["attachment", "inline"]

_TYPE = "|".join(["ALL", *ImageType])


def _customer(text: str) -> str:
    code = customer_id(text)
    if code is None:
        raise PydanticCustomError("customer", "Value should have 1 to 256 printable characters")
    return code


def _digits(value: object) -> object:
    """Refuse the other spellings of a number that pydantic takes from a text: `+60`, ` 60 `, `60.0`, `6_0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise PydanticCustomError("digits", "Input should be a number in digits")
    return value


# ─── Parameters ─────────────────────────────────────────────────────────────────────────────────────────────────────

TicketId = Annotated[str, Field(pattern=TICKET_PATTERN), Path()]
"""Not decoded: an id has no character that needs it, and IAM policies compare the path as it was sent."""
ImageHash = Annotated[Sha256, Path(description="SHA-256 of the image in hexadecimal.")]
CustomerCode = Annotated[
    str,
    Field(min_length=1, max_length=256),
    PercentDecoded,
    AfterValidator(_customer),
    Path(description="Percent-encoded."),
]
ImageTypes = Annotated[
    str,
    Query(
        alias="type",
        pattern=f"^({_TYPE})(,({_TYPE}))*$",
        description="Image types joined by commas without spaces, or ALL. A signed request sends `,` as `%2C`.",
    ),
]
ExpiresIn = Annotated[
    Annotated[int, Field(ge=MIN_LIFETIME, le=MAX_LIFETIME), BeforeValidator(_digits)] | None,
    Query(description="Lifetime of the URLs in seconds; `expires_at` is when they expire."),
]
AskedDisposition = Annotated[
    Disposition,
    Query(
        description="`inline` lets browsers display JPEG, PNG, WebP, GIF and AVIF; files of other types remain "
        "attachments; see `content_disposition`."
    ),
]
Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(_digits), Query()]
Cursor = Annotated[str | None, Query(min_length=1, max_length=512, description="`cursor` of the previous page.")]


def image_types(text: str) -> list[ImageType]:
    """Return the types that a valid `type` parameter names, in the archive's order."""
    names = text.split(",")
    return [each for each in ImageType if "ALL" in names or each in names]


# ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────────

Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"}, repr=False)]
"""It grants access: never log it."""


class Model(BaseModel):
    """Base of the responses, which are validated from a `TicketItem`."""

    model_config = ConfigDict(from_attributes=True, hide_input_in_errors=True)


class Image(Model):
    """A stored image: position within its type from 0, SHA-256 in hexadecimal, size in bytes."""

    type: ImageType
    index: int
    sha256: Sha256
    bytes: int
    content_type: str


class SignedImage(Image):
    """An image with a URL that downloads it until `expires_at`. Send no Authorization header to that URL."""

    url: Url
    expires_at: datetime
    content_disposition: Disposition


class SignedImages(Model):
    """Images of one version of a ticket."""

    ticket: str
    version: str | None
    images: list[SignedImage]


class SignedDetails(Model):
    """Details that exceed a response: SHA-256 of their canonical JSON, size in bytes, and a URL until `expires_at`."""

    ticket: str
    sha256: Sha256 | None
    bytes: int
    url: Url
    expires_at: datetime


class UnrecognizedFile(Model):
    """A file or body that is stored but never served. `type` is an image type, or DETAILS."""

    type: str
    sha256: Sha256
    bytes: int


class Ticket(Model):
    """An archived ticket.

    `complete` is true if details and all types are stored or absent. `absent` types have no images at the vendor.
    `missing` gives the reason for each image type, or DETAILS, of which nothing is stored: a short code such as `503`.
    """

    ticket: str
    state: TicketState
    complete: bool
    outcome: str | None
    disposition: str | None
    confidence_score: float | None
    risk_code: str | None
    version: str | None
    received_at: Timestamp | None
    fetched_at: Timestamp | None
    archived_at: Timestamp | None
    images: list[Image]
    types: dict[ImageType, TypeState]
    absent: list[ImageType]
    unrecognized: list[UnrecognizedFile]
    missing: dict[str, str]

    @classmethod
    def archived(cls, item: TicketItem) -> Self:
        """Return the response about an archived item, whose reasons for unrecognized parts are left out."""
        missing = {part: item.missing.get(part, TypeState.FAILED) for part in item.unanswered}
        return cls.model_validate(item.model_copy(update={"missing": missing}))


class PendingTicket(Model):
    """A ticket that is not archived yet; ask again after Retry-After seconds.

    `missing` gives the reason for each image type, or DETAILS, that is not there yet: a short code such as `empty`.
    """

    ticket: str
    state: TicketState
    received_at: Timestamp | None
    types: dict[ImageType, TypeState]
    missing: dict[str, str]


class CustomerTicket(Model):
    """A ticket in a customer's list, in any state but erased."""

    ticket: str
    state: TicketState
    outcome: str | None
    disposition: str | None
    version: str | None
    archived_at: Timestamp | None


class CustomerTickets(Model):
    """A page of a customer's tickets, newest first. `cursor` is null on the last page."""

    customer: str
    tickets: list[CustomerTicket]
    cursor: str | None
