"""Batches from the queue: only failed messages are retried, after a pause, and logs hold no personal data."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from ingest import dependencies
from ingest.archiving.fetcher import STORE_SECONDS
from ingest.handlers import sqs as sqs_handler
from ingest.handlers.sqs import SHORT_RETRY_DELAY
from ingest.threads import ContextThreadPool
from tests.support.archive_harness import DOCUMENT, MAX_RECEIVES, ArchiveHarness, handle_batch, webhook
from tests.support.fakes import sqs_record
from tests.support.logs import Lines, counted
from tests.unit.ingest.test_settings import CHOSEN, REQUIRED
from ticket_archive.errors import (
    ArchiveError,
    DeadlineExceeded,
    RetryableError,
    SettingsError,
    TicketIncomplete,
    UnrecognizedResponse,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
    WriteConflict,
)
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType, TicketState
from ticket_archive.table import Due
from ticket_archive.telemetry import metrics

TICKETS = [f"T-{number}" for number in range(10)]
EVERY = [sqs_record(ticket_message(ticket), message_id=f"m-{ticket}") for ticket in TICKETS]
ONE, ANOTHER = EVERY[:2]
CANARY = "CANARY-Jane-Doe-1984-06-04"


class SqsHarness:
    """The SQS handler's dependencies as fakes; every ticket of TICKETS is ACCEPTED."""

    def __init__(self, calls: ContextThreadPool) -> None:
        self.archive = ArchiveHarness(pool=calls)
        for ticket in TICKETS:
            self.archive.has(ticket=ticket)
        self.queue = self.archive.queue
        self.resources = self.archive.sqs_dependencies(calls)

    handle = staticmethod(handle_batch)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[SqsHarness]:
    with ContextThreadPool(16, "call") as calls:
        harness = SqsHarness(calls)
        monkeypatch.setattr(dependencies, "sqs", lambda: harness.resources)
        monkeypatch.setattr("ingest.handlers.sqs._random.random", lambda: 0.5)
        yield harness


class TestABatch:
    def test_is_processed_concurrently(self, harness: SqsHarness) -> None:
        harness.archive.effects.before("table.get", threading.Barrier(len(TICKETS), timeout=5).wait)
        assert harness.handle(*EVERY) == []

    def test_reports_exactly_the_failed_messages(self, harness: SqsHarness) -> None:
        broken = {"T-2": ConnectionError("x"), "T-5": VendorUnavailable("503"), "T-9": ValueError("y")}

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.get") and (error := broken.get(name.split()[1])):
                raise error

        harness.archive.effects.hook = hook
        assert harness.handle(*EVERY) == ["m-T-2", "m-T-5", "m-T-9"]
        assert harness.archive.table.items.keys() == {*TICKETS} - {*broken}
        assert harness.queue.pauses.keys() == {f"receipt-m-{ticket}" for ticket in broken}
        assert (counted()["MessagesRetried"], counted()["StorageErrors"]) == (3, 2)

    @pytest.mark.parametrize("body", ["", "junk", "{}", "[" * 5000, '{"v": 9}', '{"ticket": 7}', "\ud800"])
    def test_with_an_unreadable_message_processes_the_others_and_quarantines_it(
        self, harness: SqsHarness, body: str
    ) -> None:
        assert harness.handle(ONE, sqs_record(body), ANOTHER) == []
        assert [kept for kept, _ in harness.queue.quarantined] == [body]
        assert harness.archive.table.items.keys() == {"T-0", "T-1"}

    def test_with_a_stalled_ticket_archives_the_others(
        self, harness: SqsHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release = threading.Event()
        harness.archive.effects.before("vendor.files T-0", lambda: release.wait(10))
        threading.Timer(1.0, release.set).start()
        monkeypatch.setattr(sqs_handler, "MIN_TICKET_SECONDS", 0.0)
        monkeypatch.setattr("ingest.archiving.fetcher.STORE_SECONDS", 0.0)
        assert harness.handle(*EVERY, seconds=sqs_handler.RESERVED_FOR_STORING + 0.5) == ["m-T-0"]
        assert {harness.archive.table[ticket].state for ticket in TICKETS[1:]} == {TicketState.ARCHIVED}

    def test_that_begins_too_late_is_returned_without_any_call(self, harness: SqsHarness) -> None:
        seconds = sqs_handler.RESERVED_FOR_STORING + sqs_handler.MIN_TICKET_SECONDS - 0.1
        assert harness.handle(*EVERY, seconds=seconds) == [record["messageId"] for record in EVERY]
        assert harness.archive.effects.named("table") == []
        assert harness.archive.effects.named("vendor") == []
        assert set(harness.queue.pauses.values()) == {SHORT_RETRY_DELAY}

    def test_with_an_invalid_setting_is_returned_with_one_log_line_and_a_metric(
        self, harness: SqsHarness, monkeypatch: pytest.MonkeyPatch, lines: Lines
    ) -> None:
        def malformed() -> dependencies.SqsDependencies:
            raise SettingsError("MAX_RECEIVES")

        monkeypatch.setattr(dependencies, "sqs", malformed)
        assert harness.handle(*EVERY) == [record["messageId"] for record in EVERY]
        [line] = lines.with_message("batch not processed")
        assert (line["error"], line["detail"]) == ("settings", "MAX_RECEIVES")
        assert counted() == {"ConfigurationErrors": 1}

    def test_responds_after_its_last_write_has_ended(self, harness: SqsHarness) -> None:
        """GIVEN a slow PUT in the background, THEN no thread runs on after the response."""
        ended = threading.Event()

        def slow() -> None:
            time.sleep(0.3)
            ended.set()

        harness.resources.calls.submit(slow)
        assert harness.handle(ONE) == []
        assert ended.is_set()


def test_the_last_write_ends_before_the_invocation_does() -> None:
    config: Any = dependencies._BATCH
    attempts = config.retries["total_max_attempts"]
    pauses = sum(2**attempt for attempt in range(attempts - 1))  # botocore's standard mode, with the most jitter
    longest = attempts * (config.connect_timeout + config.read_timeout) + pauses
    assert STORE_SECONDS + longest <= sqs_handler.RESERVED_FOR_STORING


def test_the_archiver_gets_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**REQUIRED, **CHOSEN}.items():
        monkeypatch.setenv(name, value)
    made: dict[str, Any] = {}
    monkeypatch.setattr(dependencies, "Archiver", lambda **given: made.update(given))
    monkeypatch.setattr(dependencies, "Bucket", lambda *_, on_put: on_put())
    dependencies.sqs.__wrapped__().metric_buffer.flush()
    assert counted() == {"ObjectsPut": 1}
    assert made["settle_time"] == timedelta(minutes=20)
    assert made["unknown_after"] == timedelta(minutes=30)
    assert made["image_types"] == (ImageType.DOCUMENT, ImageType.SELF_PORTRAITS)
    assert (made["retention_days"], made["retry_delay"]) == (30, 60)


class TestTheVisibilityTimeout:
    def after(self, harness: SqsHarness, error: Exception, receives: int) -> int:
        harness.archive.effects.fail("table.get T-0", error)
        record = sqs_record(ticket_message("T-0"), receives=receives)
        harness.handle(record)
        return harness.queue.pauses[record["receiptHandle"]]

    @pytest.mark.parametrize(
        ("error", "pauses"),
        [
            *(
                (error, [20, 40, 80, 160, 320, 640, 1280, 2560])
                for error in (VendorUnavailable("503"), ConnectionError(), SettingsError("X"), RetryableError("x"))
            ),
            # never shorter than what the vendor asked for
            (VendorThrottled("429", retry_after=300.0), [300, 300, 300, 300, 320, 640, 1280, 2560]),
            (TicketIncomplete("vendor_throttled", retry_after=30.0), [30, 40, 80, 160, 320, 640, 1280, 2560]),
            # short at first where only luck was missing; an attempt that died is over before its duplicate is dead
            (DeadlineExceeded("not_begun"), [2, 4, 8, 16, 32, 64, 128, 256]),
            (WriteConflict("event"), [2, 4, 8, 16, 32, 64, 128, 256]),
        ],
    )
    def test_grows_with_each_receive_and_is_zero_after_the_last(
        self, harness: SqsHarness, error: Exception, pauses: list[int]
    ) -> None:
        """It becomes a dead letter immediately, so that the alarm fires early."""
        found = [self.after(harness, error, receives) for receives in range(1, MAX_RECEIVES + 2)]
        assert found == [*pauses, 0, 0]
        assert sum(found) > 360, "longer than the visibility timeout"

    @pytest.mark.parametrize(("receives", "minutes"), [(MAX_RECEIVES - 1, 213), (MAX_RECEIVES, 15)])
    def test_is_shorter_than_the_schedules_pause_until_the_message_is_a_dead_letter(
        self, harness: SqsHarness, receives: int, minutes: float
    ) -> None:
        """Before that it is longer than the queue's next pause, so that both do not fetch the ticket."""
        harness.archive.vendor.next("details", VendorUnavailable("503"))
        assert harness.handle(sqs_record(ticket_message("T-0"), receives=receives))
        [waiting] = harness.archive.table.listed(Due.INCOMPLETE, 1)
        left = datetime.fromisoformat(waiting.retry_at) - harness.archive.clock()
        assert left.total_seconds() / 60 == pytest.approx(minutes, abs=1)

    def test_that_cannot_be_set_is_logged_and_affects_no_other_message(self, harness: SqsHarness, lines: Lines) -> None:
        harness.archive.answers({"details": VendorUnavailable("503")}, "T-0")
        harness.archive.effects.fail("queue.set_visibility_timeout", ConnectionError(CANARY))
        assert harness.handle(ONE, ANOTHER) == ["m-T-0"]
        [record] = lines.with_message("visibility timeout not set")
        assert (record["correlation_id"], record["error"]) == ("m-T-0", "ConnectionError")
        assert "CANARY" not in lines.getvalue()


class TestMetrics:
    def test_of_a_batch_count_each_result(self, harness: SqsHarness) -> None:
        harness.archive.table.erase("T-3")
        harness.handle(ONE)
        metrics.clear_metrics()

        harness.handle(
            *(ONE, ANOTHER, EVERY[3]),
            sqs_record(ticket_message("T-2", kind="schedule")),
            sqs_record("junk"),
            sqs_record(webhook({"ticket": "T-4", "event": "ticket.verification.in_progress"})),
            sqs_record(webhook({"ticket": "T-5", "event": "something.new"})),
        )

        found = counted()
        assert found.pop("ArchiveLatency") > 0
        once = ["UnrecognizedEvents", "TicketsUnchanged", "TicketsRecovered", "RequestsForErasedTickets"]
        once += ["WebhooksQuarantined", "EventsIgnored"]
        assert found == {"MessagesProcessed": 7, "TicketsArchived": 3, **dict.fromkeys(once, 1)}

    def test_of_repeated_messages_count_duplicates(self, harness: SqsHarness) -> None:
        def handled(body: str) -> dict[str, float]:
            metrics.clear_metrics()
            harness.handle(sqs_record(body))
            return counted()

        event = webhook({"ticket": "T-0", "event": "ticket.verification.completed"})
        harness.archive.has("", ticket="T-0")
        assert handled(event)["ArchivedWithoutOutcome"] == 1
        assert handled(event) == {"MessagesProcessed": 1, "DuplicatesSuppressed": 1}
        harness.archive.store.records.clear()
        assert handled(event) == {"MessagesProcessed": 1, "DuplicatesSuppressed": 1}
        assert handled(ticket_message("T-0", force=True)) == {"MessagesProcessed": 1, "TicketsUnchanged": 1}
        assert handled(webhook({"ticket": None})) == {"MessagesProcessed": 1, "WebhooksQuarantined": 1}
        [(redriven, _)] = harness.queue.quarantined
        assert handled(redriven) == {"MessagesProcessed": 1, "WebhooksQuarantinedAgain": 1}

    @pytest.mark.parametrize(
        ("error", "name"),
        [
            (VendorAuthError("401"), "VendorAuthErrors"),
            (UnrecognizedResponse("no_image", b"x"), "UnrecognizedResponses"),
            (SettingsError("vendor credential: malformed"), "ConfigurationErrors"),
        ],
    )
    def test_count_a_cause_that_needs_action_even_if_it_is_not_the_first(
        self, harness: SqsHarness, error: ArchiveError, name: str
    ) -> None:
        harness.archive.vendor.next("details", VendorUnavailable("503"))
        harness.archive.vendor.next(DOCUMENT, error)
        harness.handle(ONE)
        assert counted() == {"MessagesRetried": 1, name: 1}

    @pytest.mark.parametrize(("receives", "often"), [(3, {}), (4, {"MessagesRetriedOften": 1})])
    def test_count_a_retry_that_the_queues_age_leaves_out(
        self, harness: SqsHarness, receives: int, often: dict[str, float]
    ) -> None:
        harness.archive.vendor.next("details", VendorUnavailable("503"))
        harness.handle(sqs_record(ticket_message("T-0"), receives))
        assert counted() == {"MessagesRetried": 1, **often}

    def test_count_an_unrecognized_response_when_it_is_first_seen(self, harness: SqsHarness) -> None:
        harness.archive.vendor.images_of["T-0", DOCUMENT] = UnrecognizedResponse("html", b"<html>")
        found = []
        harness.handle(sqs_record(webhook({"ticket": "T-0", "event": "ticket.verification.completed"})))
        found.append(counted())
        while harness.queue.sent:
            body, delay = harness.queue.sent.pop()
            harness.archive.clock.pass_by(delay)
            metrics.clear_metrics()
            harness.handle(sqs_record(body))
            found.append(counted())
        assert found[0] == {"MessagesProcessed": 1, "UnrecognizedResponses": 1}
        assert found[1:-1] == [{"MessagesProcessed": 1}] * (len(found) - 2)
        assert found[-1].pop("ArchiveLatency") > 0, "from the webhook, whichever message archives its ticket"
        assert found[-1] == {"MessagesProcessed": 1, "TicketsArchived": 1, "ArchivedIncomplete": 1}

    def test_count_an_unrecognized_response_that_settles_at_once(self, harness: SqsHarness) -> None:
        harness.archive.vendor.next(DOCUMENT, UnrecognizedResponse("html", b"<html>"))
        harness.handle(sqs_record(ticket_message("T-0", settle=tuple(ImageType))))
        names = ("MessagesProcessed", "TicketsArchived", "ArchivedIncomplete", "UnrecognizedResponses")
        assert counted() == dict.fromkeys(names, 1)

    def test_have_no_latency_of_a_later_version(self, harness: SqsHarness) -> None:
        harness.handle(sqs_record(webhook({"ticket": "T-0", "event": "ticket.verification.completed"})))
        metrics.clear_metrics()
        harness.archive.has("REJECTED", ticket="T-0")
        harness.handle(sqs_record(ticket_message("T-0", kind="settle", force=True)))
        assert counted() == {"MessagesProcessed": 1, "TicketsArchived": 1}

    def test_count_an_unknown_ticket(self, harness: SqsHarness) -> None:
        event = {"ticket": "T-unknown", "event": "ticket.verification.completed"}
        harness.archive.clock.pass_by(7200)
        harness.handle(sqs_record(webhook(event), receives=6))
        assert counted() == {"MessagesProcessed": 1, "UnknownTickets": 1}


class TestTheLog:
    """At DEBUG, and that of every library, holds identifiers and codes only."""

    @pytest.fixture
    def everything(self, lines: Lines, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
        with caplog.at_level(logging.DEBUG):
            yield lambda: lines.getvalue() + caplog.text + "".join(str(vars(record)) for record in caplog.records)

    def test_holds_nothing_of_a_tickets_details_images_or_customer_or_of_an_unreadable_message(
        self, harness: SqsHarness, everything: Any
    ) -> None:
        harness.archive.has(full_name=CANARY, cifcode=CANARY, risk_code=CANARY, ticket="T-0")
        harness.handle(sqs_record(webhook({"ticket": "T-0", "event": "verification.completed", "name": CANARY})))
        assert harness.archive.table["T-0"].attributes["customer"] == CANARY
        for body in (CANARY, json.dumps({"ticket": CANARY + "/"}), json.dumps({"name": CANARY})):
            harness.handle(sqs_record(body))
        assert "CANARY" not in everything()

    @pytest.mark.parametrize(
        "error",
        [
            *(kind(CANARY) for kind in (ValueError, KeyError, ConnectionError)),
            UnrecognizedResponse("html", CANARY.encode()),
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize("place", ["table.get", "vendor.details", "vendor.files T-0 DOCUMENT", "bucket.create"])
    def test_holds_nothing_of_what_an_exception_quotes(
        self, harness: SqsHarness, everything: Any, error: Exception, place: str
    ) -> None:
        harness.archive.effects.fail(place, error)
        pending = isinstance(error, UnrecognizedResponse) and place.startswith("vendor.")
        assert harness.handle(ONE) == ([] if pending else ["m-T-0"])
        assert "CANARY" not in everything()
