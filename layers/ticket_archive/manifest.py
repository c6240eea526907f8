"""The manifest: the small object, written last, that says "this state of the ticket is complete". No personal data."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ticket_archive.models import ImageType, StoredImage, TypeState

SCHEMA = "idv-ticket-archive/manifest/v1"


def version_of(previous: str | None, details_sha256: str, images: Sequence[StoredImage], outcome: str | None) -> str:
    """The version of a state: 64 hexadecimal digits.

    It takes in the version before it, so that a ticket which goes back to an earlier state (accepted, rejected,
    accepted) has a version, a manifest and an event of its own each time.
    """
    state = [previous, details_sha256, [[image.type.value, image.index, image.sha256] for image in images], outcome]
    return hashlib.sha256(json.dumps(state, separators=(",", ":")).encode()).hexdigest()


def write_manifest(
    *,
    ticket: str,
    version: str,
    previous: str | None,
    outcome: str | None,
    archived_at: str,
    details_sha256: str,
    details_bytes: int,
    images: Sequence[StoredImage],
    types: Mapping[ImageType, TypeState],
) -> bytes:
    """The manifest's bytes: the same for the same state, however often it is written."""
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "ticket": ticket,
        "version": version,
        "outcome": outcome,
        "archived_at": archived_at,
        "details": {"sha256": details_sha256, "bytes": details_bytes},
        "images": [image.as_dict() for image in images],
        "absent": [kind.value for kind in ImageType if types.get(kind) is TypeState.ABSENT],
        "previous": previous,
    }
    return json.dumps(manifest, separators=(",", ":")).encode()
