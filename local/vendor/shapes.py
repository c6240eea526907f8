"""The shapes of the images response (the vendor documents none): of one type alone; of several, each by its name."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from local.vendor.pictures import SIDES, Picture
from local.vendor.responses import HTML_PAGE, SVG, Response, error, json_response
from ticket_archive.models import ImageType

Held = Mapping[ImageType, Sequence[Picture]]
"""The files of each requested type; empty for an absent type."""


class Shape(StrEnum):
    """The response for one type, by example."""

    DATA_URIS = "DATA_URIS"  # {"images": ["data:image/jpeg;base64,…"]}
    BASE64 = "BASE64"  # {"images": ["/9j/…"]}
    LIST = "LIST"  # ["data:…"]
    ONE_OR_MANY = "ONE_OR_MANY"  # {"image": "data:…"}, or {"images": […]} for more than one
    BY_TYPE = "BY_TYPE"  # {"DOCUMENT": ["data:…"]}
    NESTED = "NESTED"  # {"data": {"transaction": {"images": {"document": {"items": […]}}}}}
    OBJECTS = "OBJECTS"  # {"images": [{"type", "side", "content_type", "size", "image": "/9j/…"}]}
    URLS = "URLS"  # {"images": ["http://…"]}
    URL_OBJECTS = "URL_OBJECTS"  # {"images": [{"type", "url"}]}
    SIDES = "SIDES"  # {"documentFront": "data:…", "documentBack": "data:…"}; other types by a singular label
    BINARY = "BINARY"  # the file itself as `image/*` if the type has one file; else data URIs


LINKED = frozenset({Shape.URLS, Shape.URL_OBJECTS})
LINKS = "links"
"""In a fault's `deceives`: URLs of files. What such a URL returns each time is the file that the vendor has."""


class Unusable(StrEnum):
    """A response without usable files, returned for an image type each time."""

    HTML = "HTML"
    SVG = "SVG"
    PRIVATE_URL = "PRIVATE_URL"
    UNKNOWN_JSON = "UNKNOWN_JSON"


UNUSABLE = {
    Unusable.HTML: Response(200, HTML_PAGE, "text/html; charset=utf-8"),
    Unusable.SVG: Response(200, SVG, "image/svg+xml"),
    Unusable.PRIVATE_URL: json_response({"images": [{"url": "http://169.254.169.254/latest/meta-data/"}]}),
    Unusable.UNKNOWN_JSON: json_response({"result": {"blob": 17, "parts": [{"x": True}]}}),
}


class Absence(StrEnum):
    """The response for a type without files."""

    NOT_FOUND = "NOT_FOUND"
    EMPTY = "EMPTY"
    NULL = "NULL"


ABSENT = {
    # An invented code: the vendor documents only that of an unknown ticket.
    Absence.NOT_FOUND: error(404, "IMGNTFND", "Image not found"),
    Absence.EMPTY: json_response({"images": []}),
    Absence.NULL: json_response(None),
}


def images_response(shape: Shape, absence: Absence, held: Held, url_of: Callable[[Picture], str]) -> Response:
    """Return the response in this shape; `url_of` returns a file's URL."""
    [pictures, *others] = held.values()
    if not any(held.values()):
        return ABSENT[absence]
    if shape is Shape.BINARY and len(pictures) == 1 and not others:
        return Response(200, pictures[0].data, pictures[0].content_type)

    def write(picture: Picture) -> str:
        if shape in LINKED:
            return url_of(picture)
        text = b64encode(picture.data).decode()
        return text if shape in (Shape.BASE64, Shape.OBJECTS) else f"data:{picture.content_type};base64,{text}"

    written = {kind: [write(picture) for picture in pictures] for kind, pictures in held.items()}
    return json_response(_document(shape, absence, held, written))


def _document(shape: Shape, absence: Absence, held: Held, written: Mapping[ImageType, list[str]]) -> Any:
    many = len(written) > 1
    match shape:
        case Shape.OBJECTS:
            return {"images": [each for kind in held for each in _objects(kind, held[kind], written[kind])]}
        case Shape.URL_OBJECTS:
            return {"images": [{"type": kind, "url": url} for kind, urls in written.items() for url in urls]}
        case Shape.NESTED:
            groups = {
                kind.lower(): {"items": [{"position": at, "file": {"content": each}} for at, each in enumerate(files)]}
                for kind, files in written.items()
                if files
            }
            return {"status": 200, "data": {"transaction": {"images": groups}}}
        case Shape.SIDES:
            return _labelled(written)
        case Shape.LIST if many:
            return [{"type": kind, "image": each} for kind, files in written.items() for each in files]
    if many or shape is Shape.BY_TYPE:
        nothing: Any = [] if absence is Absence.EMPTY else None
        return {kind: each or nothing for kind, each in written.items() if each or absence is not Absence.NOT_FOUND}
    [images] = written.values()
    if shape is Shape.ONE_OR_MANY and len(images) == 1:
        return {"image": images[0]}
    return images if shape is Shape.LIST else {"images": images}


def _objects(kind: ImageType, pictures: Sequence[Picture], written: list[str]) -> list[Any]:
    return [
        {
            "type": kind,
            "side": SIDES[number % 2] if kind is ImageType.DOCUMENT else None,
            "content_type": picture.content_type,
            "size": len(picture.data),
            "image": image,
        }
        for number, (picture, image) in enumerate(zip(pictures, written, strict=True))
    ]


def _labelled(written: Mapping[ImageType, list[str]]) -> Any:
    """Name each side of the document, the back first, and every other type in the singular."""
    labelled: dict[str, Any] = {}
    for kind, files in written.items():
        first, *words = kind.removesuffix("S").split("_")
        label = first.lower() + "".join(map(str.capitalize, words))  # documentGhostPortrait
        if kind is ImageType.DOCUMENT and len(files) <= len(SIDES):
            sides = [(label + side.capitalize(), each) for side, each in zip(SIDES, files, strict=False)]
            labelled |= dict(reversed(sides))
        elif kind is ImageType.DOCUMENT:
            labelled["documents"] = files
        elif files:
            labelled[label] = files[0] if len(files) == 1 else files
    return labelled
