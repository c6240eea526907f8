"""Both functions as a WSGI application that calls them as API Gateway does, for tools that send HTTP requests."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ingest.handlers import webhook as webhook_handler
from local.openapi import PATH
from retrieval import app
from tests.support.fakes import FakeContext
from tests.unit.retrieval.fakes import request

DOCUMENT: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
ROUTES = {
    re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)): path
    for path, methods in DOCUMENT["paths"].items()
    if "get" in methods
}


def gateway(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve a request (WSGI). Without a route the response is 403, as API Gateway's is."""
    if environ["PATH_INFO"] == "/openapi.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(DOCUMENT).encode()]
    target = urlsplit(environ["REQUEST_URI"])
    if target.path.removeprefix("/v1") == "/webhooks/tickets" and environ["REQUEST_METHOD"] == "POST":
        answer = webhook_handler.handle(_webhook(environ))
        start_response(f"{answer['statusCode']} X", list(answer["headers"].items()))
        return [answer["body"].encode()]
    for pattern, resource in ROUTES.items():
        if (match := pattern.fullmatch(target.path.removeprefix("/v1"))) and environ["REQUEST_METHOD"] == "GET":
            query = parse_qs(target.query, keep_blank_values=True, errors="surrogateescape")
            event = request(resource, {}, dict(query))
            event |= {"path": target.path, "pathParameters": match.groupdict()}  # as they came, percent-encoded
            answer = app.lambda_handler(event, FakeContext())
            headers = [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values]
            start_response(f"{answer['statusCode']} X", headers)
            return [answer["body"].encode()]
    start_response("403 Forbidden", [("Content-Type", "application/json")])
    return [b'{"message": "Missing Authentication Token"}']


def _webhook(environ: dict[str, Any]) -> dict[str, Any]:
    headers = {name[5:].replace("_", "-"): str(value) for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return {"headers": headers, "body": body.decode("utf-8", "replace"), "isBase64Encoded": False, "requestContext": {}}
