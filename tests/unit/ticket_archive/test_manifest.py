"""The manifest says that a state is complete, in the same bytes each time, and nothing about a person."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ticket_archive.keys import details_key, image_key, manifest_key, unrecognized_key
from ticket_archive.manifest import SCHEMA, version_of, write_manifest
from ticket_archive.models import ImageType, StoredImage, TypeState

TICKET = "T-1"
SELFIE = StoredImage(ImageType.SELF_PORTRAITS, 0, "tickets/T-1/images/SELF_PORTRAITS/aa.jpg", "aa", 3, "image/jpeg")
FRONT = StoredImage(ImageType.DOCUMENT, 0, "tickets/T-1/images/DOCUMENT/bb.png", "bb", 4, "image/png")
BACK = replace(FRONT, index=1, sha256="cc", key="tickets/T-1/images/DOCUMENT/cc.png")
TYPES = {
    ImageType.SELF_PORTRAITS: TypeState.STORED,
    ImageType.DOCUMENT: TypeState.STORED,
    ImageType.DOCUMENT_PORTRAIT: TypeState.FAILED,
    ImageType.DOCUMENT_SIGNATURE: TypeState.ABSENT,
    ImageType.DOCUMENT_GHOST_PORTRAIT: TypeState.ABSENT,
}


def manifest(types: Mapping[ImageType, TypeState] = TYPES, previous: str | None = None) -> bytes:
    return write_manifest(
        ticket=TICKET,
        version="v2",
        previous=previous,
        outcome="ACCEPTED",
        archived_at="2026-01-02T03:04:05.000000Z",
        details_sha256="dd",
        details_bytes=17,
        images=[SELFIE, FRONT],
        types=types,
    )


def test_a_manifest_holds_exactly_what_is_promised() -> None:
    assert json.loads(manifest(previous="v1")) == {
        "schema": "idv-ticket-archive/manifest/v1",
        "ticket": "T-1",
        "version": "v2",
        "outcome": "ACCEPTED",
        "archived_at": "2026-01-02T03:04:05.000000Z",
        "details": {"sha256": "dd", "bytes": 17},
        "images": [
            {
                "type": "SELF_PORTRAITS",
                "index": 0,
                "key": "tickets/T-1/images/SELF_PORTRAITS/aa.jpg",
                "sha256": "aa",
                "bytes": 3,
                "content_type": "image/jpeg",
            },
            {
                "type": "DOCUMENT",
                "index": 0,
                "key": "tickets/T-1/images/DOCUMENT/bb.png",
                "sha256": "bb",
                "bytes": 4,
                "content_type": "image/png",
            },
        ],
        "absent": ["DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT"],
        "previous": "v1",
    }
    assert SCHEMA == "idv-ticket-archive/manifest/v1"


def test_the_same_state_is_the_same_bytes_however_its_types_are_ordered() -> None:
    assert manifest(dict(reversed(TYPES.items()))) == manifest()


def test_the_first_manifest_has_no_previous() -> None:
    assert json.loads(manifest())["previous"] is None


BASE: dict[str, Any] = {"previous": None, "details_sha256": "d", "images": [SELFIE, FRONT], "outcome": "ACCEPTED"}


def test_a_version_is_64_hexadecimal_digits_and_repeatable() -> None:
    version = version_of(**BASE)
    assert version == version_of(**BASE)
    assert len(bytes.fromhex(version)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"previous": "v1"},
        {"details_sha256": "e"},
        {"outcome": "REJECTED"},
        {"outcome": None},
        {"images": []},
        {"images": [FRONT, SELFIE]},
        {"images": [SELFIE, replace(FRONT, sha256="ee")]},
        {"images": [SELFIE, replace(FRONT, index=1)]},
        {"images": [SELFIE, replace(FRONT, type=ImageType.DOCUMENT_PORTRAIT)]},
        {"images": [SELFIE, FRONT, BACK]},
    ],
)
def test_every_part_of_a_state_takes_part_in_its_version(change: dict[str, Any]) -> None:
    assert version_of(**{**BASE, **change}) != version_of(**BASE)


def test_a_ticket_that_goes_back_to_an_earlier_state_has_three_versions() -> None:
    # GIVEN a ticket that is accepted, rejected, accepted again, with the same details each time it is the same
    accepted = {"details_sha256": "a", "images": [SELFIE], "outcome": "ACCEPTED"}
    rejected = {"details_sha256": "r", "images": [SELFIE], "outcome": "REJECTED"}
    # WHEN its versions are chained
    first = version_of(None, **accepted)  # type: ignore[arg-type]
    second = version_of(first, **rejected)  # type: ignore[arg-type]
    third = version_of(second, **accepted)  # type: ignore[arg-type]
    # THEN each has a manifest of its own
    assert len({manifest_key(TICKET, version) for version in (first, second, third)}) == 3


def test_the_buckets_layout_is_the_documented_one() -> None:
    assert image_key("T-1", ImageType.DOCUMENT, "ab", "jpg") == "tickets/T-1/images/DOCUMENT/ab.jpg"
    assert details_key("T-1", "ab") == "tickets/T-1/details/ab.json.gz"
    assert unrecognized_key("T-1", "ab") == "tickets/T-1/unrecognized/ab"
    assert manifest_key("T-1", "ab") == "tickets/T-1/manifests/ab.json"
