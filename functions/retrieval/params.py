"""What a caller may ask for: each parameter's text as a value, or InvalidRequest that names the parameter."""

import re

from retrieval.paths import decoded
from retrieval.settings import LIFE_MAX, LIFE_MIN
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import ImageType, customer_id, ticket_id

ALL = "ALL"
LIMIT_MIN, LIMIT_MAX, LIMIT_DEFAULT = 1, 100, 20
CURSOR_MAX = 512
"""Characters of a cursor. The table's own have some 220."""

_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_TYPES = {kind.value: kind for kind in ImageType}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def ticket(segment: str) -> str:
    """The ticket's id."""
    return ticket_id(decoded(segment, "ticket"))


def customer(segment: str) -> str:
    """The customer's code, as the archive keeps it."""
    code = customer_id(decoded(segment, "customer"))
    if code is None:
        raise InvalidRequest("customer")
    return code


def sha256(segment: str) -> str:
    """An image's hash: 64 hexadecimal digits in lower case."""
    if not _SHA256.fullmatch(segment):
        raise InvalidRequest("sha256")
    return segment


def image_types(text: str | None) -> frozenset[ImageType]:
    """The vendor's own grammar: type names joined by commas without spaces; ALL, the default, stands for every type."""
    names = (ALL if text is None else text).split(",")
    if not all(name == ALL or name in _TYPES for name in names):
        raise InvalidRequest("type")
    return frozenset(ImageType) if ALL in names else frozenset(_TYPES[name] for name in names)


def expires_in(text: str | None) -> int | None:
    """Seconds for which URLs are asked to live, None where the caller leaves it to the installation."""
    return None if text is None else _number("expires_in", text, LIFE_MIN, LIFE_MAX)


def limit(text: str | None) -> int:
    """How many tickets one page may have."""
    return LIMIT_DEFAULT if text is None else _number("limit", text, LIMIT_MIN, LIMIT_MAX)


def cursor(text: str | None) -> str | None:
    """Where a page begins. The table alone knows whether it is one of its cursors."""
    if text is not None and not 0 < len(text) <= CURSOR_MAX:
        raise InvalidRequest("cursor")
    return text


def _number(name: str, text: str, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(name)
    return int(text)
