"""docs/manifest.schema.json says what manifests are: all that is written fits, and what is spoiled does not."""

import copy
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ticket_archive.clock import iso
from ticket_archive.keys import image_key
from ticket_archive.manifest import SCHEMA, version_of, write_manifest
from ticket_archive.models import ImageType, StoredImage, TypeState

DOCUMENTED = json.loads((Path(__file__).parents[3] / "docs" / "manifest.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(DOCUMENTED)

# Manifests stay for years: this one, as it was first written, must fit for as long as its form is called v1.
GOLDEN: dict[str, Any] = {
    "schema": "idv-ticket-archive/manifest/v1",
    "ticket": "762ebbda-0edb-4e48-86bc-11a280273601",
    "version": "5e1f" * 16,
    "outcome": "ACCEPTED",
    "archived_at": "2026-01-31T09:30:00.000000Z",
    "details": {"sha256": "9c1d" * 16, "bytes": 4211},
    "images": [
        {
            "type": "DOCUMENT",
            "index": 0,
            "key": f"tickets/762ebbda-0edb-4e48-86bc-11a280273601/images/DOCUMENT/{'77ab' * 16}.jpg",
            "sha256": "77ab" * 16,
            "bytes": 812345,
            "content_type": "image/jpeg",
        }
    ],
    "absent": ["DOCUMENT_SIGNATURE"],
    "previous": None,
}

digests = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
tickets = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A manifest as the product writes it."""
    ticket, previous, details = draw(tickets), draw(st.none() | digests), draw(digests)
    outcome = draw(st.none() | st.text(max_size=20))
    images = []
    for kind in draw(st.lists(st.sampled_from(ImageType), unique=True)):
        for index in range(draw(st.integers(1, 3))):
            sha256 = draw(digests)
            kept = draw(st.sampled_from([("jpg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")]))
            key = image_key(ticket, kind, sha256, kept[0])
            images.append(StoredImage(kind, index, key, sha256, draw(st.integers(1, 10**8)), kept[1]))
    types = {kind: draw(st.sampled_from(TypeState)) for kind in ImageType}
    moment = draw(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - given its zone below
    return write_manifest(
        ticket=ticket,
        version=version_of(previous, details, images, outcome),
        previous=previous,
        outcome=outcome,
        archived_at=iso(moment.replace(tzinfo=UTC)),
        details_sha256=details,
        details_bytes=draw(st.integers(0, 10**8)),
        images=images,
        types=types,
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(DOCUMENTED)


@given(written())
def test_every_manifest_that_is_written_fits_and_says_nothing_undocumented(manifest: bytes) -> None:
    found = json.loads(manifest)
    VALIDATOR.validate(found)
    assert found.keys() == DOCUMENTED["properties"].keys()
    assert found["details"].keys() == DOCUMENTED["properties"]["details"]["properties"].keys()
    assert all(image.keys() == DOCUMENTED["$defs"]["image"]["properties"].keys() for image in found["images"])


def test_the_golden_manifest_fits() -> None:
    VALIDATOR.validate(GOLDEN)


def test_a_key_that_a_later_product_adds_is_no_reason_to_refuse() -> None:
    VALIDATOR.validate({**GOLDEN, "more": 1})


def test_names_are_the_codes_own() -> None:
    assert DOCUMENTED["properties"]["schema"]["const"] == SCHEMA == GOLDEN["schema"]
    assert DOCUMENTED["$defs"]["image_type"]["enum"] == [kind.value for kind in ImageType]


SPOILED: list[tuple[str, Any]] = [
    ("schema", "idv-ticket-archive/manifest/v2"),
    ("ticket", "../762ebbda"),
    ("version", "5e1f"),
    ("version", "5E1F" * 16),
    ("previous", ""),
    ("outcome", 1),
    ("archived_at", "2026-01-31 09:30"),
    ("details", None),
    ("details/sha256", "x" * 64),
    ("details/bytes", -1),
    ("images", {}),
    ("images/0/type", "PASSPORT"),
    ("images/0/index", -1),
    ("images/0/index", "0"),
    ("images/0/key", "tickets/762ebbda/details/x.json.gz"),
    ("images/0/sha256", "77ab"),
    ("images/0/bytes", 0),
    ("images/0/content_type", "text/html"),
    ("absent", ["PASSPORT"]),
    ("absent", ["DOCUMENT", "DOCUMENT"]),
]


def at(manifest: Any, path: str) -> tuple[Any, Any]:
    """Where in a manifest `path` leads: the container, and the key in it."""
    *way, last = path.split("/")
    for step in way:
        manifest = manifest[int(step)] if isinstance(manifest, list) else manifest[step]
    return manifest, last


@pytest.mark.parametrize(("path", "value"), SPOILED)
def test_a_spoiled_field_does_not_fit(path: str, value: Any) -> None:
    manifest = copy.deepcopy(GOLDEN)
    container, key = at(manifest, path)
    container[key] = value
    assert not VALIDATOR.is_valid(manifest)


@pytest.mark.parametrize("path", sorted({path for path, _ in SPOILED}))
def test_a_missing_field_does_not_fit(path: str) -> None:
    manifest = copy.deepcopy(GOLDEN)
    container, key = at(manifest, path)
    del container[key]
    assert not VALIDATOR.is_valid(manifest)
