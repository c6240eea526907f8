"""Where a request goes, and the values in its path, whoever encoded or decoded them on the way.

API Gateway hands `path` and `pathParameters` on as the caller sent them, percent-encoded; SAM local and the emulator
hand them on decoded (https://github.com/aws/aws-sam-cli/issues/771). Behind a custom domain `path` begins with the
domain's base path, `resource` does not. So the route comes from `resource`, and each value is encoded unless it
already is. Only locally that leaves a doubt: a decoded value that itself looks encoded, such as `50%25`.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from ticket_archive.errors import InvalidRequest

# RFC 3986, section 3.3: what a path segment consists of
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_PARAMETER = re.compile(r"\{(\w+)\}")


def route_path(event: Mapping[str, Any]) -> str:
    """The path that the routes are matched with: without a base path, its values percent-encoded."""
    resource = event.get("resource") or ""
    values = event.get("pathParameters") or {}
    names = _PARAMETER.findall(resource)
    if names and all(isinstance(values.get(name), str) for name in names):
        return _PARAMETER.sub(lambda match: _encoded(values[match[1]]), resource)
    return "/".join(map(_encoded, (event.get("path") or "/").split("/")))


def decoded(segment: str, name: str) -> str:
    """The value of a path segment. Raises InvalidRequest that names the parameter where it is not UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest(name) from None


def _encoded(segment: str) -> str:
    # A lone surrogate is no text at all; as a question mark it matches nothing that exists.
    return segment if _ENCODED.fullmatch(segment) else quote(segment, safe="", errors="replace")
