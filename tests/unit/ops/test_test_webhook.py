"""The trial webhook is what the vendor would send, and no two are the same event."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest
import requests
from pydantic import SecretStr

from ingest.webhooks.event import EventKind, open_webhook
from ops import test_webhook
from tests.unit.ops.cli_harness import ArchiveHarness
from ticket_archive.messages import Webhook
from ticket_archive.table import TicketTable
from ticket_archive.webhook_credentials import WebhookCredentials

SECRET = b"0123456789abcdef0123456789abcdef"
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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (test_webhook.Event.COMPLETED, (EventKind.COMPLETED, "ticket.verification.completed")),
        (test_webhook.Event.IN_PROGRESS, (EventKind.IN_PROGRESS, "ticket.verification.in_progress")),
        (test_webhook.Event.INVITATION, (EventKind.COMPLETED, "invitation")),
    ],
)
def test_what_is_posted_opens_as_the_event_it_says(
    kind: test_webhook.Event, expected: tuple[EventKind, str], posted: list[dict[str, Any]]
) -> None:
    code, answer = test_webhook.post(URL, test_webhook.event(kind, "t1", "mark"), SECRET)

    [sent] = posted
    webhook = Webhook(
        body=sent["data"],
        iv=sent["headers"]["x-pvt-cipher-iv"],
        content_type=sent["headers"]["Content-Type"],
        received_at="2026-01-15T09:30:00Z",
    )
    event = open_webhook(webhook, secrets=[SECRET], allow_plaintext=False)
    assert (event.kind, event.name) == expected
    assert event.ticket == "t1"
    assert (code, answer) == (202, '{"status": "accepted"}')


def test_a_redirect_is_not_followed_and_no_wait_is_endless(posted: list[dict[str, Any]]) -> None:
    test_webhook.post(URL, {}, SECRET, ca_bundle="/ca.pem")

    assert (posted[0]["allow_redirects"], posted[0]["timeout"], posted[0]["verify"]) == (False, (5, 30), "/ca.pem")


def test_the_credentials_of_webhooks_are_carried(posted: list[dict[str, Any]]) -> None:
    test_webhook.post(URL, {}, SECRET, WebhookCredentials(header="x-shared", value=SecretStr("value")))

    assert posted[0]["headers"]["x-shared"] == "value"


def test_each_initialisation_vector_is_new(posted: list[dict[str, Any]]) -> None:
    for _ in range(2):
        test_webhook.post(URL, {}, SECRET)

    assert len({sent["headers"]["x-pvt-cipher-iv"] for sent in posted}) == 2


@pytest.mark.parametrize("kind", test_webhook.Event)
def test_a_second_trial_is_another_event(kind: test_webhook.Event) -> None:
    first, second = (test_webhook.event(kind, "t1", mark) for mark in "ab")

    assert json.dumps(first) != json.dumps(second)


def test_waiting_ends_when_a_newer_fetch_is_archived() -> None:
    house = ArchiveHarness()
    before = house.archive("t1")

    def sleep(_: float) -> None:
        house.items["t1"] = replace(before, fetched_at="2026-01-31T12:00:09.000000Z")

    found = test_webhook.wait(cast("TicketTable", house), "t1", before, 10, clock=lambda: 0.0, sleep=sleep)

    assert found is house.items["t1"]


def test_waiting_ends_in_time() -> None:
    house = ArchiveHarness()
    before = house.archive("t1")
    ticks = iter(range(100))

    found = test_webhook.wait(
        cast("TicketTable", house), "t1", before, 5, clock=lambda: float(next(ticks)), sleep=lambda _: None
    )

    assert found is None
