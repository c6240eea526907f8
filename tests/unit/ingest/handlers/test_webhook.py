"""The webhook handler: 202 once the request is in the queue, and nothing of a request in any log or response."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator

from ingest import dependencies
from ingest.handlers import webhook as webhook_handler
from ingest.webhooks.request import MAX_BODY_BYTES, RETRY_AFTER, accepted_response
from local.openapi import PATH
from tests.support.fakes import FakeQueue
from tests.support.logs import Lines, counted
from tests.support.template import SOURCE
from tests.unit.ingest.test_rotating_secret import MISSING, SecretsManager
from ticket_archive.messages import Webhook, read_message
from ticket_archive.secrets import WebhookCredentials
from ticket_archive.telemetry import metrics
from ticket_archive.webhook_encryption import IV_HEADER

DOCUMENT: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
OPERATION: dict[str, Any] = DOCUMENT["paths"]["/webhooks/tickets"]["post"]
CREDENTIALS = WebhookCredentials.read('{"header": "x-hook-key", "value": "canary-credential"}')
BODY, IV = "canary-body", "canary-iv"


def unreachable() -> Sequence[WebhookCredentials] | None:
    raise ConnectionError("canary-credential")


Handler = Callable[..., FakeQueue]


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Handler:
    """Give the handler the test's dependencies."""

    def given(
        queue: FakeQueue, credentials: Callable[[], Sequence[WebhookCredentials] | None] = lambda: None
    ) -> FakeQueue:
        monkeypatch.setattr(dependencies, "webhook", lambda: (queue, credentials))
        return queue

    return given


def request(body: str = BODY, **headers: str) -> dict[str, Any]:
    return {
        "body": body,
        "isBase64Encoded": False,
        "headers": {"Content-Type": "text/plain", "x-pvt-cipher-iv": IV, "User-Agent": "canary-agent", **headers},
        "path": "/webhooks/tickets",
        "requestContext": {"identity": {"sourceIp": "canary-address"}},
    }


def handle(event: dict[str, Any]) -> dict[str, Any]:
    """Return the handler's response, which is as docs/openapi.json says."""
    response = webhook_handler.handle(event)
    documented = OPERATION["responses"][str(response["statusCode"])]
    headers = dict(response["headers"])
    validate(json.loads(response["body"]), documented["content"][headers.pop("Content-Type")]["schema"])
    assert headers.keys() == documented["headers"].keys()
    for name, value in headers.items():
        validate(value, documented["headers"][name]["schema"])
    return response


def validate(value: object, schema: dict[str, Any]) -> None:
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def test_a_request_is_enqueued_unchanged_and_answered_with_202(handler: Handler, lines: Lines) -> None:
    queue = handler(FakeQueue())
    assert handle(request()) == accepted_response()
    kept = read_message(queue.bodies[0])
    assert isinstance(kept, Webhook)
    assert (kept.body, kept.iv, kept.content_type) == (BODY.encode(), IV, "text/plain")
    assert counted() == {"WebhooksAccepted": 1}
    [line] = lines.records
    assert (line["message"], line["correlation_id"], line["bytes"]) == ("webhook accepted", "message-1", len(BODY))


def test_the_largest_body_fits_into_a_message(handler: Handler) -> None:
    queue = handler(FakeQueue())
    assert handle(request("x" * MAX_BODY_BYTES))["statusCode"] == 202
    assert len(queue.bodies[0]) < 1_048_576


@pytest.mark.parametrize(
    "failure", [ConnectionError("canary-failure"), TimeoutError(), KeyError("MessageId"), MemoryError()]
)
def test_a_request_that_is_not_enqueued_is_answered_with_503(
    failure: Exception, handler: Handler, lines: Lines
) -> None:
    handler(FakeQueue(failure=failure))
    response = handle(request())
    assert (response["statusCode"], response["headers"]["Retry-After"]) == (503, str(RETRY_AFTER))
    assert counted() == {"WebhooksEnqueueFailed": 1}
    assert lines.records[0]["error"] == type(failure).__name__


def test_a_malformed_variable_is_named_in_one_line_and_counted(lines: Lines) -> None:
    response = handle(request())
    assert response["statusCode"] == 503
    assert counted() == {"WebhooksEnqueueFailed": 1, "ConfigurationErrors": 1}
    [line] = lines.records
    assert (line["message"], line["error"], line["detail"]) == ("webhook enqueue failed", "settings", "QUEUE_URL")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (" ", {"X-Hook-Key": "canary-credential"}, 400),
        ("x" * (MAX_BODY_BYTES + 1), {"X-Hook-Key": "canary-credential"}, 413),
        (BODY, {}, 401),
    ],
)
def test_a_rejected_request_is_not_enqueued(
    body: str, headers: dict[str, str], status: int, handler: Handler, lines: Lines
) -> None:
    queue = handler(FakeQueue(), lambda: [CREDENTIALS])
    response = handle(request(body, **headers))
    assert (response["statusCode"], queue.bodies) == (status, [])
    assert counted() == {"WebhooksRejected": 1}
    assert lines.records[0]["status"] == status


@pytest.mark.parametrize("credentials", [lambda: None, lambda: [CREDENTIALS], unreachable])
@pytest.mark.parametrize("queue", [FakeQueue(), FakeQueue(failure=ConnectionError("canary-failure"))])
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Hook-Key": "canary-credential"}, {"X-Hook-Key": "canary-wrong"}, {"Content-Type": "canary/type"}],
)
def test_nothing_of_a_request_is_in_a_log_a_metric_or_the_response(
    credentials: Any,
    queue: FakeQueue,
    headers: dict[str, str],
    handler: Handler,
    lines: Lines,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler(queue, credentials)
    response = handle(request(**headers))
    shown = lines.getvalue() + json.dumps([response, metrics.serialize_metric_set()]) + "".join(capsys.readouterr())
    assert lines.getvalue()
    assert "canary" not in shown
    assert base64.b64encode(b"canary").decode()[:7] not in shown


def test_the_document_has_the_statuses_of_these_tests_and_takes_every_body_without_a_signature() -> None:
    assert OPERATION["responses"].keys() == {"202", "400", "401", "413", "503"}
    assert OPERATION["requestBody"]["content"].keys() == {"*/*"}
    parameters = [(each["name"], each["in"], each.get("required", False)) for each in OPERATION["parameters"]]
    assert parameters == [(IV_HEADER, "header", False)]
    route = SOURCE["Resources"]["IngestFunction"]["Properties"]["Events"]["Webhook"]["Properties"]
    assert (route["Path"], route["Method"], route["Auth"]) == ("/webhooks/tickets", "POST", {"Authorizer": "NONE"})
    assert {} in OPERATION["security"]
    assert not [scheme for scheme in OPERATION["security"] if "awsSigV4" in scheme]


def test_an_invalid_setting_of_another_handler_rejects_no_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUE_URL", "https://sqs.example.com/tickets")
    for name in ("TABLE_NAME", "VENDOR_URL", "WEBHOOK_CREDENTIALS_SECRET"):
        monkeypatch.setenv(name, "")
    made = dependencies.webhook()
    assert made[1]() is None
    assert dependencies.webhook() is made


def test_the_longest_wait_for_the_queue_is_shorter_than_api_gateways() -> None:
    config: Any = dependencies._INTERACTIVE
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) < 29 - 5, "pauses come on top"


NEW, OLD = '{"header": "X-Hook-Key", "value": "new"}', '{"username": "preventor", "password": "old"}'
SENT_NEW: dict[str, str] = {"X-Hook-Key": "new"}
SENT_OLD = {"Authorization": "Basic " + base64.b64encode(b"preventor:old").decode()}
OTHERS: list[dict[str, str]] = [{"X-Hook-Key": "old"}, {}]
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "canary"}}, "GetSecretValue")
SECRETS: dict[str, tuple[Any, Any, list[dict[str, str]], list[int], int]] = {
    # current and previous value; the headers of each request, its status, and how often the secret is read
    "credentials are cached": (NEW, MISSING, [SENT_NEW] * 3, [202] * 3, 1),
    "previous ones are taken": (NEW, OLD, [SENT_OLD, SENT_NEW, SENT_OLD, *OTHERS], [202, 202, 202, 401, 401], 2),
    "wrong ones cause no further read": (NEW, MISSING, [SENT_OLD] * 3, [401] * 3, 2),
    "a previous value that was none is ignored": (NEW, '{"header": "x", "value": ""}', [{"x": ""}], [401], 2),
    "current ones do not wait for previous ones": (NEW, ConnectionError("canary"), [SENT_NEW, SENT_OLD], [202, 503], 2),
    "malformed ones let nobody in": ('{"header": "x"}', OLD, [SENT_OLD], [503], 1),
    "unreadable ones let nobody in": (DENIED, OLD, [SENT_OLD], [503], 1),
}


@pytest.mark.parametrize("case", SECRETS)
def test_credentials_are_those_of_the_secret(case: str, monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    current, previous, sent, statuses, reads = SECRETS[case]
    secret = SecretsManager(current, previous)
    monkeypatch.setenv("WEBHOOK_CREDENTIALS_SECRET", "webhook")
    monkeypatch.setenv("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/q")
    monkeypatch.setattr("ticket_archive.aws.client", lambda service, config: secret)
    monkeypatch.setattr(dependencies, "Queue", lambda *_: FakeQueue())
    assert [handle(request(**headers))["statusCode"] for headers in sent] == statuses
    assert secret.reads.total() == reads
    assert ("ConfigurationErrors" in counted()) is case.startswith("malformed")
    assert lines.records[0].get("aws_code") == ("AccessDeniedException" if current is DENIED else None)
