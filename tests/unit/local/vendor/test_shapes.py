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
    """Every string value of a response, at any depth."""
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
    """The files of a response of any shape, in their order."""
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
    if content_type == "application/json" and "documentBack" in (response := json.loads(body)):
        names = list(response)  # the back comes first in the JSON
        front, back = names.index("documentFront"), names.index("documentBack")
        found[front], found[back] = found[back], found[front]
    return found


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("absence", Absence)
def test_several_types_in_one_response_have_their_names(shape: Shape, absence: Absence) -> None:
    held = {
        ImageType.DOCUMENT: PICTURES[:2],
        ImageType.DOCUMENT_SIGNATURE: (),
        ImageType.SELF_PORTRAITS: PICTURES[2:],
    }
    response = images_response(shape, absence, held, url_of)
    assert decode(response.body, response.content_type) == [picture.data for picture in PICTURES]
    text = response.body.decode().lower()
    assert "document" in text
    assert "self_portraits" in text or "selfportrait" in text


@pytest.mark.parametrize(
    ("absence", "status", "body"),
    [
        (Absence.EMPTY, 200, {"images": []}),
        (Absence.NULL, 200, None),
        (Absence.NOT_FOUND, 404, {"status": 404, "code": "IMGNTFND", "message": "Image not found"}),
    ],
)
@pytest.mark.parametrize("shape", Shape)
def test_an_absent_type_has_one_of_three_responses(shape: Shape, absence: Absence, status: int, body: Any) -> None:
    response = images_response(shape, absence, {ImageType.DOCUMENT_SIGNATURE: ()}, url_of)
    assert (response.status, json.loads(response.body)) == (status, body)


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
def test_each_shape_is_as_documented(shape: Shape, body: Any) -> None:
    response = images_response(shape, Absence.EMPTY, {ImageType.DOCUMENT: PICTURES[:1]}, url_of)
    assert json.loads(response.body) == body


@pytest.mark.parametrize("shape", Shape)
def test_the_served_files_are_the_expected_ones(vendor: Simulator, shape: Shape) -> None:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape=shape)
    for kind, expected in vendor.expected(ticket)["images"].items():
        if expected:
            response = get(vendor, images_path(ticket, kind))
            pictures = decode(response.content, response.headers["content-type"])
            assert [sha256(picture).hexdigest() for picture in pictures] == [each["sha256"] for each in expected]
            assert [len(picture) for picture in pictures] == [each["bytes"] for each in expected]
