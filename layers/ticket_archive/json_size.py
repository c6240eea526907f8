"""Bound the memory that JSON takes, before it is parsed."""

MAX_PARTS = 100_000
"""Opening brackets and commas. Each part may take some 250 bytes as Python objects, many times its size as text."""


def has_too_many_parts(body: bytes) -> bool:
    """Return whether JSON must not be parsed as a whole. Brackets and commas inside its strings count too."""
    return body.count(b"{") + body.count(b"[") + body.count(b",") > MAX_PARTS
