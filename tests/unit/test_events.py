"""The sample events: current, of API Gateway's, SQS's and Scheduler's form, and what their names say."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.webhooks.event import open_webhook
from ingest.webhooks.request import Rejected, parse_request
from local import events
from ticket_archive.errors import UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message
from ticket_archive.webhook_encryption import check_secret

FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(events.FOLDER.glob("*"))}
SECRETS = [check_secret(events.SECRET)]


def opened(webhook: Webhook, *, plaintext: bool = False) -> str:
    """`completed invitation`, or the reason why not."""
    try:
        event = open_webhook(webhook, secrets=SECRETS, allow_plaintext=plaintext)
    except UnreadableWebhook as error:
        return error.detail
    if event.ticket != events.TICKET:
        return "another ticket"
    return f"{event.kind} {event.name}"


def received(event: dict[str, Any]) -> str:
    """What becomes of a request: as `opened` says, or the status."""
    try:
        return opened(parse_request(event, None, "2026-01-15T09:30:00Z"))
    except Rejected as rejection:
        return str(rejection.status.value)


# ─── The files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_are_current_and_no_others_stand_beside_them(tmp_path: Path) -> None:
    events.write(tmp_path, events.events())

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in events.FOLDER.iterdir()
    }, "run: make events"


def test_other_secrets_and_tickets_can_be_asked_for() -> None:
    secret = "a-stack-of-its-own-has-its-own-s"
    event = events.events(secret, "T-1")["webhook_completed_encrypted.json"]
    webhook = parse_request(event, None, "2026-01-15T09:30:00Z")
    assert open_webhook(webhook, secrets=[check_secret(secret)], allow_plaintext=False).ticket == "T-1"
    assert opened(webhook) == "undecipherable"


# ─── Webhook handler ────────────────────────────────────────────────────────────────────────────────────────────────

COMPLETED = "completed ticket.verification.completed"
WEBHOOKS = {
    "webhook_completed_encrypted.json": COMPLETED,
    "webhook_completed_plaintext.json": "plaintext_refused",
    "webhook_in_progress_encrypted.json": "in_progress ticket.verification.in_progress",
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


def test_every_webhook_file_is_expected_here() -> None:
    assert {name for name in FILES if name.startswith("webhook_")} == WEBHOOKS.keys()


@pytest.mark.parametrize(("name", "outcome"), WEBHOOKS.items())
def test_a_webhook_opens_as_its_name_says(name: str, outcome: str) -> None:
    assert received(FILES[name]) == outcome


def test_a_plaintext_webhook_opens_where_it_is_allowed() -> None:
    webhook = parse_request(FILES["webhook_completed_plaintext.json"], None, "2026-01-15T09:30:00Z")
    assert opened(webhook, plaintext=True) == COMPLETED


# ─── API Gateway's form ─────────────────────────────────────────────────────────────────────────────────────────────

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


@pytest.mark.parametrize("name", REQUESTS)
def test_retrieval_is_signed_and_the_webhook_is_not(name: str) -> None:
    event = REQUESTS[name]
    caller = event["requestContext"]["identity"]["userArn"]
    if name.startswith("retrieval_"):
        assert (event["httpMethod"], caller) == ("GET", "arn:aws:sts::123456789012:assumed-role/reviewer/session")
    else:
        assert (event["httpMethod"], event["resource"], caller) == ("POST", "/webhooks/tickets", None)


def test_every_route_of_the_retrieval_api_has_an_event() -> None:
    assert {event["resource"] for name, event in FILES.items() if name.startswith("retrieval_")} == {
        "/tickets/{ticket}",
        "/tickets/{ticket}/details",
        "/tickets/{ticket}/images",
        "/tickets/{ticket}/images/{sha256}",
        "/customers/{customer}/tickets",
    }


# ─── SQS handler and schedule handler ───────────────────────────────────────────────────────────────────────────────


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
        (
            "queue_batch_of_mixed.json",
            [
                COMPLETED,
                "message_malformed",
                "undecipherable",
                "in_progress ticket.verification.in_progress",
                "request backfill by force",
            ],
        ),
    ],
)
def test_a_batch_holds_what_its_name_says(name: str, outcomes: list[str]) -> None:
    assert [read(record["body"]) for record in FILES[name]["Records"]] == outcomes


def test_a_record_has_the_form_of_sqs() -> None:
    records = [record for event in FILES.values() for record in event.get("Records", [])]
    assert len(records) == 7
    for record in records:
        assert record["eventSource"] == "aws:sqs"
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
        assert {"ApproximateReceiveCount", "SentTimestamp"} <= record["attributes"].keys()
    batch = FILES["queue_batch_of_mixed.json"]["Records"]
    assert len({record["messageId"] for record in batch}) == len(batch)
