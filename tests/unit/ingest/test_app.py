"""The entry point: every event has one handler, or an error that names its source."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest import app
from ingest.handlers import schedule, sqs, webhook
from tests.support.fakes import FakeContext
from ticket_archive.event_source import UnsupportedEvent
from ticket_archive.telemetry import metrics

ROOT = Path(__file__).parents[3]
CONTEXT: Any = FakeContext()


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The handlers that were called."""
    called: list[str] = []

    def handler(name: str) -> Any:
        def handle(*_: Any) -> dict[str, Any]:
            called.append(name)
            metrics.add_metric(f"Handled{name}", "Count", 1)
            return {"handler": name}

        return handle

    for module, name in ((sqs, "Queue"), (schedule, "Schedule"), (webhook, "Webhook")):
        monkeypatch.setattr(module, "handle", handler(name))
    return called


def emitted(output: str) -> list[dict[str, Any]]:
    """Return the written metrics, in CloudWatch's embedded format."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


@pytest.mark.parametrize(("prefix", "name"), [("webhook", "Webhook"), ("queue", "Queue"), ("schedule", "Schedule")])
def test_every_sample_event_goes_to_its_handler_and_metrics_are_written(
    prefix: str, name: str, handled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((ROOT / "events").glob(f"{prefix}_*.json"))
    for file in files:
        assert app.lambda_handler(json.loads(file.read_text()), CONTEXT) == {"handler": name}
    assert handled == [name] * len(files)
    blobs = emitted(capsys.readouterr().out)
    assert [blob[f"Handled{name}"] for blob in blobs] == [[1.0]] * len(files)
    assert {blob["_aws"]["CloudWatchMetrics"][0]["Namespace"] for blob in blobs} == {"TicketArchive"}
    assert metrics.metric_set == {}


PROXY = {"resource": "/webhooks/tickets", "httpMethod": "POST", "requestContext": {"stage": "v1"}}
OTHERS: dict[str, tuple[object, str]] = {
    "another route": ({**PROXY, "resource": "/tickets/{ticket}"}, "REST API request POST /tickets/{ticket}"),
    "another method": ({**PROXY, "httpMethod": "GET"}, "REST API request GET /webhooks/tickets"),
    "generate-event apigateway aws-proxy": ({**PROXY, "resource": "/{proxy+}"}, "REST API request POST /{proxy+}"),
    "generate-event apigateway http-api-proxy": (
        {"version": "2.0", "routeKey": "$default", "requestContext": {"http": {"method": "POST"}}, "body": "x"},
        "HTTP API or function URL, payload 2.0",
    ),
    "REST authorizer": ({**PROXY, "type": "REQUEST", "methodArn": "arn:aws:execute-api:x"}, "Lambda authorizer"),
    "token authorizer": ({"type": "TOKEN", "authorizationToken": "x", "methodArn": "arn:x"}, "Lambda authorizer"),
    "HTTP authorizer": (
        {"version": "2.0", "type": "REQUEST", "routeArn": "arn:x", "requestContext": {"http": {}}},
        "Lambda authorizer",
    ),
    "WebSocket": ({"requestContext": {"connectionId": "x", "eventType": "CONNECT"}}, "WebSocket API"),
    "ALB": (
        {"httpMethod": "POST", "path": "/", "requestContext": {"elb": {"targetGroupArn": "arn:x"}}},
        "Application Load Balancer",
    ),
    "EventBridge": ({"version": "0", "detail-type": "Scheduled Event", "source": "aws.events"}, "EventBridge"),
    "S3": ({"Records": [{"eventSource": "aws:s3"}]}, "records of aws:s3"),
    "SNS": ({"Records": [{"EventSource": "aws:sns"}]}, "records of aws:sns"),
    "DynamoDB": ({"Records": [{"eventSource": "aws:dynamodb"}]}, "records of aws:dynamodb"),
    "Kinesis": ({"Records": [{"eventSource": "aws:kinesis"}]}, "records of aws:kinesis"),
    "SQS and S3": ({"Records": [{"eventSource": "aws:sqs"}, {"eventSource": "aws:s3"}]}, "records of aws:s3, aws:sqs"),
    "odd records": ({"Records": [7]}, "records of an unknown source"),
    "no records": ({"Records": []}, "unknown form"),
    "CloudWatch Logs": ({"awslogs": {"data": "x"}}, "unknown form"),
    "a bare body": ({"body": "x", "headers": {}}, "unknown form"),
    "nothing": ({}, "unknown form"),
    "a list": ([], "a JSON list"),
    "text": ("x", "a JSON str"),
}


@pytest.mark.parametrize(("event", "source"), OTHERS.values(), ids=OTHERS.keys())
def test_any_other_event_is_an_error_that_names_its_source_and_what_is_taken(
    event: Any, source: str, handled: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnsupportedEvent) as caught:
        app.lambda_handler(event, CONTEXT)
    assert source in str(caught.value)
    for taken in ("POST /webhooks/tickets", "SQS", "ticket-archive.schedule"):
        assert taken in str(caught.value)
    assert handled == []
    assert emitted(capsys.readouterr().out)[0]["ConfigurationErrors"] == [1.0]
