"""GET /tickets/{ticket}/images and /tickets/{ticket}/images/{sha256}."""

from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, World, image, item, sha256_of
from ticket_archive.models import ImageType

IMAGES = "/tickets/{ticket}/images"
IMAGE = "/tickets/{ticket}/images/{sha256}"
ONE = {"ticket": TICKET}


def test_every_image_gets_a_url_by_default(call: Call) -> None:
    with time_machine.travel("2026-01-15T10:00:00Z", tick=False):
        answer = call(IMAGES, ONE)

    assert (answer.status, answer.json["ticket"], answer.json["version"]) == (200, TICKET, "a" * 64)
    assert [(image["type"], image["index"]) for image in answer.json["images"]] == [
        ("SELF_PORTRAITS", 0),
        ("SELF_PORTRAITS", 1),
        ("DOCUMENT", 0),
        ("DOCUMENT_PORTRAIT", 0),
    ]
    for signed in answer.json["images"]:
        assert signed["sha256"] in signed["url"]
        assert signed["expires_at"] == "2026-01-15T10:05:00Z"


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ("ALL", ["SELF_PORTRAITS", "SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT"]),
        ("DOCUMENT", ["DOCUMENT"]),
        ("DOCUMENT,SELF_PORTRAITS", ["SELF_PORTRAITS", "SELF_PORTRAITS", "DOCUMENT"]),
        ("DOCUMENT,DOCUMENT", ["DOCUMENT"]),
        ("DOCUMENT_SIGNATURE", []),
    ],
)
def test_the_asked_types_get_urls(call: Call, asked: str, types: list[str]) -> None:
    answer = call(IMAGES, ONE, {"type": asked})

    assert [image["type"] for image in answer.json["images"]] == types


@pytest.mark.parametrize("asked", ["", "PASSPORT", "document", "DOCUMENT, SELF_PORTRAITS", "DOCUMENT,", ",", "ALL,X"])
def test_an_unknown_type_is_400_and_the_table_is_not_asked(call: Call, world: World, asked: str) -> None:
    answer = call(IMAGES, ONE, {"type": asked})

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert world.tickets.reads == 0


@pytest.mark.parametrize(("asked", "end"), [("60", "10:01:00"), ("61", "10:01:01"), ("900", "10:15:00")])
def test_a_url_lives_as_long_as_it_is_asked_to(call: Call, asked: str, end: str) -> None:
    with time_machine.travel("2026-01-15T10:00:00Z", tick=False):
        answer = call(IMAGES, ONE, {"type": "DOCUMENT", "expires_in": asked})

    (signed,) = answer.json["images"]
    assert parse_qs(urlsplit(signed["url"]).query)["X-Amz-Expires"] == [asked]
    assert signed["expires_at"] == f"2026-01-15T{end}Z"


@pytest.mark.parametrize(
    "asked", ["", "0", "59", "901", "86400", "-60", "+60", "60.0", "1e2", " 60", "٦٠", "x", "9" * 99]
)
def test_a_life_out_of_bounds_is_400_and_the_table_is_not_asked(call: Call, world: World, asked: str) -> None:
    answer = call(IMAGES, ONE, {"expires_in": asked})

    assert (answer.status, answer.json["detail"]) == (400, "expires_in is a number of seconds from 60 to 900.")
    assert world.tickets.reads == 0


def test_a_parameter_given_twice_is_400(call: Call) -> None:
    answer = call(IMAGES, ONE, {"type": ["DOCUMENT", "ALL"]})

    assert (answer.status, answer.json["detail"]) == (400, "A parameter may be given once.")


def test_an_image_by_its_hash_is_a_redirect_to_its_url(call: Call) -> None:
    answer = call(IMAGE, {**ONE, "sha256": sha256_of(ImageType.DOCUMENT)})

    assert answer.status == 307
    url = urlsplit(answer.headers["Location"])
    assert url.path == f"/tickets/{TICKET}/images/DOCUMENT/{sha256_of(ImageType.DOCUMENT)}.jpg"
    assert answer.json["url"] == answer.headers["Location"]


def test_a_hash_that_the_ticket_has_not_is_404_although_another_ticket_has_it(call: Call, world: World) -> None:
    theirs = image(ImageType.DOCUMENT, 7)
    world.tickets.add(item(ticket="another", images=[theirs]))

    answer = call(IMAGE, {**ONE, "sha256": theirs["sha256"]})

    assert (answer.status, answer.json["code"]) == (404, "unknown_image")


@pytest.mark.parametrize("sha256", ["a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "/", "x"])
def test_a_malformed_hash_is_400_and_the_table_is_not_asked(call: Call, world: World, sha256: str) -> None:
    answer = call(IMAGE, {**ONE, "sha256": sha256})

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert world.tickets.reads == 0


def test_only_keys_of_the_item_are_signed(call: Call, world: World) -> None:
    elsewhere = f"tickets/{TICKET}/images/DOCUMENT/elsewhere.png"
    world.tickets.add(item(images=[image(ImageType.DOCUMENT, key=elsewhere, content_type="image/png")]))

    (signed,) = call(IMAGES, ONE).json["images"]

    assert urlsplit(signed["url"]).path == f"/{elsewhere}"
