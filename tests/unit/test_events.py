"""The sample events are current, have the form of API Gateway's and SQS's, and match their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.webhooks.event import TicketEvent, open_webhook
from ingest.webhooks.request import Rejected, parse_request
from local import events
from ticket_archive.errors import UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message
from ticket_archive.webhook_encryption import check_secret

FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(events.FOLDER.glob("*"))}
SECRETS = [check_secret(events.SECRET)]


def opened(webhook: Webhook) -> str:
    """Return kind and name, as in `completed invitation`, or the reason why the webhook is unreadable."""
    try:
        event = open_webhook(webhook, secrets=SECRETS, allow_plaintext=False)
    except UnreadableWebhook as error:
        return error.detail
    if not isinstance(event, TicketEvent) or event.ticket != events.TICKET:
        return "another ticket"
    return f"{event.kind} {event.name}"


def received(event: dict[str, Any]) -> str:
    """Return `opened` of a request's webhook, or the status of its rejection."""
    try:
        return opened(parse_request(event, None, "2026-01-15T09:30:00Z"))
    except Rejected as rejection:
        return str(rejection.status.value)


def test_the_files_are_current_and_no_others_stand_beside_them(tmp_path: Path) -> None:
    events.write(tmp_path, events.events())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in events.FOLDER.iterdir()
    }, "run: make events"


COMPLETED = "completed ticket.verification.completed"
IN_PROGRESS = "in_progress ticket.verification.in_progress"
MIXED = [COMPLETED, "message_malformed", "undecipherable", IN_PROGRESS, "request backfill by force"]
WEBHOOKS = {
    "webhook_completed_encrypted.json": COMPLETED,
    "webhook_completed_plaintext.json": "plaintext_refused",
    "webhook_in_progress_encrypted.json": IN_PROGRESS,
    "webhook_invitation_encrypted.json": "completed invitation",
    "webhook_older_generation.json": "completed verification.completed",
    "webhook_onboarding_awaiting.json": "in_progress onboarding.completed",
    "webhook_unrecognized_event.json": "unrecognized other",
    "webhook_envelope.json": COMPLETED,
    "webhook_no_ticket.json": "no_ticket",
    "webhook_other_content_type.json": COMPLETED,
    "webhook_no_content_type.json": COMPLETED,
    "webhook_malformed_ticket.json": "no_ticket",
    "webhook_odd_content_type.json": COMPLETED,
    "webhook_wrong_key.json": "undecipherable",
    "webhook_missing_iv.json": "iv_missing",
    "webhook_malformed_iv.json": "iv_malformed",
    "webhook_repeated_iv.json": "iv_malformed",
    "webhook_junk.json": "body_not_base64",
    "webhook_binary.json": COMPLETED,
    "webhook_empty.json": "400",
}


def test_each_webhook_opens_as_its_name_says() -> None:
    assert {name: received(event) for name, event in FILES.items() if name.startswith("webhook_")} == WEBHOOKS


REQUESTS = {name: event for name, event in FILES.items() if name.startswith(("webhook_", "retrieval_"))}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_agrees_with_itself(name: str) -> None:
    event: dict[str, Any] = REQUESTS[name]
    context = event["requestContext"]
    assert event["path"] == event["resource"].format(**(event["pathParameters"] or {}))
    assert (context["resourcePath"], context["httpMethod"]) == (event["resource"], event["httpMethod"])
    assert context["path"] == f"/{context['stage']}{event['path']}"
    assert event["headers"] == {header: values[-1] for header, values in event["multiValueHeaders"].items()}
    query = event["multiValueQueryStringParameters"]
    assert event["queryStringParameters"] == (query and {key: values[-1] for key, values in query.items()})


def read(body: str) -> str:
    try:
        message = read_message(body)
    except UnreadableWebhook as error:
        return error.detail
    if isinstance(message, TicketRequest):
        return f"request {message.kind} {'by force' if message.force else ''}".strip()
    return opened(message)


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("queue_completed_encrypted.json", [COMPLETED]),
        ("queue_ticket_request.json", ["request backfill"]),
        ("queue_batch_of_mixed.json", MIXED),
    ],
)
def test_a_batch_holds_what_its_name_says(name: str, outcomes: list[str]) -> None:
    assert [read(record["body"]) for record in FILES[name]["Records"]] == outcomes
