"""The vendor's HTTP responses."""

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
HTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@dataclass(frozen=True)
class Response:
    """A response; the connection adds the content type and the length."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def json_response(document: Any, status: int = 200, *headers: tuple[str, str]) -> Response:
    """Return the document as UTF-8 JSON."""
    return Response(status, json.dumps(document, ensure_ascii=False).encode(), headers=headers)


def error(status: int, code: str, message: str | list[str], *headers: tuple[str, str]) -> Response:
    """Return the vendor's error body, `{"status", "code", "message"}` (docs.preventor.com, server/api-reference)."""
    return json_response({"status": status, "code": code, "message": message}, status, *headers)


def gateway_error(status: int, message: str, *headers: tuple[str, str]) -> Response:
    """Return the error body of AWS API Gateway in front of the vendor's service."""
    return json_response({"message": message}, status, *headers)


NOT_FOUND = error(404, "TCKTNTFND", "Ticket not found")
UNAUTHORIZED = error(401, "UNTHRZD", "Unauthorized")
