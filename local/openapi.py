"""Write the schemas in docs/ that the code generates: `python -m local.openapi`.

openapi.json describes the API, manifest.schema.json manifests, and manifest-event.openapi.json their events as the
EventBridge Schema Registry takes them (OpenAPI 3.0).
"""

import json
from pathlib import Path
from typing import Any

from local import ROOT
from retrieval import app
from ticket_archive.manifest import Manifest
from ticket_archive_client import ManifestCreated

PATH = ROOT / "docs" / "openapi.json"
EVENT = "manifest-event.openapi.json"
MANIFEST = "manifest.schema.json"
WEBHOOK = "/webhooks/tickets"
"""The ingest function serves it without a resolver: openapi.json's text on it, like its head, is written by hand."""


def document() -> dict[str, Any]:
    """Return the API's description, with the paths and schemas that the retrieval function's resolver generates."""
    written = json.loads(PATH.read_text(encoding="utf-8"))
    made = json.loads(app.app.get_openapi_json_schema())
    for path in made["paths"].values():
        path["get"]["summary"] = getattr(app, path["get"]["operationId"]).__doc__
        del path["get"]["responses"]["422"]  # Powertools adds it; this API responds with 400
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        del made["components"]["schemas"][name]
    made["paths"][WEBHOOK] = written["paths"][WEBHOOK]
    return {**written, "paths": made["paths"], "components": {**written["components"], **made["components"]}}


def event_document() -> dict[str, Any]:
    """Return the schema of manifest events, from the Python client's model."""
    event = ManifestCreated.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = {**event.pop("$defs"), "AWSEvent": event}
    for schema in schemas.values():
        for member in schema["properties"].values():
            if "const" in member:  # OpenAPI 3.0 does not know it
                member["enum"] = [member.pop("const")]
    event["x-amazon-events-source"] = "aws.s3"
    event["x-amazon-events-detail-type"] = "Object Created"
    info = {"title": "ManifestCreated", "version": "1.0.0"}
    return {"openapi": "3.0.0", "info": info, "paths": {}, "components": {"schemas": schemas}}


def write(folder: Path) -> None:
    """Write the documents into the folder."""
    documents = {
        PATH.name: document(),
        EVENT: event_document(),
        MANIFEST: Manifest.model_json_schema(mode="serialization"),
    }
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(PATH.parent)
