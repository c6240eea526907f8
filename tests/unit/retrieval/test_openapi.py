"""docs/openapi.json is what the resolver generates. The webhook's: tests/unit/ingest/handlers/test_webhook.py."""

import inspect
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from local import openapi
from retrieval import app, problems
from retrieval.models import TicketId
from retrieval.presign import SigningPaused
from tests.unit.retrieval.conftest import DOCUMENT
from ticket_archive.errors import InvalidRequest, TicketErased
from ticket_archive.models import ticket_id

WEBHOOK = "/webhooks/tickets"
OPERATIONS = {path: methods["get"] for path, methods in DOCUMENT["paths"].items() if path != WEBHOOK}


def test_the_files_are_current(tmp_path: Path) -> None:
    openapi.write(tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_bytes() == openapi.PATH.with_name(made.name).read_bytes(), "run: make openapi"


def test_every_route_is_documented_and_signed() -> None:
    assert OPERATIONS.keys() == {route.openapi_path for route in app.app._dynamic_routes + app.app._static_routes}
    assert DOCUMENT["security"] == [{"awsSigV4": []}]
    assert not [path for path, operation in OPERATIONS.items() if "security" in operation]


@pytest.mark.parametrize("path", OPERATIONS)
def test_every_route_documents_its_errors_and_no_redirect(path: str) -> None:
    statuses = OPERATIONS[path]["responses"].keys()
    assert {"400", "403", "429", "500", "503"} <= statuses
    assert not [status for status in statuses if status.startswith("3") or status == "422"]


def test_every_code_of_a_problem_is_documented() -> None:
    """Except that of another method, which API Gateway answers."""
    sources = inspect.getsource(app) + inspect.getsource(problems)
    codes = set(re.findall(r'(?:ServiceError\(\d+|HTTPStatus\.\w+), "(\w+)"', sources)) - {"method_not_allowed"}
    codes |= {InvalidRequest.code, TicketErased.code, SigningPaused.code}
    responses = [each for operation in OPERATIONS.values() for each in operation["responses"].values()]
    texts = [each["description"] for each in responses if problems.CONTENT_TYPE in each["content"]]
    assert {code for text in texts for code in re.findall(r"`([a-z_]+)`", text)} - {"detail"} == codes


def test_every_schema_is_valid() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("text", ["a", "A_-9", "-a", "_a", "a" * 128, "a" * 129, "", "ä", "a.b", "a\n"])
def test_the_documented_ticket_pattern_is_the_archives_own(text: str) -> None:
    parameter: Any = next(each for each in OPERATIONS["/tickets/{ticket}"]["parameters"] if each["name"] == "ticket")
    assert parameter["schema"]["pattern"] == get_args(TicketId)[1].metadata[0].pattern
    documented = Draft202012Validator(parameter["schema"]).is_valid(text.replace("\n", "!"))
    try:
        ticket_id(text)
    except InvalidRequest:
        assert not documented
    else:
        assert documented
