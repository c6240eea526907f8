"""JSON text from the vendor: bound the memory it takes, and tell text that was cut off from text that is not JSON."""

import codecs
import json

MAX_PARTS = 100_000
"""Opening brackets and commas. Each part may take some 250 bytes as Python objects, many times its size as text."""


def without_bom(text: bytes) -> bytes:
    """Return UTF-8 without the byte order mark that some servers write before it, also before JSON (RFC 8259, 8.1)."""
    return text.removeprefix(codecs.BOM_UTF8)


def has_too_many_parts(body: bytes) -> bool:
    """Return whether JSON must not be parsed as a whole. Brackets and commas inside its strings count too."""
    return body.count(b"{") + body.count(b"[") + body.count(b",") > MAX_PARTS


def ends_early(text: str, error: json.JSONDecodeError) -> bool:
    """Return whether JSON was valid until it ended: in a string, between parts, within a literal or an escape."""
    if text.lstrip()[:1] not in tuple('{["') or error.msg.startswith("Extra data"):
        return False
    end = text.rstrip()
    left = len(end) - error.pos
    return error.msg.startswith("Unterminated string") or left <= 0 or (left < 9 and end[-1:] not in '}]"')
