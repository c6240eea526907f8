"""A ticket's content out of the archive, piece by piece, each compared with the hash under which it was stored."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from ticket_archive.bucket import Bucket
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import read_details
from ticket_archive.errors import ArchiveError
from ticket_archive.keys import manifest_key
from ticket_archive.models import StoredImage
from ticket_archive.stored_details import read_details_of
from ticket_archive.table import TicketItem

DETAILS = "details.json"
MANIFEST = "manifest.json"

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a ticket: its `body`, or the `fault` for which there is none. `value` is details, parsed."""

    name: str
    body: bytes | None = field(default=None, repr=False)
    fault: str | None = None
    image: StoredImage | None = None
    value: dict[str, Any] | None = field(default=None, repr=False)


def names(item: TicketItem) -> list[str]:
    """The files that `pieces` makes of a ticket."""
    first = [DETAILS] if _has_details(item) else []
    last = [MANIFEST] if item.version else []
    return [*first, *(_name(image) for image in item.images), *last]


def pieces(item: TicketItem, bucket: Bucket) -> Iterator[Piece]:
    """Details, images in the archive's order, the manifest. Raises ClientError where reading is not allowed."""
    if _has_details(item):
        yield _details(item, bucket)
    for image in item.images:
        body = _read(bucket, image.key)
        if body is None:
            yield Piece(_name(image), fault="missing in the bucket", image=image)
        elif hashlib.sha256(body).hexdigest() != image.sha256:
            yield Piece(_name(image), fault="not what was archived: its hash differs", image=image)
        else:
            yield Piece(_name(image), body, image=image)
    if item.version:
        yield _manifest(item, _read(bucket, manifest_key(item.ticket, item.version)))


def _details(item: TicketItem, bucket: Bucket) -> Piece:
    try:
        body = read_details_of(item, bucket)
        parsed = read_details(body)
    except ClientError as error:
        if not _no_such_key(error):
            raise
        return Piece(DETAILS, fault="missing in the bucket")
    except (ArchiveError, zlib.error) as error:
        return Piece(DETAILS, fault=f"unreadable: {error}")
    if parsed.sha256 != item.details_sha256:
        return Piece(DETAILS, fault="not what was archived: its hash differs")
    return Piece(DETAILS, body, value=parsed.value)


def _manifest(item: TicketItem, body: bytes | None) -> Piece:
    if body is None:
        return Piece(MANIFEST, fault="missing in the bucket")
    try:
        manifest = json.loads(body)
        same = (
            manifest["ticket"] == item.ticket
            and manifest["version"] == item.version
            and manifest["details"]["sha256"] == item.details_sha256
            and manifest["images"] == [image.as_dict() for image in item.images]
        )
    except (ValueError, KeyError, TypeError):
        same = False
    return Piece(MANIFEST, body) if same else Piece(MANIFEST, fault="tells of another state than the table")


def _read(bucket: Bucket, key: str) -> bytes | None:
    try:
        return bucket.read(key)
    except ClientError as error:
        if _no_such_key(error):
            return None
        raise


def _no_such_key(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404")


def _has_details(item: TicketItem) -> bool:
    return any(name in item.attributes for name in DETAILS_ATTRIBUTES)


def _name(image: StoredImage) -> str:
    extension = PurePosixPath(image.key).suffix
    return f"{image.type.value}-{image.index}{extension if _EXTENSION.fullmatch(extension) else '.bin'}"
