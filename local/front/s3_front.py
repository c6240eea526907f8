"""An ASGI application in front of MiniStack: S3's rules for presigned URLs, which MiniStack does not enforce.

Hypercorn loads this file and adds its folder to the emulator's import path; the folder therefore holds nothing else.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def refusal(scope: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """Return the status, code and message with which S3 refuses a presigned request, or None."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if scope["type"] != "http" or "X-Amz-Signature" not in query:
        return None
    names = {name.decode("latin-1").lower() for name, _ in scope["headers"]}
    if "authorization" in names:
        return 400, "InvalidArgument", "Only one auth mechanism allowed"
    signed = set(query.get("X-Amz-SignedHeaders", [""])[0].split(";"))
    if {name for name in names if name.startswith("x-amz-")} - signed:
        return 403, "AccessDenied", "There were headers present in the request which were not signed"
    return None


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Refuse the request as S3 would, or pass it to MiniStack."""
    refused = refusal(scope)
    if refused is None:
        await _ministack()(scope, receive, send)
        return
    status, code, message = refused
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _ministack() -> Asgi:
    application: Asgi = import_module("ministack.app").app
    return application
