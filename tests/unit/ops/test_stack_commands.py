"""`send-test-webhook`, `doctor` and `rollback`."""

import hashlib
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast, get_args
from unittest.mock import Mock

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from ops.commands import doctor, send_test_webhook
from ops.errors import Exit
from ops.stack import Stack
from tests.unit.ops.cli_harness import JPEG, SECRET, CliHarness, FakeQueue, FakeStack, paginated
from ticket_archive.webhook_encryption import decrypt_event

URL = "https://archive.test/v1/webhooks/tickets"


def response(status: int, body: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, body
    return made


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []

    def post(http: requests.Session, url: str, body: bytes, **given: Any) -> requests.Response:
        kept.append({"url": url, "data": body, "auth": http.auth, **given})
        return response(202, b'{"status": "accepted"}')

    monkeypatch.setattr(requests.Session, "post", post)
    return kept


# ─── send-test-webhook ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", get_args(send_test_webhook.Event))
def test_a_test_webhook_decrypts_to_its_event_under_a_new_iv(
    kind: send_test_webhook.Event, with_secret: CliHarness, posted: list[dict[str, Any]]
) -> None:
    events = [send_test_webhook.event_of(kind, "t1", mark) for mark in "ab"]
    for event in events:
        assert send_test_webhook.send(cast("Stack", with_secret.stack), event) == (202, '{"status": "accepted"}')
    assert events[0] != events[1], "it would be a duplicate"
    ivs = [sent["headers"]["x-pvt-cipher-iv"] for sent in posted]
    assert ivs[0] != ivs[1]
    assert [decrypt_event(sent["data"], iv, [SECRET.encode()]) for sent, iv in zip(posted, ivs, strict=True)] == events
    for sent in posted:
        assert (sent["url"], sent["allow_redirects"], sent["timeout"]) == (URL, False, (5, 30))


def test_webhook_credentials_are_sent(with_secret: CliHarness, posted: list[dict[str, Any]]) -> None:
    with_secret.stack.parameters = {"WebhookCredentialsSecretArn": "arn"}
    with_secret.stack.secrets["arn"] = '{"header": "X-Shared", "value": "value"}'
    result = with_secret("send-test-webhook")
    assert result.exit_code == Exit.OK
    assert posted[0]["headers"]["x-shared"] == "value"
    assert posted[0]["auth"](posted[0]) is posted[0], "nothing of ~/.netrc replaces them"
    assert "Not tested: whether the vendor has this secret" in result.stderr


@pytest.mark.parametrize("fetched_at", ["2026-01-31T12:00:09.000000Z", None])
def test_waiting_ends_when_a_newer_fetch_is_archived_or_the_time_is_over(
    fetched_at: str | None, fake: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ticks = fake.add_ticket("t1"), iter(range(100))

    def sleep(_: float) -> None:
        fake.change("t1", fetched_at=fetched_at or before.fetched_at)

    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)), sleep=sleep)
    monkeypatch.setattr("ops.commands.send_test_webhook.time", clock)
    found = send_test_webhook.wait_until_archived(fake.table, "t1", before, 5)
    assert found == (fake.item("t1") if fetched_at else None)


# ─── doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────

CREDENTIAL = json.dumps({"api_key": "CANARY", "secret": "CANARY"})
ALARM: dict[str, Any] = {
    "AlarmName": "stack-DeadLettersAlarm-1",
    "StateValue": "OK",
    "ActionsEnabled": True,
    "AlarmActions": ["arn:aws:sns:eu-central-1:000000000000:topic"],
}
OF_ANOTHER_STACK = {**ALARM, "AlarmName": "stack-sandbox-DeadLettersAlarm-1", "StateValue": "ALARM", "AlarmActions": []}


def consumed(state: str) -> Any:
    return SimpleNamespace(list_event_source_mappings=lambda **_: {"EventSourceMappings": [{"State": state}]})


def received(queue: FakeQueue) -> None:
    """Let somebody else have received the queue's only message."""
    queue.add("CANARY")
    queue.receive(1)


def alarms(*found: dict[str, Any]) -> Callable[[FakeStack], None]:
    return lambda stack: stack.clients.update(cloudwatch=paginated({"MetricAlarms": [*found]}))


@pytest.fixture
def healthy(with_secret: CliHarness) -> CliHarness:
    alarms(ALARM, OF_ANOTHER_STACK)(with_secret.stack)
    with_secret.stack.clients["lambda"] = consumed("Enabled")
    with_secret.stack.secrets["VendorCredentialArn"] = CREDENTIAL
    return with_secret


def test_a_healthy_stack_passes_and_the_limits_are_said(healthy: CliHarness) -> None:
    found = healthy.json("doctor")
    assert all(check["ok"] for check in found["checks"])
    assert any("same webhook secret" in each for each in found["not_proven"])


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        (lambda stack: stack.secrets.update(WebhookSecretArn="CANARY"), "webhook secret"),
        (lambda stack: stack.secrets.update(VendorCredentialArn='{"api_key": "", "secret": ""}'), "vendor credential"),
        (lambda stack: stack.queue("DeadLetterQueueUrl").add("CANARY"), "dead letters"),
        (lambda stack: received(stack.queue("QuarantineQueueUrl")), "quarantine"),
        (lambda stack: stack.clients.update({"lambda": consumed("Disabled")}), "queue consumer"),
        (alarms({**ALARM, "StateValue": "ALARM"}), "alarms"),
        (alarms(ALARM, {**ALARM, "AlarmActions": []}), "alarm topic"),
        (alarms({**ALARM, "ActionsEnabled": False}), "alarm topic"),
        (alarms(), "alarm topic"),
    ],
)
def test_doctor_names_what_is_at_fault_and_runs_the_other_checks(
    fault: Callable[[FakeStack], None], failed: str, healthy: CliHarness
) -> None:
    fault(healthy.stack)
    found = healthy.json("doctor", exit_code=1)
    assert [check["name"] for check in found["checks"] if not check["ok"]] == [failed]
    assert "CANARY" not in json.dumps(found)


@pytest.mark.parametrize(
    ("archived", "statuses", "image", "failed"),
    [
        (True, [200, 200], JPEG, []),
        (True, [403], b"", ["presigned URL"]),
        (True, [200, 403], b"<Error/>", ["presigned URL"]),
        (True, [200, 200], b"another", ["presigned URL"]),
        (False, [200, 200], JPEG, ["webhook round trip"]),
    ],
)
@pytest.mark.usefixtures("posted")
def test_doctor_follows_a_ticket_from_the_webhook_to_its_image(
    archived: bool,
    statuses: list[int],
    image: bytes,
    failed: list[str],
    healthy: CliHarness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The API's request is signed, and the presigned URL's is not."""
    item = healthy.stack.add_ticket("t1")
    monkeypatch.setattr(doctor, "wait_until_archived", lambda *_: item if archived else None)
    session = boto3.Session("AKIDEXAMPLE", "key", region_name="eu-central-1")
    monkeypatch.setattr(FakeStack, "session", session, raising=False)
    described = {"type": "DOCUMENT", "index": 0, "bytes": len(JPEG), "content_type": "image/jpeg"}
    presigned = "https://bucket.test/signed"
    signed = {"url": presigned, "expires_at": "2026-01-01T00:00:00Z", "content_disposition": "inline"}
    listed = {"images": [{**described, **signed, "sha256": hashlib.sha256(JPEG).hexdigest()}]}
    sent: list[tuple[str, Any]] = []

    def get(_: requests.Session, url: str, **given: Any) -> requests.Response:
        sent.append((url, given.get("headers")))
        return response(statuses[len(sent) - 1], image if len(sent) == 2 else json.dumps(listed).encode())

    monkeypatch.setattr(requests.Session, "get", get)
    found = healthy.json("doctor", "--ticket", "t1", exit_code=1 if failed else 0)

    assert [check["name"] for check in found["checks"] if not check["ok"]] == failed
    api = "https://archive.test/v1/tickets/t1/images?type=ALL&disposition=attachment"
    assert [url for url, _ in sent] == [api, presigned][: len(statuses)]
    assert "AKIDEXAMPLE" in sent[0][1]["Authorization"]
    assert [headers for _, headers in sent[1:]] == [None] * len(sent[1:])
    assert len(found["not_proven"]) == 1


def test_an_interrupted_doctor_shows_the_checks_until_then(
    healthy: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "send", Mock(side_effect=KeyboardInterrupt))
    found = healthy.json("doctor", "--ticket", "t1", exit_code=130)
    assert [check["name"] for check in found["checks"]][-1] == "alarm topic"


# ─── rollback ─────────────────────────────────────────────────────────────────────────────────────────────────────


TWO = ("9", "10")


class Lambda:
    """Functions with these versions, and the alias `live` at version 10."""

    def __init__(self, cli: CliHarness, ingest: Sequence[str] = TWO, retrieval: Sequence[str] = TWO) -> None:
        cli.stack.clients["lambda"] = self
        self.versions = {"IngestFunctionName": ingest, "RetrievalFunctionName": retrieval}
        self.deployed = dict.fromkeys(self.versions, "2026-01-31T09:00:00.000+0000")
        self.updates: list[tuple[str, ...]] = []
        self.weights: dict[str, float] = {}
        self.refused: str | None = None
        self.state = "Active"

    def get_alias(self, **given: str) -> dict[str, Any]:
        alias = {"FunctionVersion": "10", "RevisionId": f"revision-{given['FunctionName']}"}
        return {**alias, "RoutingConfig": {"AdditionalVersionWeights": self.weights}} if self.weights else alias

    def get_function_configuration(self, **given: str) -> dict[str, str]:
        assert given["Qualifier"] == "9"
        return {"State": self.state}

    def get_paginator(self, _: str) -> Any:
        def paginate(FunctionName: str) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
            current, modified = self.deployed[FunctionName], "2026-01-30T09:00:00.000+0000"
            times = {each: current if each == "10" else modified for each in ("$LATEST", *self.versions[FunctionName])}
            return [{"Versions": [{"Version": each, "LastModified": at}]} for each, at in times.items()]

        return SimpleNamespace(paginate=paginate)

    def update_alias(self, **given: str) -> None:
        if given["FunctionName"] == self.refused:
            raise ClientError({"Error": {"Code": "PreconditionFailedException"}}, "UpdateAlias")
        self.updates.append((given["FunctionName"], given["FunctionVersion"], given["RevisionId"]))


@pytest.mark.parametrize(
    ("retrieval", "options", "changed"),
    [
        (["9", "10", "3"], [], ["Ingest", "Retrieval"]),
        (["9", "10", "3"], ["--only", "ingest"], ["Ingest"]),
        (["10"], [], ["Ingest"]),
    ],
)
def test_rollback_points_the_alias_at_the_version_before_where_there_is_one(
    retrieval: list[str], options: list[str], changed: list[str], cli: CliHarness
) -> None:
    functions = Lambda(cli, ["2", "9", "10", "11"], retrieval)
    functions.deployed["RetrievalFunctionName"] = "2026-01-31T09:10:00.000+0000"  # a deployment takes minutes
    names = [f"{each}FunctionName" for each in changed]

    planned = cli.json("rollback", *options)["changes"]
    shown = [(each["function"], each["current"], each["previous"]) for each in planned]
    assert shown == [(name, "10", "9") for name in names]
    assert functions.updates == []

    result = cli("rollback", *options, "--yes")
    assert functions.updates == [(name, "9", f"revision-{name}") for name in names]
    assert "2026-01-30T09:00:00" in result.stdout, "which tells a version that a failed update left"
    assert ("RetrievalFunctionName has no earlier version" in result.stderr) == (retrieval == ["10"])


def test_rollback_leaves_a_function_alone_that_the_last_deployment_did_not_change(cli: CliHarness) -> None:
    functions = Lambda(cli)
    functions.deployed["RetrievalFunctionName"] = "2026-01-31T08:00:00.000+0000"
    result = cli("rollback", "--yes")
    assert [name for name, *_ in functions.updates] == ["IngestFunctionName"]
    assert "RetrievalFunctionName stays as it is" in result.stderr
    cli("rollback", "--only", "retrieval", "--yes")
    assert [name for name, *_ in functions.updates][1:] == ["RetrievalFunctionName"]


def test_rollback_during_a_gradual_deployment_leaves_it_to_codedeploy(cli: CliHarness) -> None:
    """The alias is still at the earlier version then, and CodeDeploy would shift on."""
    functions = Lambda(cli, (*TWO, "11"), (*TWO, "11"))
    functions.weights = {"11": 0.1}
    cli.fails("rollback", "--yes", said="aws deploy stop-deployment")
    assert functions.updates == []


def test_rollback_says_what_was_done_before_an_error(cli: CliHarness) -> None:
    Lambda(cli).refused = "RetrievalFunctionName"
    result = cli("rollback", "--yes", "--json")
    assert result.exit_code == Exit.FAILED
    done = {each["function"]: each["done"] for each in json.loads(result.stdout)["changes"]}
    assert done == {"IngestFunctionName": True, "RetrievalFunctionName": False}
    assert "PreconditionFailedException" in result.stderr


@pytest.mark.parametrize("state", ["Active", "Inactive"])
def test_rollback_warns_of_a_version_whose_snapshot_lambda_has_deleted(state: str, cli: CliHarness) -> None:
    Lambda(cli).state = state
    result = cli("rollback", "--only", "ingest")
    warned = "aws lambda invoke --function-name IngestFunctionName --qualifier 9" in result.stderr
    assert warned == (state == "Inactive")


def test_rollback_without_any_earlier_version_exits_1(cli: CliHarness) -> None:
    Lambda(cli, ["10"], ["10"])
    assert cli("rollback", "--yes").exit_code == Exit.FAILED
