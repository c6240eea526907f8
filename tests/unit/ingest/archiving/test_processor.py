"""Queue messages: archived, quarantined, or raised again."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ingest.archiving.models import ProcessingResult, Result
from ingest.archiving.processor import Message
from tests.support.archive_harness import (
    COMPLETED,
    MAX_RECEIVES,
    RECEIVED_AT,
    RETRY_DELAY,
    SECRET,
    TICKET,
    ArchiveHarness,
    webhook,
)
from tests.support.logs import log_lines
from ticket_archive.clock import iso
from ticket_archive.errors import SettingsError, TicketIncomplete, UnreadableWebhook, VendorAuthError, VendorUnavailable
from ticket_archive.messages import Webhook, ticket_message, webhook_message
from ticket_archive.table import Due

OTHER = b"fedcba9876543210fedcba9876543210"
UNRECOGNIZED = [
    {"ticket": TICKET, "event": "ticket.verification.expired"},
    {"data": {"ticket": TICKET, "event": "something.new"}},
    {"ticket": TICKET},
]


@dataclass
class ProcessorHarness(ArchiveHarness):
    """A MessageProcessor among fakes. `secrets` are the live webhook secrets, or what reading them raises."""

    secrets: Sequence[bytes] | Exception = (SECRET,)
    plaintext: bool = False

    def do(self, body: str, receives: int = 1) -> ProcessingResult:
        self.clock.pass_by(RETRY_DELAY)
        processor = self.processor(secrets=self._secrets, allow_plaintext=self.plaintext)
        message = Message(body, "2026-01-15T09:29:00.000000Z", receives, final=receives >= MAX_RECEIVES)
        return processor.process(message, time.monotonic() + 5)

    def later(self, event: object = COMPLETED) -> str:
        """Return a webhook that arrives more than a minute after everything before."""
        self.clock.pass_by(61)
        return webhook(event, received_at=iso(self.clock()))

    def _secrets(self) -> Sequence[bytes]:
        if isinstance(self.secrets, Exception):
            raise self.secrets
        return self.secrets


@pytest.fixture
def harness() -> ProcessorHarness:
    harness = ProcessorHarness()
    harness.has()
    return harness


class TestACompletion:
    def test_that_is_delivered_again_is_a_duplicate_without_a_vendor_call(self, harness: ProcessorHarness) -> None:
        harness.do(webhook())
        harness.effects.log.clear()
        again = harness.do(webhook(iv=b"another vector.."))
        assert again.result == "duplicate"
        assert harness.effects.named("vendor") == []
        assert harness.effects.named("table") == [f"table.get {TICKET}"], "one read, no write"

    def test_equal_to_an_earlier_one_is_archived_if_the_ticket_returned_to_that_state(
        self, harness: ProcessorHarness
    ) -> None:
        # GIVEN a ticket that was accepted, then rejected
        harness.do(webhook())
        harness.has("REJECTED")
        harness.do(harness.later({**COMPLETED, "flow_status": "REJECTED", "disposition": "FAILED"}))
        # WHEN it is accepted again, and the vendor sends the very same event as the first time
        harness.has("ACCEPTED")
        again = harness.do(harness.later())
        # THEN that is a version of its own, and a further delivery of the event is a duplicate
        assert again.result == "archived"
        assert harness.do(harness.later()).result == "duplicate"
        assert harness.outcomes() == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        harness.check()

    def test_equal_to_an_earlier_one_is_fetched_after_an_hour(self, harness: ProcessorHarness) -> None:
        """An event has no time, and does not name what changes in the details."""
        harness.do(webhook())
        harness.has("ACCEPTED", full_name="Jane Doe")
        assert harness.do(harness.later()).result == "duplicate"
        harness.clock.pass_by(3600)
        assert harness.do(harness.later()).result == "archived"
        assert harness.table[TICKET].attributes["details"]["full_name"] == "Jane Doe"
        harness.clock.pass_by(3600)
        assert harness.do(harness.later()).result == "unchanged"
        assert harness.do(harness.later()).result == "duplicate"
        harness.check()

    def test_that_is_delivered_again_changes_nothing_if_the_idempotency_store_was_lost(
        self, harness: ProcessorHarness
    ) -> None:
        harness.do(webhook())
        harness.store.records.clear()
        assert harness.do(webhook()).result == "superseded"
        assert harness.do(harness.later()).result == "duplicate"
        harness.check()

    def test_of_a_pending_ticket_sends_a_delayed_message(self, harness: ProcessorHarness) -> None:
        harness.vendor.next("DOCUMENT", ())
        with log_lines() as lines:
            done = harness.do(webhook())
        assert (done.result, done.codes().keys() & {"retry_in", "force"}) == ("pending", set())
        [line] = lines.with_message("settle scheduled")
        assert (line["correlation_id"], line["ticket"]) == ("message-1", TICKET)
        [(body, delay)] = harness.queue.sent
        assert (json.loads(body)["ticket"], 0 < delay <= 900) == (TICKET, True)
        assert harness.do(body).result == "archived"
        harness.check()

    def test_of_a_newer_state_that_is_pending_sends_a_message_that_fetches_the_archived_ticket(
        self, harness: ProcessorHarness
    ) -> None:
        harness.do(webhook())
        harness.has("REJECTED")
        harness.vendor.next("DOCUMENT", ())
        assert harness.do(harness.later({**COMPLETED, "flow_status": "REJECTED"})).result == "pending"
        [(body, _)] = harness.queue.sent
        assert harness.do(body).result == "archived"
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]


class TestOtherEvents:
    def test_an_event_in_progress_is_processed_without_any_call(self, harness: ProcessorHarness) -> None:
        event = {**COMPLETED, "event": "ticket.verification.in_progress", "flow_status": "IN_PROGRESS"}
        assert harness.do(webhook(event)).result == "in_progress"
        assert harness.effects.log == []

    @pytest.mark.parametrize("event", UNRECOGNIZED)
    def test_an_unrecognized_event_archives_the_ticket(self, harness: ProcessorHarness, event: object) -> None:
        done = harness.do(webhook(event))
        assert (done.result, done.ticket, done.kind, done.unrecognized) == ("archived", TICKET, "other", True)
        assert harness.do(webhook(event)).result == "duplicate"

    @pytest.mark.parametrize("event", UNRECOGNIZED)
    def test_an_unrecognized_event_of_a_ticket_in_progress_stores_nothing(
        self, harness: ProcessorHarness, event: object
    ) -> None:
        harness.has("IN_PROGRESS")
        done = harness.do(webhook(event))
        assert (done.result, done.unrecognized) == ("in_progress", True)
        assert harness.table.dynamodb.records == {}
        assert harness.bucket.manifests(TICKET) == []

    def test_an_unrecognized_event_of_an_archived_ticket_in_progress_changes_nothing(
        self, harness: ProcessorHarness
    ) -> None:
        harness.do(webhook())
        harness.has("IN_PROGRESS")
        assert harness.do(harness.later(UNRECOGNIZED[0])).result == "in_progress"
        assert harness.table.listed(Due.REFETCH, 10) == []


def test_a_ticket_request_stores_no_event_and_fetches_an_archived_ticket_only_by_force(
    harness: ProcessorHarness,
) -> None:
    done = harness.do(ticket_message(TICKET, kind="backfill"))
    assert done == ProcessingResult(Result.ARCHIVED, TICKET, kind="backfill")
    assert harness.table.events == {}
    assert harness.effects.named("idempotency") == []
    harness.effects.log.clear()
    assert harness.do(ticket_message(TICKET)).result == "already_archived"
    assert harness.effects.named("vendor") == []
    assert harness.do(ticket_message(TICKET, force=True)).result == "unchanged"


@pytest.mark.parametrize(
    ("kind", "ends"), [("schedule", "done"), ("settle", "done"), ("backfill", "dead letter"), (None, "dead letter")]
)
def test_the_archives_own_message_of_a_ticket_that_stays_incomplete_becomes_no_dead_letter(
    harness: ProcessorHarness, kind: str | None, ends: str
) -> None:
    harness.answers({"details": VendorAuthError("401")})
    body = ticket_message(TICKET, kind=kind)
    for receives in range(1, MAX_RECEIVES):
        with pytest.raises(TicketIncomplete):
            harness.do(body, receives)
    try:
        done = harness.do(body, MAX_RECEIVES)
    except TicketIncomplete:
        assert ends == "dead letter"
    else:
        assert ends == "done"
        assert (done.result, done.causes) == ("incomplete", ("vendor_auth_error",)), "which the alarm counts"
    assert [each.ticket for each in harness.table.listed(Due.INCOMPLETE, 9)] == [TICKET], "the schedule asks again"


@pytest.mark.parametrize(("kind", "counts"), [("schedule", True), ("backfill", False), (None, False)])
def test_only_the_archives_own_messages_count_the_time_since_the_webhook(
    harness: ProcessorHarness, kind: str | None, counts: bool
) -> None:
    harness.vendor.next("details", VendorUnavailable("503"))
    with pytest.raises(TicketIncomplete):
        harness.do(webhook())
    done = harness.do(ticket_message(TICKET, kind=kind))
    assert (done.result, done.received_at is not None) == ("archived", counts)


class TestAnUnreadableMessage:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("junk", "message_malformed"),
            ("[]", "message_malformed"),
            ('{"v": 2, "ticket": "T-1"}', "message_version"),
            ('{"ticket": "../../etc/passwd"}', "ticket_malformed"),
            (webhook(secret=None), "plaintext_refused"),
            (webhook(secret=OTHER), "undecipherable"),
            (webhook({**COMPLETED, "ticket": "../T"}), "no_ticket"),
        ],
    )
    def test_is_quarantined_unchanged_with_a_reason(self, harness: ProcessorHarness, body: str, reason: str) -> None:
        assert harness.do(body) == ProcessingResult(Result.QUARANTINED, reason=reason)
        marked = body.replace('"}}', '","quarantined":true}}')  # a webhook
        assert harness.queue.quarantined == [(marked, reason)]
        assert harness.effects.named("table") == []
        assert harness.effects.named("vendor") == []

    def test_counts_once_however_often_it_is_redriven(self, harness: ProcessorHarness) -> None:
        harness.do(webhook(secret=OTHER))
        (redriven, _) = harness.queue.quarantined.pop()
        assert harness.do(redriven) == ProcessingResult(Result.QUARANTINED_AGAIN, reason="undecipherable")
        assert harness.queue.quarantined == [(redriven, "undecipherable")], "the very same message"
        harness.secrets = [SECRET, OTHER]
        assert harness.do(redriven).result == "archived"

    @pytest.mark.parametrize("error", [SettingsError("webhook secret: not 32 bytes"), ConnectionError()])
    def test_is_not_quarantined_if_the_secret_is_malformed_or_unavailable(
        self, harness: ProcessorHarness, error: Exception
    ) -> None:
        harness.secrets = error
        with pytest.raises(type(error)):
            harness.do(webhook())
        assert harness.queue.quarantined == []

    def test_with_several_events_is_split_and_each_is_processed_once(self, harness: ProcessorHarness) -> None:
        body = webhook([COMPLETED, {**COMPLETED, "ticket": "../T"}])
        for _ in range(2):  # the second delivery after a crash
            assert harness.do(body) == ProcessingResult(Result.SPLIT)
        results = [harness.do(sent).result for sent, _ in harness.queue.sent]
        assert results == ["archived", "quarantined", "duplicate", "quarantined"]

    def test_is_quarantined_if_one_of_several_events_is_too_large_and_the_others_are_archived(
        self, harness: ProcessorHarness
    ) -> None:
        harness.plaintext = True
        large = f'{{"ticket": "a", "n": [{",".join(["1e15"] * 30_000)}]}}'  # 1e15 is written as 1000000000000000.0
        body = f"[{large}, {json.dumps(COMPLETED)}]".encode()
        done = harness.do(webhook_message(Webhook(body=body, received_at=RECEIVED_AT)))
        assert (done.result, done.reason) == ("quarantined", "too_large")
        assert [harness.do(sent).ticket for sent, _ in harness.queue.sent] == [TICKET]


@pytest.mark.parametrize("body", [webhook(), ticket_message(TICKET), ticket_message(TICKET, force=True)])
def test_a_message_of_an_erased_ticket_is_processed_without_a_vendor_call(harness: ProcessorHarness, body: str) -> None:
    harness.table.erase(TICKET)
    done = harness.do(body)
    assert (done.result, done.ticket) == ("erased", TICKET)
    assert harness.effects.named("vendor") == []


def test_what_is_logged_of_a_result_is_codes_and_identifiers() -> None:
    expected = {"result": "archived", "ticket": TICKET, "event_id": "e1", "kind": "other"}
    assert ProcessingResult(Result.ARCHIVED, TICKET, "e1", "other").codes() == expected
    assert "Jane" not in repr(Message('{"name": "Jane"}', RECEIVED_AT))
    assert str(UnreadableWebhook("not_json")) == "unreadable_webhook: not_json"
