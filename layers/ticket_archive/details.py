"""A ticket's details: the vendor's JSON, kept exactly, wherever there is room for it.

DynamoDB holds most JSON as a native map, but not all of it: numbers have 38 digits, maps 32 levels, items 400 KB
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html). What would not come back identical
is kept as the vendor's own bytes, compressed: in the item while it is small, else in the bucket. "Identical" means the
same JSON value, each number equal as a decimal; the order of an object's keys has no meaning.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException
from typing import Any, NoReturn

from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.keys import details_key

NATIVE_LIMIT = 300_000
"""Bytes of an item that the map may take; what is left of the 400 KB is for images, names and times."""
PACKED_LIMIT = 300_000
"""Bytes of an item that the compressed form may take."""
ANSWER_LIMIT = 1_000_000
"""Bytes of JSON that a function's answer surely holds: Lambda allows 6 MB, and JSON within JSON grows to sixfold.
What is larger is an object of its own, so that a URL can lead to it."""

_LEVELS = 30  # of DynamoDB's 32, the item and the attribute take some
_DIGITS = 38
_MAGNITUDES = range(-90, 120)  # within what both DynamoDB and boto3's decimal context take at 38 digits
_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\]]', re.DOTALL)  # strings, brackets, a lonely quote

ATTRIBUTES = ("details", "details_packed", "details_key")
"""The item's attributes that hold details: exactly one of them is there."""


@dataclass(frozen=True, slots=True)
class Details:
    """Parsed details. `value` has Decimal for every number; `sha256` is of the canonical form; `raw` as received."""

    value: dict[str, Any] = field(repr=False)
    sha256: str
    size: int
    raw: bytes = field(repr=False)
    native: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where details go: attributes for the item and, beyond its limits, an object for the bucket."""

    attributes: Mapping[str, Any] = field(repr=False)
    key: str | None = None
    body: bytes = field(default=b"", repr=False)


def read_details(body: bytes) -> Details:
    """The vendor's answer as Details.

    Raises VendorUnavailable where the body is JSON that ends too early, UnrecognizedResponse where it is no JSON object.
    """
    text = _text(body)
    doubtful: list[str] = []

    def number(digits: str) -> Decimal | None:
        try:
            return Decimal(digits)
        except DecimalException:
            doubtful.append("number")
            return None

    def constant(_: str) -> None:
        doubtful.append("constant")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            doubtful.append("duplicate_key")
        return found

    try:
        value = json.loads(text, parse_int=number, parse_float=number, parse_constant=constant, object_pairs_hook=pairs)
    except RecursionError:
        raise UnrecognizedResponse("details_too_deep", body) from None
    except json.JSONDecodeError:
        if cut_off(text):
            raise VendorUnavailable("truncated") from None
        raise UnrecognizedResponse("details_not_json", body) from None
    if not isinstance(value, dict):
        raise UnrecognizedResponse("details_not_an_object", body)
    native = not doubtful and _fits(value)
    try:
        form = body if doubtful else to_json(value)
    except (RecursionError, UnicodeEncodeError):
        form = body
    return Details(value, hashlib.sha256(form).hexdigest(), len(body), body, native)


def place(ticket: str, details: Details) -> Placement:
    """Chooses the first of map, compressed attribute, object that holds these details exactly."""
    if details.native:
        return Placement({"details": details.value})
    packed = gzip.compress(details.raw, mtime=0)  # without the time the same details are the same object
    if len(packed) <= PACKED_LIMIT and details.size <= ANSWER_LIMIT:
        return Placement({"details_packed": packed})
    key = details_key(ticket, details.sha256)
    return Placement({"details_key": key}, key, packed)


def to_json(value: Any) -> bytes:
    """Canonical UTF-8 JSON: sorted keys, no spaces, exact numbers. Raises UnicodeEncodeError on lone surrogates."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode()


def unpack(packed: bytes) -> bytes:
    """The vendor's bytes out of their compressed form. They were capped when they came in, so there is no bomb here."""
    return zlib.decompress(packed, wbits=31)


def cut_off(text: str) -> bool:
    """Whether `text` begins as JSON and ends before its end: an answer without Content-Length that was cut off.

    The last character does not tell: of `{"a": {"b": 1}` only the inner object is closed.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return False
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0] == '"':
            return True
        depth += (mark[0] in "{[") - (mark[0] in "}]")
        if depth == 0 and mark[0] in "}]":
            return False
    return True


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")  # json.loads would guess UTF-16 from bytes
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and body.lstrip()[:1] == b"{":
            raise VendorUnavailable("truncated") from None  # within a character
        raise UnrecognizedResponse("details_not_utf8", body) from None


def _write(value: Any, parts: list[str]) -> None:
    if isinstance(value, dict):
        parts.append("{")
        for position, key in enumerate(sorted(value)):
            parts.append(f"{',' if position else ''}{json.dumps(key, ensure_ascii=False)}:")
            _write(value[key], parts)
        parts.append("}")
    elif isinstance(value, list):
        parts.append("[")
        for position, element in enumerate(value):
            if position:
                parts.append(",")
            _write(element, parts)
        parts.append("]")
    elif isinstance(value, Decimal):
        parts.append(_number(value))
    else:
        parts.append(json.dumps(value, ensure_ascii=False))


def _number(number: Decimal) -> str:
    """One text per value: 98.0, 98 and 9.8e1 are the same number and have the same digest."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        _never(number)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "-0" if sign else "0"
    shorter = text.rstrip("0")
    exponent += len(text) - len(shorter)
    minus = "-" if sign else ""
    if 0 <= exponent <= _DIGITS:
        return f"{minus}{shorter}{'0' * exponent}"
    if -_DIGITS <= exponent < 0:
        padded = shorter.rjust(1 - exponent, "0")
        return f"{minus}{padded[:exponent]}.{padded[exponent:]}"
    return f"{minus}{shorter}E{exponent}"


def _never(value: object) -> NoReturn:
    raise AssertionError(f"JSON has no such number: {type(value).__name__}")


def _fits(root: dict[str, Any]) -> bool:
    """Whether DynamoDB gives this map back unchanged. Walks without recursion: the input may be deep."""
    size = 0
    waiting: list[tuple[Any, int]] = [(root, 1)]
    while waiting:
        value, level = waiting.pop()
        if isinstance(value, dict):
            if level > _LEVELS or not all(_storable_text(key) and key for key in value):
                return False
            size += 3 + sum(1 + len(key.encode()) for key in value)
            waiting.extend((element, level + 1) for element in value.values())
        elif isinstance(value, list):
            if level > _LEVELS:
                return False
            size += 3 + len(value)
            waiting.extend((element, level + 1) for element in value)
        elif isinstance(value, str):
            if not _storable_text(value):
                return False
            size += len(value.encode())
        elif isinstance(value, Decimal):
            if not _storable_number(value):
                return False
            size += 21
        else:
            size += 1
        if size > NATIVE_LIMIT:
            return False
    return True


def _storable_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable_number(number: Decimal) -> bool:
    if not number and number.is_signed():
        return False  # -0 comes back as 0
    return len(number.as_tuple().digits) <= _DIGITS and number.adjusted() in _MAGNITUDES  # also of 0: there is 0e500
