"""What the model says that a ticket calls is what the product calls: its handlers run, against the vendor's simulator.

AWS's clients are botocore's own; a request is answered where it would go out, and counted.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from bench import aws as stand_in
from bench import tickets as vendor_tickets
from bench.events import Context, completed, request
from bench.scale import calls, rates
from bench.scale.inputs import Ticket
from ingest import app, dependencies
from local.simulator import Simulator as Control
from local.vendor import Simulator
from tests.support.logs import log_lines
from ticket_archive import aws
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.telemetry import metrics

pytestmark = pytest.mark.loopback


class Recorder:
    """Answers every call to AWS as an empty account would, and keeps what was asked."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._secrets = secrets

    def attach(self, made: Any) -> Any:
        made.meta.events.register("before-call", self._answer)
        return made

    def names(self) -> Counter[str]:
        return Counter(name for name, _ in self.calls)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [asked for called, asked in self.calls if called == name]

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        service = model.service_model.service_name
        asked = {} if service == "s3" else json.loads(params["body"])
        self.calls.append((f"{service}.{model.name}", asked if service != "s3" else {"path": params["url_path"]}))
        answer: dict[str, Any] = {}
        if service == "dynamodb":
            answer = {"Items": [], **stand_in._table(model.name, asked)}
        elif service == "sqs":
            answer = {"MessageId": "00000000-0000-4000-8000-000000000000"}
        elif service == "secretsmanager":
            answer = {"SecretString": self._secrets[asked["SecretId"]]}
        return SimpleNamespace(status_code=200, headers={}), answer


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, vendor: Simulator) -> Iterator[Recorder]:
    credential = {name: getattr(vendor.credential, name) for name in ("api_key", "secret", "tenant", "env", "banknu")}
    recorder = Recorder({"credential": json.dumps(credential), "webhook": json.dumps({"secret": "0" * 32})})
    made = aws.client
    monkeypatch.setattr(aws, "client", lambda *given: recorder.attach(made(*given)))
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "TABLE_NAME": "tickets",
        "IDEMPOTENCY_TABLE_NAME": "idempotency",
        "BUCKET_NAME": "archive",
        "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/tickets",
        "QUARANTINE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/quarantine",
        "VENDOR_URL": vendor.url,
        "VENDOR_CREDENTIAL_SECRET": "credential",
        "WEBHOOK_SECRET": "webhook",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _forget()
    yield recorder
    _forget()


def _forget() -> None:
    for make in (dependencies.webhook, dependencies.sqs, dependencies.schedule):
        make.cache_clear()
    metrics.clear_metrics()


def handle(batch: Sequence[str]) -> None:
    assert app.lambda_handler(completed(batch), Context()) == {"batchItemFailures": []}


def prepared(vendor: Simulator, count: int = 1) -> list[str]:
    with closing(Control(vendor.url)) as control:
        return vendor_tickets.prepare(control, count, start=0)


def test_a_webhook_is_one_send(recorder: Recorder) -> None:
    assert app.lambda_handler(request("webhook_completed_encrypted"), Context())["statusCode"] == 202

    assert recorder.names() == {"sqs.SendMessage": calls.of(Ticket()).queue_sends}


def test_a_ticket_calls_what_the_model_counts(recorder: Recorder, vendor: Simulator) -> None:
    handle(prepared(vendor))

    counted = calls.of(Ticket())
    tables = Counter((asked["TableName"], name) for name, asked in recorder.calls if name.startswith("dynamodb."))
    assert tables == {
        ("idempotency", "dynamodb.PutItem"): counted.once_puts,
        ("idempotency", "dynamodb.UpdateItem"): counted.once_updates,
        ("tickets", "dynamodb.PutItem"): counted.table_puts,
        ("tickets", "dynamodb.UpdateItem"): counted.table_updates,
    }
    assert counted.table_gets == 0
    others = {name: count for name, count in recorder.names().items() if not name.startswith("dynamodb.")}
    assert others == {"s3.PutObject": counted.bucket_puts, "secretsmanager.GetSecretValue": rates.SECRET_READS}


def test_the_vendor_is_called_as_often_as_the_model_counts(recorder: Recorder, vendor: Simulator) -> None:
    batch = prepared(vendor, 10)
    handle(batch)

    counted = calls.of(Ticket())
    called = vendor.counts()["endpoints"]
    assert called == {"token": 1, "details": 10 * counted.vendor_details, "images": 10 * counted.vendor_images}


def test_a_batch_shares_its_secrets_and_its_token(recorder: Recorder, vendor: Simulator) -> None:
    handle(prepared(vendor, 10))

    counted = calls.of(Ticket())
    assert recorder.names()["secretsmanager.GetSecretValue"] == rates.SECRET_READS
    assert recorder.names()["s3.PutObject"] == 10 * counted.bucket_puts
    assert sum(count for name, count in recorder.names().items() if name.startswith("dynamodb.")) == 10 * counted.table


def test_items_are_as_large_as_the_model_has_them(recorder: Recorder, vendor: Simulator) -> None:
    handle(prepared(vendor))

    register, archive = (asked for asked in recorder.named("dynamodb.UpdateItem") if asked["TableName"] == "tickets")
    [event] = [asked["Item"] for asked in recorder.named("dynamodb.PutItem") if asked["TableName"] == "tickets"]
    details = int(archive["ExpressionAttributeValues"][":details_bytes"]["N"])
    item = {**_set(register), **_set(archive), **archive["Key"]}
    counted = calls.of(Ticket(details=details))
    assert counted.table_bytes == pytest.approx(_size(item) + _size(event), rel=0.1)
    units = math.ceil(_size(item) / calls.UNIT) + math.ceil(_size(event) / calls.UNIT) + 1  # and one to register
    assert abs(counted.table_units - counted.index_units - units) <= 1
    once = [asked for name, asked in recorder.calls if asked.get("TableName") == "idempotency"]
    assert all(_size({**_set(asked), **asked.get("Item", {}), **asked.get("Key", {})}) < calls.UNIT for asked in once)


def test_what_is_logged_is_about_as_long_as_the_model_has_it(
    recorder: Recorder, vendor: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    def logged(batch: Sequence[str] | None) -> int:
        metrics.clear_metrics()
        with log_lines() as lines:
            if batch is None:
                app.lambda_handler(request("webhook_completed_encrypted"), Context())
            else:
                handle(batch)
        return len(lines.getvalue().encode()) + len(capsys.readouterr().out.encode())

    tickets = prepared(vendor, 12)
    logged(tickets[:1])  # the first fetches a token
    one, ten = logged(tickets[1:2]), logged(tickets[2:])
    ticket = (ten - one) / 9
    assert logged(None) == pytest.approx(calls.LOGGED_WEBHOOK, rel=0.15)
    assert ticket == pytest.approx(calls.LOGGED_TICKET, rel=0.15)
    assert one - ticket == pytest.approx(calls.LOGGED_BATCH, rel=0.15)


def test_a_failed_attempt_calls_what_the_model_counts(recorder: Recorder, vendor: Simulator) -> None:
    [ticket] = prepared(vendor)
    for endpoint in ("details", "images"):
        vendor.script("unavailable", endpoint, times=None)
    answer = app.lambda_handler(completed([ticket]), Context())

    assert len(answer["batchItemFailures"]) == 1
    failed = calls.FailedAttempt()
    tables = Counter((asked["TableName"], name) for name, asked in recorder.calls if name.startswith("dynamodb."))
    assert tables == {
        ("idempotency", "dynamodb.PutItem"): failed.once_puts,
        ("idempotency", "dynamodb.DeleteItem"): failed.once_deletes,
        ("tickets", "dynamodb.PutItem"): failed.table_puts,
        ("tickets", "dynamodb.UpdateItem"): failed.table_updates,
    }
    assert recorder.names()["sqs.ChangeMessageVisibility"] == failed.queue_changes
    assert not recorder.named("s3.PutObject")


def test_the_schedule_looks_once_where_nothing_is_incomplete(recorder: Recorder) -> None:
    app.lambda_handler({"source": SCHEDULE_SOURCE}, Context())

    assert recorder.names() == {"dynamodb.Query": 1}


def _set(asked: dict[str, Any]) -> dict[str, Any]:
    """What an UpdateItem sets, by the attributes' names."""
    values = asked.get("ExpressionAttributeValues", {})
    return {
        name[1:]: values[f":{name[1:]}"]
        for name in asked.get("ExpressionAttributeNames", {})
        if f":{name[1:]}" in values
    }


def _size(item: Any) -> int:
    """Bytes as DynamoDB counts them (developer guide, item sizes and formats)."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: dict[str, Any]) -> int:
    [(kind, held)] = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return len(held) // 2 + 1
        case "M":
            return 3 + len(held) + _size(held)
        case "L":
            return 3 + len(held) + sum(map(_value, held))
    return 1
