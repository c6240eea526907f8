"""A ticket's files out of the archive, each compared with the hash under which it was stored."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import Failure
from ticket_archive.bucket import Bucket
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import read_details, read_stored_details
from ticket_archive.errors import ArchiveError
from ticket_archive.keys import details_key, manifest_key, unrecognized_key
from ticket_archive.models import ImageType, StoredImage
from ticket_archive.table import TicketItem

DETAILS = "details.json"
MANIFEST = "manifest.json"
UNRECOGNIZED_DETAILS = "DETAILS"
"""Stands for the details where an unrecognized body names its image type."""

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)
_MISSING = "missing in the bucket"
_CHANGED = "differs from what was archived"


@dataclass(frozen=True, slots=True)
class TicketFile:
    """One file of a ticket: its `body`, or the `fault` that keeps it from being shown.

    `image` is set for images, `value` for details that could be parsed, `unrecognized` for a vendor's body that is kept
    but not recognized: an image type, or DETAILS.
    """

    name: str
    body: bytes | None = field(default=None, repr=False)
    fault: str | None = None
    image: StoredImage | None = None
    value: dict[str, Any] | None = field(default=None, repr=False)
    unrecognized: str | None = None


def file_names(item: TicketItem) -> list[str]:
    """Return the names of the files that `read_files` returns."""
    first = [DETAILS] if _has_details(item) else []
    last = [MANIFEST] if item.version else []
    bodies = [_unrecognized_name(each) for each in _unrecognized(item)]
    return [*first, *(_image_name(image) for image in item.images), *bodies, *last]


def read_files(item: TicketItem, bucket: Bucket) -> Iterator[TicketFile]:
    """Return details, images, unrecognized bodies and the manifest. Raises ClientError if reading is not allowed."""
    if _has_details(item):
        yield _details(item, bucket)
    for image in item.images:
        file = _checked(_image_name(image), bucket, image.key, image.sha256)
        yield replace(file, image=image)
    for each in _unrecognized(item):
        file = _checked(_unrecognized_name(each), bucket, unrecognized_key(item.ticket, each["sha256"]), each["sha256"])
        yield replace(file, unrecognized=str(each["type"]))
    if item.version:
        yield _manifest(item, _read(bucket, manifest_key(item.ticket, item.version)))


def history(item: TicketItem, bucket: Bucket) -> Iterator[Mapping[str, Any]]:
    """Return the ticket's manifests, newest first. Ends at one that is missing."""
    version = item.version
    while version is not None:
        body = _read(bucket, manifest_key(item.ticket, version))
        if body is None:
            return
        manifest: dict[str, Any] = json.loads(body)
        yield manifest
        version = manifest.get("previous")


def at_version(item: TicketItem, bucket: Bucket, version: str) -> TicketItem:
    """Return the ticket as it was at a version, which may be abbreviated. Raises Failure if it has none like that."""
    if item.version is not None and item.version.startswith(version):
        return item
    found = [manifest for manifest in history(item, bucket) if str(manifest["version"]).startswith(version)]
    if len(found) != 1:
        raise Failure(f"{'no' if not found else 'more than one'} version of {item.ticket} begins with {version[:64]}")
    return from_manifest(item, found[0])


def from_manifest(item: TicketItem, manifest: Mapping[str, Any]) -> TicketItem:
    """Return the ticket as a manifest describes it. Superseded details are objects of their own."""
    details = manifest["details"]  # null if the vendor never gave usable ones
    attributes: dict[str, Any] = {"unrecognized": manifest.get("unrecognized", [])}
    if details is not None:
        attributes["details_key"] = details_key(item.ticket, details["sha256"])
    return replace(
        item,
        version=manifest["version"],
        previous=manifest["previous"],
        outcome=manifest["outcome"],
        archived_at=manifest["archived_at"],
        details_sha256=details and details["sha256"],
        details_bytes=details["bytes"] if details else 0,
        images=tuple(StoredImage(**{**image, "type": ImageType(image["type"])}) for image in manifest["images"]),
        types={},
        attributes=attributes,
    )


def _checked(name: str, bucket: Bucket, key: str, sha256: str) -> TicketFile:
    body = _read(bucket, key)
    if body is None:
        return TicketFile(name, fault=_MISSING)
    if hashlib.sha256(body).hexdigest() != sha256:
        return TicketFile(name, fault=_CHANGED)
    return TicketFile(name, body)


def _details(item: TicketItem, bucket: Bucket) -> TicketFile:
    try:
        body = read_stored_details(item.attributes, bucket)
        parsed = read_details(body)
    except ClientError as error:
        if not _no_such_key(error):
            raise
        return TicketFile(DETAILS, fault=_MISSING)
    except (ArchiveError, zlib.error) as error:
        return TicketFile(DETAILS, fault=f"unreadable: {error}")
    if parsed.sha256 != item.details_sha256:
        return TicketFile(DETAILS, fault=_CHANGED)
    return TicketFile(DETAILS, body, value=parsed.value)


def _manifest(item: TicketItem, body: bytes | None) -> TicketFile:
    if body is None:
        return TicketFile(MANIFEST, fault=_MISSING)
    try:
        manifest = json.loads(body)
        same = (
            manifest["ticket"] == item.ticket
            and manifest["version"] == item.version
            and (manifest["details"] or {}).get("sha256") == item.details_sha256
            and manifest["images"] == [asdict(image) for image in item.images]
        )
    except (ValueError, KeyError, TypeError):
        same = False
    return TicketFile(MANIFEST, body) if same else TicketFile(MANIFEST, fault="describes another state than the table")


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


def _unrecognized(item: TicketItem) -> list[Mapping[str, Any]]:
    return list(item.attributes.get("unrecognized", ()))


def _unrecognized_name(body: Mapping[str, Any]) -> str:
    return f"{body['type']}-unrecognized-{str(body['sha256'])[:8]}.bin"


def _image_name(image: StoredImage) -> str:
    extension = PurePosixPath(image.key).suffix
    return f"{image.type.value}-{image.index}{extension if _EXTENSION.fullmatch(extension) else '.bin'}"
