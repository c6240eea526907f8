"""Read one text as a file: a data URI, base64, a URL, a path on the vendor's host, or markup."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from pybase64 import b64decode

from ingest.files import labels
from ingest.files.formats import FileFormat, identify, looks_complete

HEAD_CHARACTERS = 4096
"""How many characters show what a text is."""
LONG_TEXT = 200
"""Characters. Names, ids, dates and addresses are shorter."""

_MIN_BASE64 = 32  # characters; no file is smaller
_URL = re.compile(r"\s*https?://[!-~]+\s*", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r"\s*/[!-~]{1,4095}\s*", re.ASCII)
_DATA_URI = re.compile(r"\s*data:[\w.+/-]*((?:;[^,;]{0,64})*),\s*", re.IGNORECASE)
_BASE64 = re.compile(rf"[A-Za-z0-9+/_\-\s]{{{_MIN_BASE64},}}={{0,2}}\s*", re.ASCII)
_PIECE = re.compile(r"[A-Za-z0-9+/_\-]+={0,2}\s*", re.ASCII)
_MARKUP = re.compile(r"\s*<[?!a-z]", re.IGNORECASE)
_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b" \t\r\n\f\v"
_LINE_ENDS = b"\t\r\n\f\v"
_NOT_FORM_DECODED = re.compile(rb"[+_-]")
_NOTHING = frozenset({"", "null", "none", "undefined", "n/a"})


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file's bytes. Without a `format` it is never served; without `complete` it looks cut off."""

    data: bytes = field(repr=False)
    format: FileFormat | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file at an http or https URL, or at a path on the vendor's host. It is not checked yet."""

    url: str = field(repr=False)


File = InlineFile | LinkedFile


def inline_file(data: bytes) -> InlineFile:
    """Return the file that these bytes are."""
    found = identify(data)
    return InlineFile(data, found, looks_complete(data, found) if found else True)


def is_file(text: str, key: str = "") -> bool:
    """Return whether a text is a file, by its first HEAD_CHARACTERS.

    Under a `key` that names files, markup and base64 of unknown bytes are files too; under a URL's key, a path is.
    """
    head = text[:HEAD_CHARACTERS]
    if _URL.fullmatch(head) or _DATA_URI.match(head):
        return True
    names_files = key != "" and labels.may_hold_files(key)
    if digits := _BASE64.match(head):
        plain = digits[0].encode().translate(_STANDARD, delete=_WHITE_SPACE)
        data = b""
        with suppress(ValueError):  # padding within the text
            data = b64decode(plain[: len(plain) // 4 * 4], validate=True)
        is_long = digits.end() == len(head) > LONG_TEXT
        if identify(data) or data.startswith(b"data:") or (data and names_files and is_long):
            return True
    return (names_files and is_markup(head)) or is_path(text, key)


def is_path(text: str, key: str) -> bool:
    """Return whether a text under a URL's key is a path. The base64 of a JPEG begins with `/`, too."""
    return bool(_PATH.fullmatch(text)) and labels.holds_address(key) and not is_file(text, key="image")


def is_markup(text: str) -> bool:
    """Return whether a text begins with a tag, a declaration or a processing instruction: HTML, XML or SVG."""
    return bool(_MARKUP.match(text))


def is_empty(node: Any) -> bool:
    """Return whether a JSON value means "no file": empty, a word for it such as `none`, or a data URI without data."""
    if not isinstance(node, str) or len(node) >= LONG_TEXT:
        return node in (None, [], ()) or (isinstance(node, str) and node.isspace())
    return node.strip().lower() in _NOTHING or _DATA_URI.fullmatch(node) is not None


def decode_file(text: str) -> File:
    """Return the file that a text is. It has no format if the text is markup, or no base64 of a known format."""
    if _URL.fullmatch(text) or is_path(text, key="url"):
        return LinkedFile(text.strip())
    if uri := _DATA_URI.match(text):
        is_base64, start = uri[1].lower().replace(" ", "").endswith(";base64"), uri.end()
        del uri  # it holds the text, of which there are never more than two copies
        text = text[start:]
        if not is_base64:
            return inline_file(unquote_to_bytes(text.encode("utf-8", "surrogatepass")))
        if "%" in text:  # RFC 2397 has `%2B` for `+`, too
            text = unquote_to_bytes(text.encode("latin-1", "replace")).decode("latin-1")
    elif is_markup(text):
        return InlineFile(text.encode("latin-1", "replace"), None)
    try:
        data = b64decode(text, validate=True)  # reads the text in place; Python's `base64` would copy it first
    except ValueError:
        digits = text.encode("latin-1", "replace")
        del text
        if b" " in digits and not _NOT_FORM_DECODED.search(digits):
            return _decode_with_spaces(digits)
        digits = digits.translate(_STANDARD, delete=_WHITE_SPACE)
        return _decode_base64(digits)
    return _inline(data)


def joined_pieces(parts: list[Any]) -> list[Any]:
    """Return one text in a list if the parts are the pieces of one file, otherwise the parts.

    Pieces have one length, and only the first begins a file, which is complete with all of them and not before.
    """
    begins = len(parts) > 1 and all(
        isinstance(part, str) and is_file(part) == (number == 0) for number, part in enumerate(parts)
    )
    if begins and len(set(map(len, parts[1:-1]))) <= 1 and all(map(_PIECE.fullmatch, parts[1:])):
        whole = "".join(parts)
        if not _is_complete(decode_file(parts[0])) and _is_complete(decode_file(whole)):
            return [whole]
    return parts


def _decode_with_spaces(digits: bytes) -> File:
    """Decode base64 with spaces: a form decoder made them from `+`, or they separate lines.

    The right reading has a multiple of four digits. If both have, the spaces are between lines where they are at equal
    distances and the file is complete without them.
    """
    plain = digits.translate(None, delete=_WHITE_SPACE)
    text = digits.translate(None, delete=_LINE_ENDS)
    text = (text.strip() if len(text) % 4 else text).replace(b" ", b"+")
    file, restored = _decode_base64(plain), _decode_base64(text)
    if (len(text) % 4 == 0) != (len(plain) % 4 == 0):
        return file if len(text) % 4 else restored
    even = len({len(line) for line in text.split(b"+")[:-1] if line}) <= 1
    return file if even and (_is_complete(file) or not _is_complete(restored)) else restored


def _decode_base64(digits: bytes) -> File:
    missing = b"" if digits.endswith(b"=") else b"=" * (-len(digits) % 4)
    try:  # one remaining digit is no byte: the text was truncated
        return _inline(b64decode(digits[:-1] if missing == b"===" else digits + missing, validate=True))
    except ValueError:
        return InlineFile(digits, None, complete=False)


def _inline(data: bytes) -> File:
    return decode_file(data.decode("latin-1")) if data.startswith(b"data:") else inline_file(data)


def _is_complete(file: File) -> bool:
    return isinstance(file, InlineFile) and file.format is not None and file.complete
