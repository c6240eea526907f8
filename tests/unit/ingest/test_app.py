"""The ingest function's one handler: which event goes to which door."""

import gc
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest import app
from ingest.handlers import schedule as schedule_handler
from ingest.handlers import sqs as sqs_handler
from ingest.handlers import webhook as webhook_handler
from ticket_archive.telemetry import metrics

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "events"
CONTEXT: Any = SimpleNamespace(aws_request_id="r1", function_name="ingest", get_remaining_time_in_millis=lambda: 60_000)


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The doors that were gone through."""
    gone: list[str] = []

    def door(name: str) -> Any:
        def handle(*_: Any) -> dict[str, Any]:
            gone.append(name)
            metrics.add_metric(f"Through{name}", "Count", 1)
            return {"door": name}

        return handle

    for module, name in ((sqs_handler, "Queue"), (schedule_handler, "Schedule"), (webhook_handler, "Webhook")):
        monkeypatch.setattr(module, "handle", door(name))
    return gone


def emitted(output: str) -> list[dict[str, Any]]:
    """The metrics that were written, in CloudWatch's embedded format."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


@pytest.mark.parametrize(
    ("event", "door"),
    [
        ({"Records": []}, "Queue"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "Queue"),
        ({"source": "ticket-archive.schedule"}, "Schedule"),
        ({"source": "aws.events"}, "Webhook"),
        ({"httpMethod": "POST", "path": "/webhooks/tickets", "headers": {}, "body": "x"}, "Webhook"),
        ({}, "Webhook"),
    ],
)
def test_an_event_goes_through_one_door_and_its_metrics_are_written(
    event: dict[str, Any], door: str, doors: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.lambda_handler(event, CONTEXT) == {"door": door}
    assert doors == [door]
    (blob,) = emitted(capsys.readouterr().out)
    assert blob[f"Through{door}"] == [1.0]
    assert blob["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "TicketArchive"
    assert metrics.metric_set == {}


def test_metrics_are_written_even_if_a_door_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle() -> dict[str, Any]:
        metrics.add_metric("BeforeTheFailure", "Count", 1)
        raise ConnectionError

    monkeypatch.setattr(schedule_handler, "handle", handle)
    with pytest.raises(ConnectionError):
        app.lambda_handler({"source": app.SCHEDULE_SOURCE}, CONTEXT)
    assert emitted(capsys.readouterr().out)[0]["BeforeTheFailure"] == [1.0]


@pytest.mark.parametrize("event", [{}, {"source": "aws.s3"}, {"headers": None, "body": None}])
def test_an_unknown_event_is_refused_as_a_request_of_the_wrong_form(
    event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = webhook_handler.Collaborators(None, lambda: None)
    monkeypatch.setattr(webhook_handler, "collaborators", lambda: made)
    assert app.lambda_handler(event, CONTEXT)["statusCode"] == 415


@pytest.mark.parametrize(
    ("pattern", "door"), [("webhook_*.json", "Webhook"), ("queue_*.json", "Queue"), ("schedule_*.json", "Schedule")]
)
def test_the_example_events_go_where_their_names_say(pattern: str, door: str, doors: list[str]) -> None:
    files = sorted(EVENTS.glob(pattern))
    assert files
    for file in files:
        app.lambda_handler(json.loads(file.read_text()), CONTEXT)
    assert doors == [door] * len(files)


def test_a_cold_start_loads_no_door_and_makes_nothing() -> None:
    # GIVEN a fresh interpreter WHEN it loads the handler
    heavy = ("ingest.", "cryptography", "requests", "pydantic")
    script = f"import sys, ingest.app; print([name for name in sys.modules if name.startswith({heavy})])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT / "layers"), str(ROOT / "functions")])},
        capture_output=True,
        text=True,
        check=True,
    )
    # THEN a snapshot of it holds no client, no secret, no connection
    assert done.stdout.strip() == "['ingest.app']"


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_looked_for_once_the_first_event_is_done(
    doors: list[str], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def door(*_: Any) -> dict[str, Any]:
        assert not gc.isenabled()
        metrics.add_metric("Through", "Count", 1)
        if fails:
            raise SystemError
        return {}

    monkeypatch.setattr(webhook_handler, "handle", door)
    gc.disable()
    try:
        with pytest.raises(SystemError) if fails else nullcontext():
            app.lambda_handler({}, CONTEXT)
        assert gc.isenabled()
    finally:
        gc.enable()


def test_no_garbage_is_looked_for_while_the_function_is_loaded() -> None:
    code = "import gc; from ingest import app; raise SystemExit(gc.isenabled())"
    path = os.pathsep.join([str(ROOT / "functions"), str(ROOT / "layers")])
    environment = {"PYTHONPATH": path, "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
