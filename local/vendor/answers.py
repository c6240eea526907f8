"""What the vendor answers, before it meets a socket."""

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
HTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>\n"


@dataclass(frozen=True)
class Answer:
    """`headers` come on top of the content type; how the length is told is the wire's choice."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def as_json(document: Any, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """The document as UTF-8 JSON."""
    return Answer(status, json.dumps(document, ensure_ascii=False).encode(), headers=headers)


def error(status: int, code: str, message: str | list[str], *headers: tuple[str, str]) -> Answer:
    """The vendor's error body, `{"status", "code", "message"}` (docs.preventor.com, server/api-reference)."""
    return as_json({"status": status, "code": code, "message": message}, status, *headers)


def gateway_error(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    """What AWS API Gateway, before the vendor's service, answers by itself."""
    return as_json({"message": message}, status, *headers)


def ticket_not_found() -> Answer:
    """The vendor's answer for a ticket that it does not know."""
    return error(404, "TCKTNTFND", "Ticket not found")
