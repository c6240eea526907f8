"""docs/openapi.json is current and whole. The webhook's route has its own tests, tests/unit/ingest/test_openapi.py."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local import openapi
from retrieval import app
from tests.unit.retrieval.conftest import DOCUMENT

WEBHOOK = "/webhooks/tickets"


def test_the_file_is_current() -> None:
    assert openapi.PATH.read_text(encoding="utf-8") == openapi.text(), "run: make openapi"


def test_a_stale_file_is_told_and_written_anew(tmp_path: Any) -> None:
    stale = tmp_path / "openapi.json"
    stale.write_text("{}")

    assert openapi.main(["--check"], stale) == 1
    assert stale.read_text() == "{}"
    assert openapi.main([], stale) == 0
    assert openapi.main(["--check"], stale) == 0


def test_every_route_is_documented_and_no_other() -> None:
    routes = {route.openapi_path for route in app.app._dynamic_routes + app.app._static_routes}

    assert set(DOCUMENT["paths"]) - {WEBHOOK} == routes


def test_every_operation_asks_for_a_signature() -> None:
    assert DOCUMENT["security"] == [{"awsSigV4": []}]
    assert not [operation for operation in operations() if "security" in operation]
    assert set(DOCUMENT["paths"][WEBHOOK]) == {"post"}


@pytest.mark.parametrize("status", ["400", "403", "429", "500", "503"])
def test_every_operation_documents_how_it_fails(status: str) -> None:
    assert all(status in operation["responses"] for operation in operations())


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for reference in references(DOCUMENT):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def operations() -> list[dict[str, Any]]:
    """Of the retrieval API."""
    paths = {name: path for name, path in DOCUMENT["paths"].items() if name != WEBHOOK}
    return [operation for path in paths.values() for operation in path.values()]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
