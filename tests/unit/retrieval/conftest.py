"""Requests to the retrieval function; every response is validated against docs/openapi.json."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.openapi import PATH
from retrieval import app, audit
from tests.support.fakes import FakeContext
from tests.support.logs import log_lines
from tests.unit.retrieval.fakes import Answer, World, request

DOCUMENT = json.loads(PATH.read_text(encoding="utf-8"))
CONTEXT: Any = FakeContext(function_name="retrieval")

Call = Callable[..., Answer]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One archived ticket and nothing else."""
    world = World()
    monkeypatch.setattr(app, "dependencies", world)
    return world


@pytest.fixture
def handle(world: World, capsys: pytest.CaptureFixture[str]) -> Callable[[Mapping[str, Any]], Answer]:
    """Invoke the function with an event."""

    def handle(event: Mapping[str, Any]) -> Answer:
        capsys.readouterr()
        with log_lines(audit._logger) as log:
            response = app.lambda_handler(dict(event), CONTEXT)
        answer = Answer(
            status=response["statusCode"],
            headers={name: values[0] for name, values in response["multiValueHeaders"].items()},
            text=response["body"],
            json=json.loads(response["body"]),
            log=log.records,
            metrics=_metrics(capsys.readouterr().out),
        )
        _hold_against_document(event, answer)
        return answer

    return handle


@pytest.fixture
def call(handle: Callable[[Mapping[str, Any]], Answer]) -> Call:
    """Make a request."""
    return lambda *what, **more: handle(request(*what, **more))


def _metrics(printed: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in printed.splitlines():
        record = json.loads(line)
        for metric in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            found[metric["Name"]] = sum(record[metric["Name"]])
    return found


def _hold_against_document(event: Mapping[str, Any], answer: Answer) -> None:
    assert answer.headers["Cache-Control"] == "no-store"
    content_type = answer.headers["Content-Type"]
    operation = DOCUMENT["paths"].get(event.get("resource"), {}).get(event["httpMethod"].lower())
    if operation:
        documented = operation["responses"][str(answer.status)]
        schema = documented["content"][content_type]["schema"]
        assert documented.get("headers", {}).keys() <= answer.headers.keys()
    elif answer.status < 400:
        return  # routed by its path alone, as API Gateway never does
    else:
        assert content_type == "application/problem+json"
        schema = {"$ref": "#/components/schemas/Problem"}
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.json)
