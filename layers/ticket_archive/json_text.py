"""JSON text from the vendor: bound the memory it takes, and tell text that was cut off from text that is not JSON."""

import codecs
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeGuard

MAX_PARTS = 100_000
"""Opening brackets and commas of JSON that is parsed as a whole. Each may take some 250 bytes as Python objects, many
times its size as text."""

_GUARD = re.compile(rb"\s*(?:\)\]\}',?|while\s*\(1\);|for\s*\(;;\);)\s*(?=[{[])")
_WINDOWS_1252 = {
    0xDC00 + byte: bytes([byte]).decode("latin-1" if byte in b"\x81\x8d\x8f\x90\x9d" else "cp1252")
    for byte in range(0x80, 0x100)
}
"""Its five undefined bytes become the control characters of Latin-1, as in browsers, so that no byte is lost."""


def without_bom(text: bytes) -> bytes:
    """Return UTF-8 without the byte order mark that some servers write before it, also before JSON (RFC 8259, 8.1)."""
    return text.removeprefix(codecs.BOM_UTF8)


def decode_text(text: bytes) -> str:
    """Return UTF-8 as text, and other bytes as Windows-1252: a name in Latin-1, or cut off in a character."""
    utf8 = _decode(text, "utf-8")
    return utf8 if utf8 is not None else text.decode("utf-8", "surrogateescape").translate(_WINDOWS_1252)


def as_utf8(text: bytes, charset: str | None) -> bytes:
    """Return JSON in UTF-8, and anything else unchanged.

    UTF-16 and UTF-32 show in the first bytes, as in `json.loads`. A declared `charset` counts only for what is not
    UTF-8, because many servers declare Latin-1 and send UTF-8.
    """
    encoding: str = json.detect_encoding(text)
    if encoding.startswith("utf-8"):
        if charset is None or _decode(text, "utf-8") is not None:
            return text
        encoding = charset
    found = _decode(text, encoding)
    return found.encode() if found and found.lstrip()[:1] in ("{", "[", '"') else text


def _decode(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except (ValueError, LookupError):  # not every codec raises UnicodeDecodeError
        return None


def json_within(text: bytes) -> bytes:
    """Return the JSON object or array in a JSON string, and anything else unchanged: some servers serialize twice.

    What servers write before JSON, so that no page can load it as a script (`)]}'`, `while(1);`), is removed.
    """
    if guard := _GUARD.match(text):
        return text[guard.end() :]
    if text[:64].lstrip()[:1] == b'"':
        with suppress(ValueError):  # it is another text, or has half of a surrogate pair
            inner = json.loads(text)
            if _begins_json(inner):
                return inner.encode()
    return text


def json_in(value: Any) -> Any:
    """Return the object or array in a text that is JSON of not too many parts, and anything else unchanged."""
    if _begins_json(value) and count_parts(value) <= MAX_PARTS:
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _begins_json(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and value[:64].lstrip()[:1] in ("{", "[")


def unwrapped(value: Any) -> Any:
    """Return the element of a list of one, and anything else unchanged: some servers put each answer into a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def count_parts(text: bytes | str) -> int:
    """Return an upper bound for the parts of JSON, MAX_PARTS + 1 at most: brackets and commas in its strings count."""
    found = 0
    marks: Sequence[Any] = (b"{", b"[", b",") if isinstance(text, bytes) else "{[,"
    for mark in marks:
        at = text.find(mark)  # many times as fast as `count`, and there are few in a megabyte of base64
        while at >= 0 and found <= MAX_PARTS:
            found += 1
            at = text.find(mark, at + 1)
    return found


def ends_early(text: str, error: json.JSONDecodeError) -> bool:
    """Return whether JSON was valid until it ended: in a string, between parts, within a literal or an escape."""
    if text.lstrip()[:1] not in tuple('{["') or error.msg.startswith("Extra data"):
        return False
    end = text.rstrip()
    left = len(end) - error.pos
    return error.msg.startswith("Unterminated string") or left <= 0 or (left < 9 and end[-1:] not in '}]"')
