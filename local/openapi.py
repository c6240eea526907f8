"""Write docs/openapi.json, the API as OpenAPI 3.1: `python -m local.openapi [--check]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, Server, ServerVariable

from local import ROOT

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers"))

from retrieval import app

PATH = ROOT / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """Return what the retrieval function's resolver generates, and the webhook's path."""
    places = {"api": ServerVariable(default="api"), "region": ServerVariable(default="eu-central-1")}
    signature: dict[str, Any] = {"name": "Authorization", "in_": APIKeyIn.header}
    text = app.app.get_openapi_json_schema(
        title="IDV ticket archive",
        version="1",
        description="Archived identity verification tickets. Requests are signed (AWS Signature Version 4, service "
        "`execute-api`), except the vendor's webhook. Responses must not be stored.",
        servers=[Server(url="https://{api}.execute-api.{region}.amazonaws.com/v1", variables=places)],
        security=[{"awsSigV4": []}],
        security_schemes={"awsSigV4": APIKey(**signature, **{"x-amazon-apigateway-authtype": "awsSigv4"})},
    )
    made: dict[str, Any] = json.loads(text)
    for path in made["paths"].values():
        path["get"]["summary"] = getattr(app, path["get"]["operationId"]).__doc__
        del path["get"]["responses"]["422"]  # Powertools adds it; this API responds with 400
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        del made["components"]["schemas"][name]
    made["paths"]["/webhooks/tickets"] = {"post": _webhook()}
    return made


def _webhook() -> dict[str, Any]:
    """Describe the route that the ingest function serves without a resolver."""

    def response(description: str, media: str = "application/problem+json", **headers: Any) -> dict[str, Any]:
        schema = {"required": True, "schema": {"type": "string"}}
        described = {name.replace("_", "-"): schema for name in ("Cache-Control", *headers)}
        return {"description": description, "headers": described, "content": {media: {"schema": {"type": "object"}}}}

    return {
        "operationId": "receive_webhook",
        "summary": "Accept an event of the vendor's, encrypted or, if the stack allows it, in plaintext.",
        "security": [{}],
        "parameters": [{"name": "x-pvt-cipher-iv", "in": "header", "schema": {"type": "string"}}],
        "requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string"}}}},
        "responses": {
            "202": response("The queue has the request.", "application/json"),
            "400": response("The body is empty."),
            "401": response("Webhook credentials are missing or wrong.", WWW_Authenticate=True),
            "413": response("The body is larger than 256 KB."),
            "503": response("The queue is unreachable.", Retry_After=True),
        },
    }


def main(arguments: Sequence[str] | None = None, path: Path = PATH) -> int:
    """Write the file; with --check only compare, and return 1 if it differs."""
    parser = argparse.ArgumentParser(prog="python -m local.openapi", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is not current")
    options = parser.parse_args(arguments)
    text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    if options.check:
        return int(not path.exists() or path.read_text(encoding="utf-8") != text)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
