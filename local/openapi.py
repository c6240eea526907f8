"""Writes docs/openapi.json, the whole API as OpenAPI 3.1: `python -m local.openapi [--check]`.

Shapes come from `retrieval.models` and `retrieval.problems`, bounds from `retrieval.params`, words from the routes'
docstrings; the webhook door's are from `ingest.webhooks.request`. The unit tests hold every answer that they see against it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ingest.webhooks import request
from local import ROOT
from retrieval import models, params

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers"))

from retrieval import app, problems
from retrieval.settings import LIFE_MAX, LIFE_MIN
from ticket_archive.models import ImageType
from ticket_archive.webhook_encryption import IV_HEADER

PATH = ROOT / "docs" / "openapi.json"

_SHAPES = (
    models.Ticket,
    models.PendingTicket,
    models.SignedImage,
    models.SignedImages,
    models.SignedDetails,
    models.CustomerTickets,
    problems.Problem,
)
_TIME = {"format": "date-time"}
_FORMATS = {
    "url": {"format": "uri"},
    "sha256": {"pattern": "^[0-9a-f]{64}$"},
    **dict.fromkeys(("expires_at", "received_at", "fetched_at", "archived_at"), _TIME),
}
_GATEWAY = {"type": "object", "properties": {"message": {"type": "string"}}, "description": "API Gateway's own answer."}

_REFUSAL = {
    "type": "object",
    "properties": {"type": {"const": "about:blank"}, "title": {"type": "string"}, "status": {"type": "integer"}},
    "required": ["type", "title", "status"],
    "description": "A webhook that was not kept.",
}

_TYPE = "|".join([params.ALL, *ImageType])
_CASES = f"{params.ALL} for every type, or several joined by commas without spaces; signed requests send `,` as `%2C`."

Json = dict[str, Any]


def document() -> Json:
    """The whole document."""
    ticket = _parameter("path", "ticket", {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"})
    sha256 = _parameter("path", "sha256", {"type": "string", **_FORMATS["sha256"]})
    customer = _parameter("path", "customer", {"type": "string", "minLength": 1, "maxLength": 256}, "Percent-encoded.")
    types = {"type": "string", "default": params.ALL, "pattern": f"^({_TYPE})(,({_TYPE}))*$"}
    life = {"type": "integer", "minimum": LIFE_MIN, "maximum": LIFE_MAX}
    limit = {
        "type": "integer",
        "minimum": params.LIMIT_MIN,
        "maximum": params.LIMIT_MAX,
        "default": params.LIMIT_DEFAULT,
    }
    cursor = {"type": "string", "minLength": 1, "maxLength": params.CURSOR_MAX}
    of_ticket = {202: _pending(), 404: _problem("Unknown ticket."), 410: _problem("The ticket's data was erased.")}
    with_url = {503: _busy("AWS is busy, or what signs the URLs is being renewed.")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "IDV ticket archive",
            "version": "1",
            "description": "Takes webhooks of identity verification tickets. Hands out archived tickets, and signed, "
            "short-lived URLs of their images. Every request but a webhook is signed (AWS Signature Version 4, service "
            "execute-api). No answer may be stored.",
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/v1",
                "variables": {"api": {"default": "api"}, "region": {"default": "eu-central-1"}},
            }
        ],
        "security": [{"awsSigV4": []}],
        "paths": {
            "/webhooks/tickets": _webhook(),
            "/tickets/{ticket}": _get(app.get_ticket, [ticket], {200: _json(models.Ticket), **of_ticket}),
            "/tickets/{ticket}/details": _get(
                app.get_details,
                [ticket],
                {
                    200: {**_described("The vendor's JSON."), "content": _content({"type": "object"})},
                    307: _redirect(models.SignedDetails, "Details too large for an answer: where they are, packed."),
                    **of_ticket,
                    **with_url,
                },
            ),
            "/tickets/{ticket}/images": _get(
                app.get_images,
                [
                    ticket,
                    _parameter("query", "type", types, _CASES),
                    _parameter("query", "expires_in", life, "Seconds that the URLs shall live; they may live less."),
                ],
                {200: _json(models.SignedImages), **of_ticket, **with_url},
            ),
            "/tickets/{ticket}/images/{sha256}": _get(
                app.get_image,
                [ticket, sha256],
                {
                    307: _redirect(models.SignedImage, "Where the image is."),
                    **of_ticket,
                    404: _problem("Unknown ticket, or it has no such image."),
                    **with_url,
                },
            ),
            "/customers/{customer}/tickets": _get(
                app.get_customer_tickets,
                [
                    customer,
                    _parameter("query", "limit", limit),
                    _parameter("query", "cursor", cursor, "The page before gave it."),
                ],
                {200: _json(models.CustomerTickets)},
            ),
        },
        "components": {
            "schemas": {**_schemas(), "Gateway": _GATEWAY, "Refusal": _REFUSAL},
            "securitySchemes": {
                "awsSigV4": {
                    "type": "apiKey",  # as API Gateway's own exports describe it
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
                "webhookCredentials": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Where the stack asks webhooks for credentials: these, or a header of its own.",
                },
            },
        },
    }


def text() -> str:
    """The document as the file has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None, path: Path = PATH) -> int:
    """Writes the file, or with --check only compares, and returns 1 where it differs."""
    parser = argparse.ArgumentParser(prog="python -m local.openapi", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where the file is not current")
    options = parser.parse_args(arguments)
    current = path.exists() and path.read_text(encoding="utf-8") == text()
    if not current and not options.check:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(), encoding="utf-8")
    print("current" if current else "differs" if options.check else f"wrote {path.name}")
    return int(options.check and not current)


class _Schema(GenerateJsonSchema):
    """A decimal is a JSON number here, and a field's name is title enough."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002
        return {"type": "number"}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _schemas() -> dict[str, Json]:
    inputs = [(shape.__name__, "validation", TypeAdapter(shape)) for shape in _SHAPES]
    _, whole = TypeAdapter.json_schemas(
        inputs,  # type: ignore[arg-type]  # a list of tuples of str is one of tuples of literals
        schema_generator=_Schema,
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Json] = whole["$defs"]
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            field.update(_FORMATS.get(name, {}))
    return schemas


def _webhook() -> Json:
    """One answer for every request of the right form, whatever its body holds."""
    ciphertext = {"type": "string", "description": "Base64 of the event, encrypted with AES-256-CBC and PKCS#7."}
    event = {"type": "object", "description": "The event in clear: only read where the stack allows it."}
    iv = {"type": "string", "description": "Base64 of the 16 bytes with which an encrypted event begins."}
    accepted = {"type": "object", "properties": {"status": {"const": "accepted"}}, "required": ["status"]}
    refused = {
        400: _refusal("The body is empty."),
        401: _with_header(_refusal("Credentials are asked for."), "WWW-Authenticate", {"type": "string"}),
        413: _refusal(f"The body is larger than {request.BODY_MAX:,} bytes."),
        415: _refusal("Another content type."),
        429: _gateway("Too many requests."),
        502: _gateway("The function gave no answer."),
        503: _with_header(_refusal("The event could not be kept."), "Retry-After", {"const": str(request.RETRY_AFTER)}),
    }
    kept = {**_described("The event is kept; what it holds is looked at later."), "content": _content(accepted)}
    return {
        "post": {
            "operationId": "receive_webhook",
            "summary": "Takes an event of the vendor's.",
            "security": [{}, {"webhookCredentials": []}],
            "parameters": [{"name": IV_HEADER, "in": "header", "required": False, "schema": iv}],
            "requestBody": {
                "required": True,
                "content": {**_content(ciphertext, "text/plain"), **_content(event)},
            },
            "responses": {str(status): answer for status, answer in {202: kept, **refused}.items()},
        }
    }


def _refusal(description: str) -> Json:
    return {**_described(description), "content": _content(_ref("Refusal"), problems.CONTENT_TYPE)}


def _get(handler: Callable[..., Any], parameters: list[Json], responses: Mapping[int, Json]) -> Json:
    every = {
        400: _problem("The request breaks a rule, which `detail` states."),
        403: _gateway("Not signed, or not allowed."),
        429: _gateway("Too many requests."),
        500: _problem("A fault of the archive's own."),
        502: _gateway("The function gave no answer."),
        503: _busy("AWS is busy."),
        **responses,
    }
    return {
        "get": {
            "operationId": handler.__name__,
            "summary": (handler.__doc__ or "").strip(),
            "parameters": parameters,
            "responses": {str(status): every[status] for status in sorted(every)},
        }
    }


def _parameter(place: str, name: str, schema: Json, description: str = "") -> Json:
    described = {"description": description} if description else {}
    return {"name": name, "in": place, "required": place == "path", **described, "schema": schema}


def _json(shape: type) -> Json:
    return {**_described(HTTPStatus.OK.phrase), "content": _content(_ref(shape.__name__))}


def _pending() -> Json:
    answer = {**_described("Not archived yet."), "content": _content(_ref(models.PendingTicket.__name__))}
    return _with_header(answer, "Retry-After", {"type": "integer"})


def _redirect(shape: type, description: str) -> Json:
    answer = {**_described(description), "content": _content(_ref(shape.__name__))}
    return _with_header(answer, "Location", {"type": "string", "format": "uri"})


def _problem(description: str) -> Json:
    return {**_described(description), "content": _content(_ref("Problem"), problems.CONTENT_TYPE)}


def _busy(description: str) -> Json:
    return _with_header(_problem(description), "Retry-After", {"type": "integer"})


def _gateway(description: str) -> Json:
    return {"description": description, "content": _content(_ref("Gateway"))}


def _described(description: str) -> Json:
    return {"description": description, "headers": {"Cache-Control": {"schema": {"const": "no-store"}}}}


def _with_header(answer: Json, name: str, schema: Json) -> Json:
    return {**answer, "headers": {**answer["headers"], name: {"required": True, "schema": schema}}}


def _content(schema: Json, content_type: str = "application/json") -> Json:
    return {content_type: {"schema": schema}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


if __name__ == "__main__":
    sys.exit(main())
