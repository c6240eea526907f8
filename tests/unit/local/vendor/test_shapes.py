import json
from typing import Any

import pytest

from local.vendor.pictures import ImageType, Picture
from local.vendor.shapes import Absence, Shape, images_response

PICTURE = Picture(b"\xff\xd8\xff\xe0one\xff\xd9", "image/jpeg")


def url_of(_: Picture) -> str:
    return "http://pictures/0"


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
    response = images_response(shape, Absence.EMPTY, {ImageType.DOCUMENT: [PICTURE]}, url_of)
    assert json.loads(response.body) == body
