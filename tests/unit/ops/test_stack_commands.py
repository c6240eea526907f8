"""`send-test-webhook`, `doctor` and `rollback`."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
import requests

from ops import test_webhook
from ops.errors import Exit
from tests.unit.ops.cli_harness import JPEG, CliHarness, FakeStack
from tests.unit.ops.test_queue_commands import SECRET, secrets_manager
from ticket_archive.table import TicketTable
from ticket_archive.webhook_credentials import WebhookCredentials
from ticket_archive.webhook_encryption import decrypt_event

URL = "https://archive.test/v1/webhooks/tickets"


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []

    def post(url: str, **given: Any) -> requests.Response:
        kept.append({"url": url, **given})
        answer = requests.Response()
        answer.status_code = 202
        answer._content = b'{"status": "accepted"}'
        return answer

    monkeypatch.setattr(requests, "post", post)
    return kept


# ─── send-test-webhook ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", test_webhook.Event)
def test_a_test_webhook_decrypts_to_its_event(kind: test_webhook.Event, posted: list[dict[str, Any]]) -> None:
    event = test_webhook.event(kind, "t1", "mark")

    assert test_webhook.post(URL, event, SECRET.encode()) == (202, '{"status": "accepted"}')

    [sent] = posted
    assert decrypt_event(sent["data"], sent["headers"]["x-pvt-cipher-iv"], [SECRET.encode()]) == event
    assert event["ticket"] == "t1"


def test_a_redirect_is_not_followed_and_time_is_limited(posted: list[dict[str, Any]]) -> None:
    test_webhook.post(URL, {}, SECRET.encode(), ca_bundle="/ca.pem")

    assert (posted[0]["allow_redirects"], posted[0]["timeout"], posted[0]["verify"]) == (False, (5, 30), "/ca.pem")


def test_webhook_credentials_are_sent(posted: list[dict[str, Any]]) -> None:
    credentials = WebhookCredentials.read('{"header": "X-Shared", "value": "value"}')

    test_webhook.post(URL, {}, SECRET.encode(), credentials)

    assert posted[0]["headers"]["x-shared"] == "value"


def test_every_initialisation_vector_is_new(posted: list[dict[str, Any]]) -> None:
    for _ in range(2):
        test_webhook.post(URL, {}, SECRET.encode())

    assert len({sent["headers"]["x-pvt-cipher-iv"] for sent in posted}) == 2


@pytest.mark.parametrize("kind", test_webhook.Event)
def test_a_second_test_is_another_event(kind: test_webhook.Event) -> None:
    first, second = (test_webhook.event(kind, "t1", mark) for mark in "ab")

    assert json.dumps(first) != json.dumps(second)


def test_waiting_ends_when_a_newer_fetch_is_archived(fake: FakeStack) -> None:
    before = fake.add_ticket("t1")

    def sleep(_: float) -> None:
        fake.items["t1"] = replace(before, fetched_at="2026-01-31T12:00:09.000000Z")

    found = test_webhook.wait(cast("TicketTable", fake), "t1", before, 10, clock=lambda: 0.0, sleep=sleep)

    assert found is fake.items["t1"]


def test_waiting_ends_in_time(fake: FakeStack) -> None:
    before = fake.add_ticket("t1")
    ticks = iter(range(100))

    found = test_webhook.wait(
        cast("TicketTable", fake), "t1", before, 5, clock=lambda: float(next(ticks)), sleep=lambda _: None
    )

    assert found is None


def test_a_test_says_what_it_does_not_prove(cli: CliHarness, posted: list[dict[str, Any]]) -> None:
    cli.stack.clients["secretsmanager"] = secrets_manager(WebhookSecretArn=SECRET)

    result = cli("send-test-webhook")

    assert result.exit_code == Exit.OK
    assert "Not tested: whether the vendor has this secret" in result.stderr
    assert posted[0]["url"] == URL


# ─── doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────

CREDENTIAL = json.dumps({"api_key": "CANARY", "secret": "CANARY"})
ALARM: dict[str, Any] = {
    "AlarmName": "stack-DeadLettersAlarm-1",
    "StateValue": "OK",
    "ActionsEnabled": True,
    "AlarmActions": ["arn:aws:sns:eu-central-1:000000000000:topic"],
}


@pytest.fixture
def healthy(cli: CliHarness) -> CliHarness:
    cli.stack.clients = {
        "secretsmanager": secrets_manager(WebhookSecretArn=SECRET, VendorCredentialArn=CREDENTIAL),
        "lambda": SimpleNamespace(
            list_event_source_mappings=lambda **_: {"EventSourceMappings": [{"State": "Enabled"}]}
        ),
        "cloudwatch": cloudwatch(ALARM),
    }
    return cli


def cloudwatch(*alarms: dict[str, Any]) -> Any:
    pages = [{"MetricAlarms": [*alarms]}]
    return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: pages))


def failing(cli: CliHarness) -> list[str]:
    found = cli.json("doctor", exit_code=1)
    assert "CANARY" not in json.dumps(found)
    return [check["name"] for check in found["checks"] if not check["ok"]]


def test_a_healthy_stack_passes_and_the_limits_are_said(healthy: CliHarness) -> None:
    found = healthy.json("doctor")

    assert all(check["ok"] for check in found["checks"])
    assert any("same webhook secret" in each for each in found["not_proven"])


@pytest.mark.parametrize(
    ("secrets", "failed"),
    [
        ({"WebhookSecretArn": "CANARY", "VendorCredentialArn": CREDENTIAL}, "webhook secret"),
        ({"WebhookSecretArn": SECRET, "VendorCredentialArn": '{"api_key": "", "secret": ""}'}, "vendor credential"),
    ],
)
def test_doctor_finds_malformed_secrets(secrets: dict[str, str], failed: str, healthy: CliHarness) -> None:
    healthy.stack.clients["secretsmanager"] = secrets_manager(**secrets)

    assert failing(healthy) == [failed]


def test_doctor_finds_dead_letters_and_a_stopped_consumer(healthy: CliHarness) -> None:
    healthy.stack.queue("DeadLetterQueueUrl").add("body")
    healthy.stack.clients["lambda"] = SimpleNamespace(
        list_event_source_mappings=lambda **_: {"EventSourceMappings": [{"State": "Disabled"}]}
    )

    assert failing(healthy) == ["dead letters", "queue consumer"]


@pytest.mark.parametrize(
    ("alarms", "failed"),
    [
        ([{**ALARM, "StateValue": "ALARM"}], "alarms"),
        ([ALARM, {**ALARM, "AlarmActions": []}], "alarm topic"),
        ([{**ALARM, "ActionsEnabled": False}], "alarm topic"),
        ([], "alarm topic"),
    ],
)
def test_doctor_names_raised_alarms_and_alarms_that_notify_nobody(
    alarms: list[dict[str, Any]], failed: str, healthy: CliHarness
) -> None:
    healthy.stack.clients["cloudwatch"] = cloudwatch(*alarms)

    assert failing(healthy) == [failed]


def test_doctor_leaves_out_the_alarms_of_a_stack_whose_name_begins_alike(healthy: CliHarness) -> None:
    other = {**ALARM, "AlarmName": "stack-sandbox-DeadLettersAlarm-1", "StateValue": "ALARM", "AlarmActions": []}
    healthy.stack.clients["cloudwatch"] = cloudwatch(ALARM, other)

    assert all(check["ok"] for check in healthy.json("doctor")["checks"])


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    given = boto3.Session("AKIDEXAMPLE", "key", region_name="eu-central-1")
    monkeypatch.setattr(FakeStack, "session", given, raising=False)


@pytest.mark.parametrize(
    ("statuses", "image", "failed"),
    [
        ([200, 200], JPEG, []),
        ([403], b"", ["presigned URL"]),
        ([200, 403], b"<Error/>", ["presigned URL"]),
    ],
)
@pytest.mark.usefixtures("session", "posted")
def test_doctor_follows_a_ticket_from_the_webhook_to_its_image(
    statuses: list[int], image: bytes, failed: list[str], healthy: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API's request is signed, and the presigned URL's is not."""
    item = healthy.stack.add_ticket("t1")
    monkeypatch.setattr(test_webhook, "wait", lambda *_, **__: item)
    sent: list[tuple[str, Any]] = []

    def get(_: requests.Session, url: str, **given: Any) -> requests.Response:
        sent.append((url, given.get("headers")))
        answer = requests.Response()
        answer.status_code = statuses[len(sent) - 1]
        described = {"type": "DOCUMENT", "index": 0, "bytes": len(JPEG), "content_type": "image/jpeg"}
        until = {"expires_at": "2026-01-01T00:00:00Z", "content_disposition": "attachment"}
        signed = {"url": "https://bucket.test/signed", **until}
        listed = {"images": [{**described, **signed, "sha256": hashlib.sha256(JPEG).hexdigest()}]}
        answer._content = image if len(sent) == 2 else json.dumps(listed).encode()
        return answer

    monkeypatch.setattr(requests.Session, "get", get)
    found = healthy.json("doctor", "--ticket", "t1", exit_code=1 if failed else 0)

    assert [check["name"] for check in found["checks"] if not check["ok"]] == failed
    assert "webhook round trip" in {check["name"] for check in found["checks"]}
    assert [url for url, _ in sent] == [
        "https://archive.test/v1/tickets/t1/images?type=ALL&disposition=attachment", "https://bucket.test/signed"
    ][: len(sent)]  # fmt: skip
    assert "AKIDEXAMPLE" in sent[0][1]["Authorization"]
    assert [headers for _, headers in sent[1:]] == [None] * len(sent[1:])
    assert len(found["not_proven"]) == 1


def test_doctor_says_when_a_ticket_is_not_archived(
    healthy: CliHarness, posted: list[dict[str, Any]], session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_webhook, "wait", lambda *_, **__: None)
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: posted[0]["unexpected"])

    found = healthy.json("doctor", "--ticket", "t1", exit_code=1)

    assert {check["name"] for check in found["checks"] if not check["ok"]} == {"webhook round trip", "presigned URL"}
    assert all(check["proves"] for check in found["checks"])


# ─── rollback ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Lambda:
    """Functions with the alias `live`."""

    def __init__(self, versions: dict[str, list[str]], current: str) -> None:
        self.versions = versions
        self.live = dict.fromkeys(versions, current)
        self.updates: list[dict[str, str]] = []

    def get_alias(self, **given: str) -> dict[str, str]:
        name = given["FunctionName"]
        return {"FunctionVersion": self.live[name], "RevisionId": f"revision-{name}"}

    def get_paginator(self, _: str) -> Any:
        def paginate(**given: str) -> list[dict[str, Any]]:
            versions = ["$LATEST", *self.versions[given["FunctionName"]]]
            return [{"Versions": [{"Version": each}]} for each in versions]

        return SimpleNamespace(paginate=paginate)

    def update_alias(self, **given: str) -> None:
        self.updates.append(given)


def test_rollback_points_the_alias_at_the_version_before(cli: CliHarness) -> None:
    functions = Lambda({"IngestFunctionName": ["2", "9", "10", "11"], "RetrievalFunctionName": ["9", "10", "3"]}, "10")
    cli.stack.clients["lambda"] = functions

    planned = cli.json("rollback")
    assert [(each["current"], each["previous"]) for each in planned["changes"]] == [("10", "9"), ("10", "9")]
    assert functions.updates == []

    cli.json("rollback", "--yes")
    assert [(each["FunctionName"], each["FunctionVersion"], each["RevisionId"]) for each in functions.updates] == [
        ("IngestFunctionName", "9", "revision-IngestFunctionName"),
        ("RetrievalFunctionName", "9", "revision-RetrievalFunctionName"),
    ]


def test_one_function_can_be_rolled_back_alone(cli: CliHarness) -> None:
    functions = Lambda({"IngestFunctionName": ["9", "10"], "RetrievalFunctionName": ["10"]}, "10")
    cli.stack.clients["lambda"] = functions

    cli.json("rollback", "--only", "ingest", "--yes")

    assert [each["FunctionName"] for each in functions.updates] == ["IngestFunctionName"]


def test_rollback_leaves_a_function_without_an_earlier_version_as_it_is(cli: CliHarness) -> None:
    functions = Lambda({"IngestFunctionName": ["9", "10"], "RetrievalFunctionName": ["10"]}, "10")
    cli.stack.clients["lambda"] = functions

    result = cli("rollback", "--yes")

    assert result.exit_code == Exit.OK
    assert "RetrievalFunctionName has no earlier version" in result.stderr
    assert [each["FunctionName"] for each in functions.updates] == ["IngestFunctionName"]
    assert cli("rollback", "--only", "retrieval", "--yes").exit_code == Exit.FAILED
