"""GET /tickets/{ticket}/images and /tickets/{ticket}/images/{sha256}."""

from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from retrieval.presign import SigningPaused
from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, World, image, item, sha256_of
from ticket_archive.models import ImageType

IMAGES = "/tickets/{ticket}/images"
IMAGE = "/tickets/{ticket}/images/{sha256}"
ONE = {"ticket": TICKET}
EVERY_TYPE = ["SELF_PORTRAITS", "SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT"]


def parameters(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@time_machine.travel("2026-01-15T10:00:00Z", tick=False)
def test_every_image_has_a_url_and_its_expiry_by_default(call: Call) -> None:
    answer = call(IMAGES, ONE)
    assert (answer.status, answer.json["ticket"], answer.json["version"]) == (200, TICKET, "a" * 64)
    found = [(image["type"], image["index"]) for image in answer.json["images"]]
    assert found == list(zip(EVERY_TYPE, (0, 1, 0, 0), strict=True))
    for signed in answer.json["images"]:
        assert signed["sha256"] in signed["url"]
        assert signed["expires_at"] == "2026-01-15T10:05:00Z"
        assert signed["content_disposition"] == "attachment"


def test_an_unknown_parameter_is_400_and_gives_no_image(call: Call, world: World) -> None:
    """One with a typing error must not be taken for a request of every image."""
    answer = call(IMAGES, ONE, {"types": "DOCUMENT"})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"] == "query: Parameters should be disposition, expires_in, type"
    assert world.tickets.reads == 0
    answer = call("/tickets/{ticket}", ONE, {"type": "ALL"})
    assert (answer.status, answer.json["detail"]) == (400, "query: This path takes no parameters")


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ("ALL", EVERY_TYPE),
        ("DOCUMENT", ["DOCUMENT"]),
        ("DOCUMENT,SELF_PORTRAITS", ["SELF_PORTRAITS", "SELF_PORTRAITS", "DOCUMENT"]),
        ("DOCUMENT,DOCUMENT", ["DOCUMENT"]),
        ("DOCUMENT,ALL", EVERY_TYPE),
        ("DOCUMENT_SIGNATURE", []),
    ],
)
def test_type_selects_the_images(call: Call, asked: str, types: list[str]) -> None:
    answer = call(IMAGES, ONE, {"type": asked})
    assert [image["type"] for image in answer.json["images"]] == types


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("type", text)
            for text in ("", "PASSPORT", "document", "DOCUMENT, DOCUMENT", "DOCUMENT,", ",", "DOCUMENT\n")
        ),
        *(("expires_in", text) for text in ("", "0", "59", "901", "86400", "-60", "60.5", "1e2", "x", "9" * 99, "+60")),
        *(("expires_in", text) for text in (" 60", "60.0", "6_0", "٦٠")),
        *(("disposition", text) for text in ("", "INLINE", "inline; filename=x")),
    ],
)
def test_an_invalid_parameter_is_named_and_nothing_is_read(call: Call, world: World, name: str, value: str) -> None:
    routes = {IMAGES: ONE, IMAGE: {**ONE, "sha256": sha256_of(ImageType.DOCUMENT)}}
    for route, path in list(routes.items())[: 1 if name == "type" else 2]:
        answer = call(route, path, {name: value})
        assert (answer.status, answer.json["code"]) == (400, "invalid_request")
        assert answer.json["detail"].startswith(f"{name}: ")
    assert world.tickets.reads == 0


def test_repeated_and_several_invalid_parameters_are_all_named(call: Call) -> None:
    answer = call(IMAGES, ONE, {"type": ["DOCUMENT", "ALL"]})
    assert (answer.status, answer.json["detail"]) == (400, "type: Input should be a valid string")
    detail = call(IMAGES, ONE, {"type": "x", "expires_in": "1"}).json["detail"]
    assert [rule.partition(":")[0] for rule in detail.split("; ")] == ["type", "expires_in"]


def test_inline_applies_to_types_that_browsers_display_safely(call: Call, world: World) -> None:
    """GIVEN a JPEG and a PDF, WHEN both are asked for inline, THEN the PDF remains an attachment and says so."""
    pdf = image(ImageType.DOCUMENT, content_type="application/pdf")
    world.tickets.add(item(images=[image(ImageType.SELF_PORTRAITS), pdf]))
    images = call(IMAGES, ONE, {"disposition": "inline", "expires_in": "61"}).json["images"]
    assert [each["content_disposition"] for each in images] == ["inline", "attachment"]
    for each in images:
        assert parameters(each["url"])["response-content-disposition"].startswith(f"{each['content_disposition']};")
        assert parameters(each["url"])["X-Amz-Expires"] == "61"


def test_an_image_by_its_hash_is_200_with_its_url_and_no_redirect(call: Call) -> None:
    path = {**ONE, "sha256": sha256_of(ImageType.DOCUMENT)}
    answer = call(IMAGE, path, {"expires_in": "61", "disposition": "inline"})
    assert answer.status == 200
    assert "Location" not in answer.headers
    assert answer.json["type"] == "DOCUMENT"
    assert urlsplit(answer.json["url"]).path == f"/tickets/{TICKET}/images/DOCUMENT/{answer.json['sha256']}.jpg"
    assert parameters(answer.json["url"])["X-Amz-Expires"] == "61"
    assert answer.json["content_disposition"] == "inline"


def test_another_tickets_hash_is_the_same_404_as_an_unknown_one(call: Call, world: World) -> None:
    theirs = image(ImageType.DOCUMENT, 7)
    world.tickets.add(item(ticket="another", images=[theirs]))
    answer, unknown = (call(IMAGE, {**ONE, "sha256": sha256}) for sha256 in (theirs["sha256"], "0" * 64))
    assert (answer.status, answer.json["code"]) == (404, "unknown_image")
    assert answer.json == unknown.json


@pytest.mark.parametrize("sha256", ["a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "/", "x", "a" * 64 + "\n"])
def test_a_malformed_hash_is_400_and_reads_nothing(call: Call, world: World, sha256: str) -> None:
    answer = call(IMAGE, {**ONE, "sha256": sha256})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert world.tickets.reads == 0


def test_signing_paused_is_503_with_retry_after(call: Call, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def pause(*_: object) -> None:
        raise SigningPaused

    monkeypatch.setattr(world.presigner, "images", pause)
    answer = call(IMAGES, ONE)
    assert (answer.status, answer.headers["Retry-After"], answer.json["code"]) == (503, "2", "signing_paused")
