import json
import re
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
import requests

from local.vendor import Absence, ImageType, Shape, Simulator
from local.vendor.pictures import Picture
from local.vendor.shapes import images_response
from tests.unit.local.vendor.client import get, images_path

PICTURES = (
    Picture(b"\xff\xd8\xff\xe0one\xff\xd9", "image/jpeg"),
    Picture(b"\x89PNG\r\n\x1a\ntwo", "image/png"),
    Picture(b"RIFF\x00\x00\x00\x00WEBPthree", "image/webp"),
)


def url_of(picture: Picture) -> str:
    return f"http://pictures/{PICTURES.index(picture)}"


def texts(document: Any) -> Iterator[str]:
    """Every text that an answer holds as a value, at any depth."""
    match document:
        case dict():
            for value in document.values():
                yield from texts(value)
        case list():
            for value in document:
                yield from texts(value)
        case str():
            yield document


def decode(body: bytes, content_type: str) -> list[bytes]:
    """The pictures of an answer of any shape, in their order."""
    if content_type.startswith("image/"):
        return [body]
    found = []
    for text in texts(json.loads(body)):
        if match := re.fullmatch(r"http://pictures/(\d)", text):
            found.append(PICTURES[int(match[1])].data)
        elif text.startswith("http://127.0.0.1"):
            found.append(requests.get(text, timeout=5).content)
        elif text not in (*ImageType, "FRONT", "BACK", "image/jpeg", "image/png", "image/webp"):
            found.append(b64decode(text.partition(";base64,")[2] or text, validate=True))
    if content_type == "application/json" and "documentBack" in (answer := json.loads(body)):
        names = list(answer)  # the back comes first in the JSON: its name says that it is the second
        front, back = names.index("documentFront"), names.index("documentBack")
        found[front], found[back] = found[back], found[front]
    return found


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("many", [1, 2, 3])
def test_every_shape_carries_one_or_many_pictures_of_a_type_unchanged(shape: Shape, many: int) -> None:
    answer = images_response(shape, Absence.EMPTY, {ImageType.DOCUMENT: PICTURES[:many]}, url_of)
    assert answer.status == 200
    assert decode(answer.body, answer.content_type) == [picture.data for picture in PICTURES[:many]]


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("absence", Absence)
def test_several_types_in_one_answer_are_told_apart_by_their_names(shape: Shape, absence: Absence) -> None:
    held = {
        ImageType.DOCUMENT: PICTURES[:2],
        ImageType.DOCUMENT_SIGNATURE: (),
        ImageType.SELF_PORTRAITS: PICTURES[2:],
    }
    answer = images_response(shape, absence, held, url_of)
    assert decode(answer.body, answer.content_type) == [picture.data for picture in PICTURES]
    text = answer.body.decode().lower()
    assert "document" in text
    assert "self_portraits" in text or "selfportrait" in text


def test_one_picture_may_come_as_the_body_itself() -> None:
    answer = images_response(Shape.BINARY, Absence.EMPTY, {ImageType.DOCUMENT: PICTURES[:1]}, url_of)
    assert (answer.content_type, answer.body) == ("image/jpeg", PICTURES[0].data)


@pytest.mark.parametrize(
    ("absence", "status", "body"),
    [
        (Absence.EMPTY, 200, {"images": []}),
        (Absence.NULL, 200, None),
        (Absence.NOT_FOUND, 404, {"status": 404, "code": "IMGNTFND", "message": "Image not found"}),
    ],
)
@pytest.mark.parametrize("shape", Shape)
def test_an_absent_type_is_answered_in_one_of_three_ways(
    shape: Shape, absence: Absence, status: int, body: Any
) -> None:
    answer = images_response(shape, absence, {ImageType.DOCUMENT_SIGNATURE: ()}, url_of)
    assert (answer.status, json.loads(answer.body)) == (status, body)


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (Shape.DATA_URIS, {"images": ["data:image/jpeg;base64,/9j/4G9uZf/Z"]}),
        (Shape.BASE64, {"images": ["/9j/4G9uZf/Z"]}),
        (Shape.LIST, ["data:image/jpeg;base64,/9j/4G9uZf/Z"]),
        (Shape.ONE_OR_MANY, {"image": "data:image/jpeg;base64,/9j/4G9uZf/Z"}),
        (Shape.BY_TYPE, {"DOCUMENT": ["data:image/jpeg;base64,/9j/4G9uZf/Z"]}),
        (Shape.URLS, {"images": ["http://pictures/0"]}),
        (Shape.URL_OBJECTS, {"images": [{"type": "DOCUMENT", "url": "http://pictures/0"}]}),
    ],
)
def test_the_shapes_look_as_they_say(shape: Shape, body: Any) -> None:
    answer = images_response(shape, Absence.EMPTY, {ImageType.DOCUMENT: PICTURES[:1]}, url_of)
    assert json.loads(answer.body) == body


@pytest.mark.parametrize("shape", Shape)
def test_what_is_served_is_what_is_expected_of_an_archive(vendor: Simulator, shape: Shape) -> None:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape=shape)
    for kind, expected in vendor.expected(ticket)["images"].items():
        if expected:
            answer = get(vendor, images_path(ticket, kind))
            pictures = decode(answer.content, answer.headers["content-type"])
            assert [sha256(picture).hexdigest() for picture in pictures] == [each["sha256"] for each in expected]
            assert [len(picture) for picture in pictures] == [each["bytes"] for each in expected]
