"""An image as text: a data URI (RFC 2397), base64 (RFC 4648, either alphabet), or a URL.

`looks_like_image` and `is_link` decide by the first characters and are cheap; `read_image` reads it all.
"""

import re
from binascii import a2b_base64
from dataclasses import dataclass, field

from ingest.files.old_formats import HEAD_BYTES, InlineImage, check_image, format_of
from ticket_archive.errors import UnrecognizedResponse

_URL = re.compile(r"\s*https?://", re.IGNORECASE)
_DATA_URI = re.compile(r"\s*data:([\w.+-]+/[\w.+-]+)?((?:;[^,;]{0,64})*),", re.IGNORECASE)
_DECLARES_IMAGE = re.compile(r"image/.*|application/octet-stream", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n")
_TO_STANDARD_BYTES = bytes.maketrans(b"-_", b"+/")

# Formats whose beginning is too long to come about by chance in a token or a biometric template.
_UNMISTAKABLE = frozenset({"jpg", "png", "apng", "webp", "gif", "tif", "jpx", "heic", "avif", "pdf", "svg"})


@dataclass(frozen=True, slots=True)
class LinkedImage:
    """An image that is somewhere else. Nobody has looked at the URL yet, beyond that it is http or https."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlainBase64:
    """A text that is decoded already: its beginning as it stood there, and its bytes."""

    head: str = field(repr=False)
    data: bytes = field(repr=False)


def plain_base64(text: memoryview) -> PlainBase64 | None:
    """A text that is base64 in its strictest form, alone or in a data URI that says so; None for every other."""
    head = str(text[: 4 * HEAD_BYTES], "latin-1")
    uri = _DATA_URI.match(head)
    if uri and uri[2].lower() != ";base64":
        return None
    try:
        return PlainBase64(head, a2b_base64(text[uri.end() if uri else 0 :], strict_mode=True))
    except ValueError:
        return None


def looks_like_image(text: str) -> bool:
    """Whether a text is meant as an image: then `read_image` returns one, or says what is wrong with it."""
    head = text[: 4 * HEAD_BYTES]
    if is_link(head):
        return True
    uri = _DATA_URI.match(head)
    if uri and _DECLARES_IMAGE.fullmatch(uri[1] or ""):
        return True
    begins = _first_bytes(head[uri.end() :] if uri else head)
    # A data URI within base64 is none that `read_image` takes, but it is to be seen and refused.
    return format_of(begins) in _UNMISTAKABLE or begins.startswith(b"data:")


def is_link(text: str) -> bool:
    """Whether a text is an http or https URL."""
    return bool(_URL.match(text))


def read_image(text: str | PlainBase64) -> InlineImage | LinkedImage:
    """The image in a text.

    Raises UnrecognizedResponse where a data URI is not base64 or holds another one (`data_uri`), and where the base64 is none
    (`base64`); beyond that, as `check_image`. What UnrecognizedResponse carries is only a part of the vendor's body.
    """
    if isinstance(text, PlainBase64):
        return _checked(text.data)
    if is_link(text):
        return LinkedImage(text.strip())
    if uri := _DATA_URI.match(text):
        parameters, start = uri[2], uri.end()
        del (
            uri
        )  # a match holds its text. Of the text, which may be many megabytes, there are never more than two copies
        text = text[start:]
        if not parameters.lower().endswith(";base64") or _DATA_URI.match(text):
            raise UnrecognizedResponse("data_uri", b"")
    try:
        data = a2b_base64(text, strict_mode=True)
    except ValueError:
        digits = text.encode("ascii", "replace")
        del text
        digits = digits.translate(_TO_STANDARD_BYTES, delete=b" \t\r\n")
        digits = _padded(digits)
        data = _decoded(digits)
    return _checked(data)


def _checked(data: bytes) -> InlineImage:
    if data.startswith(b"data:"):
        raise UnrecognizedResponse("data_uri", b"")
    return check_image(data)


def _padded(digits: bytes) -> bytes:
    """With the padding that is missing. A last digit that makes no byte is dropped: there the text was cut off."""
    given = digits[-2:].count(b"=")
    missing = -len(digits) % 4
    if missing == 3 and not given:
        return digits[:-1]
    return digits if given else digits + b"=" * missing


def _decoded(digits: bytes) -> bytes:
    try:
        return a2b_base64(digits, strict_mode=True)
    except ValueError:
        raise UnrecognizedResponse("base64", b"") from None


def _first_bytes(text: str) -> bytes:
    digits = _BASE64.match(text.translate(_TO_STANDARD))
    cut = digits[0] if digits else ""
    return a2b_base64(cut[: len(cut) // 4 * 4])
