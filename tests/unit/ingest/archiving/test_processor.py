"""From a queue message to what it asks for."""

import json
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from ingest.archiving.processor import Message, MessageProcessor, ProcessingResult, Quarantine
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import EventIdempotency
from ingest.messaging.messages import ticket_message, webhook_message
from ingest.webhooks.event import Webhook, seal_webhook
from tests.support.archive_harness import RECEIVED_AT, TICKET, ArchiveHarness
from tests.support.fakes import FakeContext, FakeIdempotencyTable, FakeQueue
from ticket_archive.errors import RetryableError, SettingsError, TicketIncomplete, UnreadableWebhook, VendorUnavailable
from ticket_archive.models import TicketState

SECRET, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"
COMPLETED = {
    "ticket": TICKET,
    "event": "ticket.verification.completed",
    "flow_status": "ACCEPTED",
    "disposition": "PASSED",
    "data": {"full_name": "Jane Doe"},
}


class CliHarness:
    """A MessageProcessor among fakes. `secrets` are the live webhook secrets, or what reading them raises."""

    def __init__(self) -> None:
        self.house = ArchiveHarness()
        self.house.has()
        self.queue = FakeQueue(self.house.effects)
        self.store = FakeIdempotencyTable(self.house.effects)
        self.secrets: Sequence[bytes] | Exception = [SECRET]
        self.plaintext = False
        self.once: EventIdempotency | None = EventIdempotency(cast("Any", self.store), "idempotency")
        self.once.begin_invocation(cast("Any", FakeContext()))
        self.quarantine: Quarantine | None = self.queue

    def do(self, body: str, receives: int = 1) -> ProcessingResult:
        work = MessageProcessor(
            archive=self.house.archive(),
            once=self.once,
            quarantine=self.quarantine,
            webhook_secrets=self._secrets,
            allow_plaintext=self.plaintext,
            retry_delay=20.0,
        )
        return work.do(Message(body, "m1", "2026-01-15T09:29:00.000000Z", receives), time.monotonic() + 5)

    def _secrets(self) -> Sequence[bytes]:
        if isinstance(self.secrets, Exception):
            raise self.secrets
        return self.secrets


@pytest.fixture
def office() -> CliHarness:
    return CliHarness()


def webhook(event: object = COMPLETED, secret: bytes = SECRET, iv: bytes = bytes(16)) -> str:
    body, header = seal_webhook(json.dumps(event).encode(), secret, iv)
    return webhook_message(Webhook(body, header, "text/plain", RECEIVED_AT))


def plain(event: object = COMPLETED) -> str:
    return webhook_message(Webhook(json.dumps(event).encode(), None, "application/json", RECEIVED_AT))


class TestACompletion:
    def test_is_archived(self, office: CliHarness) -> None:
        done = office.do(webhook())

        assert (done.result, done.ticket, done.kind) == ("archived", TICKET, "ticket.verification.completed")
        assert office.house.table[TICKET].state is TicketState.ARCHIVED
        office.house.check()

    def test_is_noted_under_the_time_when_it_came_in(self, office: CliHarness) -> None:
        done = office.do(webhook())

        assert list(office.house.table.events) == [(TICKET, f"event#{RECEIVED_AT}#{done.event_id}")]

    def test_that_comes_again_is_recognised_without_asking_the_vendor(self, office: CliHarness) -> None:
        office.do(webhook())
        office.house.effects.log.clear()

        again = office.do(webhook(iv=b"another vector.."))

        assert again.result == "duplicate"
        assert office.house.effects.named("vendor") == []
        assert office.house.effects.named("table") == [f"table.get {TICKET}"], "one look, no write"

    def test_that_comes_in_the_same_words_when_the_ticket_is_back_in_an_earlier_state_is_archived(
        self, office: CliHarness
    ) -> None:
        # GIVEN a ticket that was accepted, then rejected
        office.do(webhook())
        office.house.has("REJECTED")
        office.do(webhook({**COMPLETED, "flow_status": "REJECTED", "disposition": "FAILED"}))
        # WHEN it is accepted again, and the vendor says so as it did the first time
        office.house.has("ACCEPTED")
        again = office.do(webhook())
        # THEN that is a state of its own, and the event is recognised from then on
        assert again.result == "archived"
        assert office.do(webhook()).result == "duplicate"
        assert office.house.outcomes() == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        office.house.check()

    def test_that_comes_again_changes_nothing_where_the_store_was_lost(self, office: CliHarness) -> None:
        office.do(webhook())
        office.store.records.clear()

        assert office.do(webhook()).result == "unchanged"
        office.house.check()

    def test_that_is_not_ready_is_not_remembered_as_done(self, office: CliHarness) -> None:
        office.house.vendor.next("DOCUMENT", ())
        with pytest.raises(TicketIncomplete):
            office.do(webhook())
        assert office.store.records == {}

        assert office.do(webhook()).result == "archived"

    def test_needs_no_store(self, office: CliHarness) -> None:
        office.once = None

        assert office.do(webhook()).result == "archived"

    def test_in_clear_is_archived_where_that_is_allowed(self, office: CliHarness) -> None:
        office.plaintext = True

        assert office.do(plain()).result == "archived"

    def test_opens_with_any_of_the_live_secrets(self, office: CliHarness) -> None:
        office.secrets = [OTHER, SECRET]

        assert office.do(webhook()).result == "archived"

    def test_leaves_an_incomplete_ticket_to_the_queue_until_that_has_had_its_turn(self, office: CliHarness) -> None:
        office.house.vendor.next("DOCUMENT", VendorUnavailable("503"))

        with pytest.raises(TicketIncomplete):
            office.do(webhook(), receives=8)

        [waiting] = office.house.table.incomplete(1)
        longest = pause_before_delivery(9, 20.0, None, 1.0)
        registered = str(office.house.table[TICKET].attributes["attempted_at"])
        assert _seconds(waiting.retry_at) - _seconds(registered) > longest


class TestOtherEvents:
    @pytest.mark.parametrize(
        ("event", "result"),
        [
            ({**COMPLETED, "event": "ticket.verification.in_progress", "flow_status": "IN_PROGRESS"}, "in_progress"),
            ({"event": "something.new"}, "unknown"),
        ],
    )
    def test_are_done_at_once(self, office: CliHarness, event: object, result: str) -> None:
        assert office.do(webhook(event)).result == result

        assert office.house.effects.log == []
        assert office.queue.quarantined == []


class TestATicketRequest:
    def test_is_archived_without_an_event(self, office: CliHarness) -> None:
        done = office.do(ticket_message(TICKET, kind="backfill"))

        assert done == ProcessingResult("archived", TICKET, kind="backfill")
        assert office.house.table.events == {}
        assert office.house.effects.named("once") == []

    def test_for_an_archived_ticket_asks_nobody(self, office: CliHarness) -> None:
        office.do(ticket_message(TICKET))
        office.house.effects.log.clear()

        assert office.do(ticket_message(TICKET)).result == "already_archived"
        assert office.house.effects.named("vendor") == []

    def test_by_force_asks_again(self, office: CliHarness) -> None:
        office.do(ticket_message(TICKET))

        assert office.do(ticket_message(TICKET, force=True)).result == "unchanged"


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("junk", "message_malformed"),
            ("[]", "message_malformed"),
            ('{"v": 2, "ticket": "T-1"}', "message_version"),
            ('{"ticket": "../../etc/passwd"}', "ticket_malformed"),
            (plain(), "plaintext_refused"),
            (webhook(secret=OTHER), "undecipherable"),
            (webhook({**COMPLETED, "ticket": "../T"}), "ticket_malformed"),
        ],
    )
    def test_goes_to_quarantine_at_once_as_it_came_with_a_reason(
        self, office: CliHarness, body: str, reason: str
    ) -> None:
        assert office.do(body) == ProcessingResult("quarantined", reason=reason)

        assert office.queue.quarantined == [(body, reason)]
        assert office.house.effects.named("table") == []
        assert office.house.effects.named("vendor") == []

    def test_for_want_of_a_usable_secret_goes_there_too(self, office: CliHarness) -> None:
        office.secrets = SettingsError("webhook secret: not 32 bytes")

        assert office.do(webhook()).reason == "webhook_secret_malformed"
        [(body, _)] = office.queue.quarantined
        assert body == webhook()

    def test_is_archived_when_it_comes_back_and_the_secret_is_right(self, office: CliHarness) -> None:
        office.secrets = [OTHER]
        office.do(webhook())
        office.secrets = [SECRET]

        assert office.do(office.queue.quarantined[0][0]).result == "archived"

    def test_comes_back_where_quarantine_fails(self, office: CliHarness) -> None:
        class Full(FakeQueue):
            def quarantine(self, body: str, reason: str) -> None:
                raise ConnectionError

        office.quarantine = Full()

        with pytest.raises(ConnectionError):
            office.do("junk")

    def test_is_a_result_alone_where_there_are_no_queues(self, office: CliHarness) -> None:
        office.quarantine = None

        assert office.do("junk") == ProcessingResult("quarantined", reason="message_malformed")

    def test_is_told_from_secrets_out_of_reach_which_send_it_back(self, office: CliHarness) -> None:
        office.secrets = RetryableError("webhook_secret")

        with pytest.raises(RetryableError):
            office.do(webhook())
        assert office.queue.quarantined == []


@pytest.mark.parametrize("body", [webhook(), ticket_message(TICKET), ticket_message(TICKET, force=True)])
def test_an_erased_ticket_is_done(office: CliHarness, body: str) -> None:
    office.house.table.erase(TICKET)

    assert office.do(body) == ProcessingResult("erased", TICKET)
    assert office.house.effects.named("vendor") == []


@pytest.mark.parametrize("body", [webhook(), ticket_message(TICKET)])
def test_what_storage_raises_passes_through(office: CliHarness, body: str) -> None:
    def broken(when: str, name: str) -> None:
        if name.startswith("table.archive"):
            raise ConnectionError

    office.house.effects.hook = broken

    with pytest.raises(ConnectionError):
        office.do(body)


def test_what_is_logged_of_a_result_is_codes_and_identifiers() -> None:
    assert ProcessingResult("archived", TICKET, "e1", "other").codes() == {
        "result": "archived",
        "ticket": TICKET,
        "event_id": "e1",
        "kind": "other",
    }
    assert "Jane" not in repr(Message('{"name": "Jane"}', "m1", RECEIVED_AT))


def test_an_unreadable_webhooks_reason_is_a_code() -> None:
    assert str(UnreadableWebhook("not_json")) == "unreadable_webhook: not_json"


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
