"""The manifest: a small object, written last, which states that one version of a ticket is archived.

It holds no personal data. docs/manifest.schema.json is generated from `Manifest`.
"""

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from ticket_archive.models import DETAILS, TICKET_PATTERN, ImageType, Model, Sha256, TicketItem

SCHEMA: Final = "idv-ticket-archive/manifest/v1"

Part = Annotated[str, Field(pattern="^[A-Z_]+$", description=f"An image type, or {DETAILS}.")]
UtcTime = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$")]


class ManifestDetails(Model):
    """The vendor's JSON, which the retrieval API serves."""

    sha256: Sha256
    bytes: int = Field(ge=0)


class ManifestImage(Model):
    """An image. `index` is its position within its type, from 0; `content_type` follows from its bytes."""

    type: ImageType
    index: int = Field(ge=0)
    key: str = Field(
        description="The object in the same bucket.",
        pattern=r"^tickets/[A-Za-z0-9][A-Za-z0-9_-]{0,127}/images/[A-Z_]+/[0-9a-f]{64}\.[a-z0-9]+$",
    )
    sha256: Sha256 = Field(description="The digest of the object's bytes.")
    bytes: int = Field(ge=1)
    content_type: str = Field(pattern=r"^(image|video|application)/[a-z0-9.+-]+$")


class ManifestUnrecognized(Model):
    """A file or response body that could not be used. It is kept in the bucket and never served."""

    type: Part
    sha256: Sha256
    bytes: int = Field(ge=0)


class Manifest(Model):
    """One version of a ticket: the object tickets/{ticket}/manifests/{version}.json.

    It is written last, once, and never changed. Readers ignore keys that are not named here: later revisions may add
    some.
    """

    model_config = ConfigDict(
        serialize_by_alias=True,
        json_schema_extra={
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "urn:idv-ticket-archive:manifest:v1",
        },
    )

    schema_: Literal["idv-ticket-archive/manifest/v1"] = Field(
        default=SCHEMA, alias="schema", description="The name of this form."
    )
    ticket: str = Field(pattern=TICKET_PATTERN, description="The vendor's id of the ticket.")
    version: Sha256 = Field(
        description="A digest of the state and of the previous version: an idempotency key for consumers."
    )
    outcome: str | None = Field(description="The vendor's verdict in its own words; null if it gave none.")
    archived_at: UtcTime = Field(description="When this version was archived: ISO 8601 in UTC.")
    complete: bool = Field(
        default=True,
        description="Whether the details and every image type are archived or known to be absent, and none is "
        "unrecognized.",
    )
    details: ManifestDetails | None = Field(description="Null if the vendor never gave usable details.")
    images: tuple[ManifestImage, ...] = Field(description="All images, in the vendor's order within each type.")
    absent: tuple[ImageType, ...] = Field(description="The types of which the vendor has no image.")
    unrecognized: tuple[ManifestUnrecognized, ...] = Field(
        default=(), description="What the vendor sent that could not be used."
    )
    missing: tuple[Part, ...] = Field(
        default=(),
        description="Parts of which nothing is archived or kept: the vendor answered with an error each time.",
    )
    previous: Sha256 | None = Field(description="The version before this one; null for the first.")


def version_of(item: TicketItem, previous: str | None) -> str:
    """Return the version of an item's state that follows `previous`: 64 hexadecimal digits.

    The previous version is part of the digest. A ticket that returns to an earlier state (accepted, rejected, accepted)
    therefore has a new version, a new manifest and a new event each time.
    """
    return hashlib.sha256(json.dumps([previous, *state_of(item)], separators=(",", ":")).encode()).hexdigest()


def state_of(item: TicketItem) -> list[Any]:
    """Return what distinguishes one state of a ticket from another."""
    return [
        item.details_sha256,
        [[image.type.value, image.index, image.sha256] for image in item.images],
        item.outcome,
        item.complete,
        [kind.value for kind in item.absent],
        [[str(file.type), file.sha256] for file in item.unrecognized],
        item.unanswered,
    ]


def write_manifest(item: TicketItem) -> bytes:
    """Return the manifest of an archived item as JSON: the same bytes for the same state, however often written."""
    details = {"sha256": item.details_sha256, "bytes": item.details_bytes} if item.details_sha256 else None
    values = {**dict(item), "absent": item.absent, "details": details, "missing": item.unanswered}
    return Manifest.model_validate(values, from_attributes=True).model_dump_json().encode()
