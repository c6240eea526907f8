"""The webhook's route in docs/openapi.json: every response of its handler is documented, and no other."""

import json
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from samtranslator.yaml_helper import yaml_parse

from ingest import dependencies
from ingest.handlers import webhook as webhook_handler
from ingest.webhooks.request import BODY_MAX
from tests.support.fakes import FakeQueue
from ticket_archive.telemetry import metrics
from ticket_archive.webhook_credentials import WebhookCredentials
from ticket_archive.webhook_encryption import IV_HEADER

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
OPERATION: dict[str, Any] = DOCUMENT["paths"]["/webhooks/tickets"]["post"]


CASES: dict[HTTPStatus, tuple[str, str, FakeQueue, WebhookCredentials | None]] = {
    HTTPStatus.ACCEPTED: ("text/plain", "x", FakeQueue(), None),
    HTTPStatus.BAD_REQUEST: ("text/plain", " ", FakeQueue(), None),
    HTTPStatus.UNAUTHORIZED: (
        "text/plain",
        "x",
        FakeQueue(),
        WebhookCredentials(header="authorization", value=SecretStr("Basic eDp4")),
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("text/plain", "x" * (BODY_MAX + 1), FakeQueue(), None),
    HTTPStatus.SERVICE_UNAVAILABLE: ("application/json", "{}", FakeQueue(failure=ConnectionError()), None),
}


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_status_is_documented() -> None:
    assert set(OPERATION["responses"]) == {str(status.value) for status in CASES}


@pytest.mark.parametrize("status", CASES)
def test_a_response_is_as_documented(status: HTTPStatus, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN
    content_type, body, queue, credentials = CASES[status]
    made: Any = SimpleNamespace(queue=queue, credentials=lambda: [credentials] if credentials else None)
    monkeypatch.setattr(dependencies, "webhook", lambda: made)
    # WHEN
    answer = webhook_handler.handle({"body": body, "headers": {"Content-Type": content_type}})
    metrics.clear_metrics()
    # THEN
    assert answer["statusCode"] == status
    described = OPERATION["responses"][str(status.value)]
    (media_type,) = described["content"]
    assert answer["headers"]["Content-Type"] == media_type
    validator(described["content"][media_type]["schema"]).validate(json.loads(answer["body"]))
    for name, header in described["headers"].items():
        validator(header["schema"]).validate(answer["headers"][name])
    assert set(answer["headers"]) - {"Content-Type"} == set(described["headers"])


def test_every_content_type_is_accepted_and_the_iv_is_optional() -> None:
    assert set(OPERATION["requestBody"]["content"]) == {"*/*"}
    assert [(each["name"], each["in"], each.get("required", False)) for each in OPERATION["parameters"]] == [
        (IV_HEADER, "header", False)
    ]


def test_the_webhook_needs_no_signature_and_the_template_agrees() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    route = template["Resources"]["IngestFunction"]["Properties"]["Events"]["Webhook"]["Properties"]
    assert (route["Path"], route["Method"], route["Auth"]) == ("/webhooks/tickets", "POST", {"Authorizer": "NONE"})
    assert {} in OPERATION["security"]
    assert not [scheme for scheme in OPERATION["security"] if "awsSigV4" in scheme]
