"""A ticket's files, each compared with the hash under which it was stored."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from ops.bucket import MISSING
from ops.errors import Failure, damaged, error_code
from ticket_archive.bucket import Bucket
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import read_details, read_stored_details
from ticket_archive.errors import ArchiveError
from ticket_archive.keys import details_key, manifest_key, unrecognized_key
from ticket_archive.manifest import Manifest
from ticket_archive.models import ImageType, StoredImage, TicketItem, TypeState, UnrecognizedFile

DETAILS_FILE = "details.json"
MANIFEST_FILE = "manifest.json"

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)
_FILE_NAME = re.compile(
    rf"(details|manifest)\.json|({'|'.join(ImageType)})-\d+\.[a-z0-9]{{1,8}}|[A-Z_]+-unrecognized-[0-9a-f]{{8}}\.bin",
    re.ASCII,
)
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
    return [file.name for file, _ in _files(item)]


def is_file_name(name: str) -> bool:
    """Return whether a file of this name may be one that `read_files` returned, for any ticket."""
    return bool(_FILE_NAME.fullmatch(name))


def read_files(item: TicketItem, bucket: Bucket) -> Iterator[TicketFile]:
    """Return details, images, unrecognized bodies and the manifest. Raises ClientError if reading is not allowed."""
    for file, read in _files(item):
        try:
            yield read(file, bucket)
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            yield replace(file, fault=_MISSING)


def faults_of(files: Iterable[TicketFile]) -> list[dict[str, str | None]]:
    """Return which files are missing or damaged, and why."""
    return [{"name": file.name, "fault": file.fault} for file in files if file.fault is not None]


def history(item: TicketItem, bucket: Bucket) -> Iterator[Manifest]:
    """Return the ticket's manifests, newest first. Ends at one that is missing. Raises Failure at a damaged one."""
    version = item.version
    while version is not None:
        key = manifest_key(item.ticket, version)
        try:
            manifest = Manifest.model_validate_json(bucket.read(key))
        except ClientError as error:
            if error_code(error) not in MISSING:
                raise
            return
        except ValueError:
            raise damaged(key) from None
        yield manifest
        version = manifest.previous


def at_version(item: TicketItem, bucket: Bucket, version: str | None) -> TicketItem:
    """Return the ticket as it was at a version, which may be abbreviated. Raises Failure if it has none like that."""
    if version is None or version == item.version:
        return item
    older = (from_manifest(item, each) for each in history(item, bucket) if each.version != item.version)
    found = [each for each in (item, *older) if each.version is not None and each.version.startswith(version)]
    if len(found) != 1:
        which = "no" if not found else "more than one"
        text = f"{which} version of {item.ticket} begins with {version[:64]}; `status {item.ticket}` lists them"
        raise Failure(text)
    return found[0]


def from_manifest(item: TicketItem, manifest: Manifest) -> TicketItem:
    """Return the ticket as a manifest describes it. Superseded details are objects of their own."""
    details = manifest.details  # None if the vendor never gave usable ones
    return item.model_copy(
        update={
            **{name: getattr(manifest, name) for name in ("version", "previous", "outcome", "archived_at")},
            "details_sha256": details and details.sha256,
            "details_bytes": details.bytes if details else 0,
            "images": tuple(StoredImage(**image.model_dump()) for image in manifest.images),
            "types": {},
            "unrecognized": tuple(
                UnrecognizedFile(key=unrecognized_key(item.ticket, file.sha256), **file.model_dump())
                for file in manifest.unrecognized
            ),
            "missing": {},
            "attributes": {"details_key": details_key(item.ticket, details.sha256)} if details else {},
        }
    )


def missing_parts(item: TicketItem) -> dict[str, str]:
    """Return why parts of the ticket are missing: a short code by image type, or DETAILS."""
    there = {kind.value for kind, state in item.types.items() if state in (TypeState.STORED, TypeState.ABSENT)}
    missing = {kind.value: state.value for kind, state in item.types.items() if kind.value not in there}
    return missing | {part: str(reason) for part, reason in item.missing.items() if part not in there}


def _files(item: TicketItem) -> Iterator[tuple[TicketFile, Callable[[TicketFile, Bucket], TicketFile]]]:
    """Return the ticket's files without their content, and what reads it. That may raise ClientError."""
    if any(name in item.attributes for name in DETAILS_ATTRIBUTES):
        yield TicketFile(DETAILS_FILE), partial(_read_details, item)
    for image in item.images:
        extension = PurePosixPath(image.key).suffix
        suffix = extension if _EXTENSION.fullmatch(extension) else ".bin"
        yield TicketFile(f"{image.type.value}-{image.index}{suffix}", image=image), partial(_read_object, image)
    for body in item.unrecognized:
        name = f"{body.type}-unrecognized-{body.sha256[:8]}.bin"
        yield TicketFile(name, unrecognized=body.type), partial(_read_object, body)
    if item.version:
        yield TicketFile(MANIFEST_FILE), partial(_read_manifest, item, item.version)


def _read_object(stored: StoredImage | UnrecognizedFile, file: TicketFile, bucket: Bucket) -> TicketFile:
    body = bucket.read(stored.key)
    if hashlib.sha256(body).hexdigest() != stored.sha256:
        return replace(file, fault=_CHANGED)
    return replace(file, body=body)


def _read_details(item: TicketItem, file: TicketFile, bucket: Bucket) -> TicketFile:
    try:
        body = read_stored_details(item.attributes, bucket)
        parsed = read_details(body)
    except (ArchiveError, zlib.error) as error:
        return replace(file, fault=f"unreadable: {error}")
    if parsed.sha256 != item.details_sha256:
        return replace(file, fault=_CHANGED)
    return replace(file, body=body, value=parsed.value)


def _read_manifest(item: TicketItem, version: str, file: TicketFile, bucket: Bucket) -> TicketFile:
    body = bucket.read(manifest_key(item.ticket, version))
    try:
        manifest = Manifest.model_validate_json(body)
    except ValueError:
        return replace(file, fault="is no manifest")
    same = (
        manifest.ticket == item.ticket
        and manifest.version == version
        and (manifest.details and manifest.details.sha256) == item.details_sha256
        and [image.model_dump() for image in manifest.images] == [image.model_dump() for image in item.images]
    )
    return replace(file, body=body) if same else replace(file, fault="describes another state than the table")
