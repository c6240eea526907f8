"""Paths of API Gateway REST events, as far as Powertools' resolver does not handle them."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

NO_ROUTE = "/"
_TEST_STAGE = "test-invoke-stage"
"""The stage of TestInvokeMethod, the test of a method in API Gateway's console."""

# RFC 3986, section 3.3: the characters of a path segment
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
_PARAMETER = re.compile(r"\{(\w+)\}")


def route_path(event: Mapping[str, Any]) -> str:
    """Return the path that routes are matched with: without a custom domain's base path, parameters percent-encoded.

    API Gateway passes `path` and `pathParameters` as the caller sent them, percent-encoded; SAM local and MiniStack
    decode them (https://github.com/aws/aws-sam-cli/issues/771). So a segment is encoded unless it already is. Locally
    one case stays ambiguous: a decoded value that looks encoded itself, such as `50%25`.

    IAM policies compare the path as it was sent, and API Gateway may find the resource all the same. So a path with an
    empty segment, or in which the resource's own words are percent-encoded, matches no route: `/tickets/T/details/` and
    `/tickets/T/%64etails` would pass a policy that denies `/tickets/*/details`. Nor does a test of a method match one:
    API Gateway does not authorize it, so who may manage the API could read every ticket.
    """
    path = event.get("path") or NO_ROUTE
    if path.endswith("/") or "//" in path or event["requestContext"].get("stage") == _TEST_STAGE:
        return NO_ROUTE
    resource, values = event.get("resource") or "", event.get("pathParameters") or {}
    names = _PARAMETER.findall(resource)
    if names and all(isinstance(values.get(name), str) for name in names):
        as_written = ".+".join(map(re.escape, _PARAMETER.split(resource)[::2]))
        if not re.search(rf"{as_written}\Z", path, re.DOTALL):
            return NO_ROUTE
        return _PARAMETER.sub(lambda match: _encode(values[match[1]]), resource)
    return "/".join(map(_encode, path.split("/")))


def _encode(segment: str) -> str:
    # A lone surrogate has no UTF-8 form; it becomes a question mark, which matches nothing.
    return segment if _ENCODED.fullmatch(segment) else quote(segment, safe="", errors="replace")


def _decode(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise PydanticCustomError("percent_encoding", "Value should be percent-encoded UTF-8") from None


PercentDecoded = BeforeValidator(_decode)
"""Decode a path parameter before its other rules are checked."""
