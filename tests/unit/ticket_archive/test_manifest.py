"""The manifest: its content, its version, and docs/manifest.schema.json, which is generated from its model."""

import copy
import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from ticket_archive.keys import image_key, unrecognized_key
from ticket_archive.manifest import Manifest, version_of, write_manifest
from ticket_archive.models import DETAILS, ImageType, StoredImage, TicketItem, TicketState, TypeState, UnrecognizedFile

DOCUMENTED = Path(__file__).parents[3] / "docs" / "manifest.schema.json"
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"

T = TypeVar("T", bound=BaseModel)


def sha(digit: str) -> str:
    return digit * 64


def image(kind: ImageType, index: int, digit: str) -> StoredImage:
    key = image_key(TICKET, kind, sha(digit), "jpg")
    return StoredImage(type=kind, index=index, key=key, sha256=sha(digit), bytes=3, content_type="image/jpeg")


def changed(model: T, **changes: Any) -> T:
    return model.model_copy(update=changes)


def unrecognized(part: str, digit: str, size: int) -> UnrecognizedFile:
    return UnrecognizedFile(type=part, key=unrecognized_key(TICKET, sha(digit)), sha256=sha(digit), bytes=size)


SELFIE, FRONT = image(ImageType.SELF_PORTRAITS, 0, "a"), image(ImageType.DOCUMENT, 0, "b")
ITEM = TicketItem(
    ticket=TICKET,
    state=TicketState.ARCHIVED,
    version=sha("2"),
    previous=sha("1"),
    outcome="ACCEPTED",
    archived_at="2026-01-31T09:30:00.000000Z",
    details_sha256=sha("d"),
    details_bytes=4211,
    images=(SELFIE, FRONT),
    types={
        ImageType.SELF_PORTRAITS: TypeState.STORED,
        ImageType.DOCUMENT: TypeState.STORED,
        ImageType.DOCUMENT_PORTRAIT: TypeState.UNRECOGNIZED,
        ImageType.DOCUMENT_SIGNATURE: TypeState.ABSENT,
        ImageType.DOCUMENT_GHOST_PORTRAIT: TypeState.ABSENT,
    },
    complete=False,
    unrecognized=(unrecognized("DOCUMENT_PORTRAIT", "e", 7),),
)
GOLDEN: dict[str, Any] = {
    "schema": "idv-ticket-archive/manifest/v1",
    "ticket": TICKET,
    "version": sha("2"),
    "outcome": "ACCEPTED",
    "archived_at": "2026-01-31T09:30:00.000000Z",
    "complete": False,
    "details": {"sha256": sha("d"), "bytes": 4211},
    "images": [
        {
            "type": kind,
            "index": 0,
            "key": f"tickets/{TICKET}/images/{kind}/{sha(digit)}.jpg",
            "sha256": sha(digit),
            "bytes": 3,
            "content_type": "image/jpeg",
        }
        for kind, digit in (("SELF_PORTRAITS", "a"), ("DOCUMENT", "b"))
    ],
    "absent": ["DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT"],
    "unrecognized": [{"type": "DOCUMENT_PORTRAIT", "sha256": sha("e"), "bytes": 7}],
    "missing": [],
    "previous": sha("1"),
}
"""Manifests are kept for years: as long as the schema is called v1, this one must be valid."""


def test_a_manifest_holds_exactly_what_is_documented() -> None:
    assert json.loads(write_manifest(ITEM)) == GOLDEN


def test_the_same_state_is_the_same_bytes_however_its_types_are_ordered() -> None:
    assert write_manifest(changed(ITEM, types=dict(reversed(list(ITEM.types.items()))))) == write_manifest(ITEM)


def test_details_that_the_vendor_never_gave_are_null() -> None:
    item = changed(ITEM, details_sha256=None, outcome=None, unrecognized=(unrecognized(DETAILS, "f", 0),))
    manifest = json.loads(write_manifest(item))
    assert (manifest["details"], manifest["unrecognized"][0]["type"]) == (None, "DETAILS")
    Manifest.model_validate(manifest)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"unrecognized": ()}, ["DOCUMENT_PORTRAIT"]),
        ({"types": {**ITEM.types, ImageType.SELF_PORTRAITS: TypeState.FAILED}, "images": (FRONT,)}, ["SELF_PORTRAITS"]),
        ({"details_sha256": None}, ["DETAILS"]),
        ({"types": {}}, []),
    ],
)
def test_every_part_that_could_not_be_used_is_named(change: dict[str, Any], missing: list[str]) -> None:
    """A redirect, an error, or a response over the byte cap leaves nothing to keep, and is in no other list."""
    assert json.loads(write_manifest(changed(ITEM, **change)))["missing"] == missing


@pytest.mark.parametrize(
    "change",
    [
        {"details_sha256": sha("e")}, {"outcome": "REJECTED"}, {"outcome": None}, {"images": ()},
        {"images": (FRONT, SELFIE)}, {"images": (SELFIE, changed(FRONT, sha256=sha("c")))},
        {"images": (SELFIE, changed(FRONT, index=1))},
        {"images": (SELFIE, changed(FRONT, type=ImageType.DOCUMENT_PORTRAIT))}, {"complete": True}, {"types": {}},
        {"types": {**ITEM.types, ImageType.DOCUMENT: TypeState.FAILED}}, {"unrecognized": ()},
        {"unrecognized": (changed(ITEM.unrecognized[0], sha256=sha("f")),)},
    ],
    ids=str,
)  # fmt: skip
def test_every_part_of_a_state_changes_its_version(change: dict[str, Any]) -> None:
    assert version_of(changed(ITEM, **change), None) != version_of(ITEM, None)


def test_the_golden_manifest_and_one_with_more_keys_are_valid() -> None:
    validator = Draft202012Validator(json.loads(DOCUMENTED.read_text(encoding="utf-8")))
    first_form = {name: value for name, value in GOLDEN.items() if name != "missing"}
    for manifest in (GOLDEN, {**GOLDEN, "more": 1}, first_form):
        validator.validate(manifest)
        Manifest.model_validate(manifest)


SPOILED: list[tuple[str, Any]] = [
    ("schema", "idv-ticket-archive/manifest/v2"),
    ("ticket", "../762ebbda"),
    ("version", "5e1f"),
    ("version", sha("F")),
    ("previous", ""),
    ("outcome", 1),
    ("archived_at", "2026-01-31 09:30"),
    ("complete", "no"),
    ("details/sha256", sha("x")),
    ("details/bytes", -1),
    ("images", {}),
    ("images/0/type", "PASSPORT"),
    ("images/0/index", -1),
    ("images/0/key", "tickets/762ebbda/details/x.json.gz"),
    ("images/0/sha256", "77ab"),
    ("images/0/bytes", 0),
    ("images/0/content_type", "text/html"),
    ("absent", ["PASSPORT"]),
    ("unrecognized/0/sha256", "e"),
]


@pytest.mark.parametrize(("path", "value"), SPOILED)
def test_a_spoiled_field_is_invalid(path: str, value: Any) -> None:
    manifest = copy.deepcopy(GOLDEN)
    *way, last = path.split("/")
    container: Any = manifest
    for step in way:
        container = container[int(step) if step.isdigit() else step]
    container[last] = value
    assert not Draft202012Validator(json.loads(DOCUMENTED.read_text(encoding="utf-8"))).is_valid(manifest)
    if value != "no":  # pydantic reads it as false
        with pytest.raises(ValidationError):
            Manifest.model_validate(manifest)
