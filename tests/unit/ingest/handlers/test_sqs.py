"""A batch from the queue: what fails goes back alone, when it makes sense, and nobody reads anything in the logs."""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest

from ingest.archiving.processor import MessageProcessor
from ingest.handlers import sqs as sqs_handler
from ingest.handlers.sqs import SOON, Collaborators
from ingest.messaging.idempotency import EventIdempotency
from ingest.messaging.messages import ticket_message, webhook_message
from ingest.webhooks.event import Webhook, seal_webhook
from tests.support.archive_harness import DOCUMENT, RECEIVED_AT, SELFIES, ArchiveHarness
from tests.support.fakes import FakeContext, FakeIdempotencyTable, FakeQueue, sqs_record
from tests.support.logs import Lines, log_lines
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
from ticket_archive.metrics import MetricBuffer
from ticket_archive.models import TicketState
from ticket_archive.telemetry import metrics

SECRET = b"0123456789abcdef0123456789abcdef"
TICKETS = [f"T-{number}" for number in range(10)]
MAX_RECEIVES = 9
CANARY = "CANARY-Jane-Doe-1984-06-04"


class CliHarness:
    """The queue door's collaborators as fakes; every ticket of TICKETS is ACCEPTED."""

    def __init__(self, tickets: ThreadPoolExecutor, calls: ThreadPoolExecutor) -> None:
        self.house = ArchiveHarness(pool=calls)
        for ticket in TICKETS:
            self.house.has(ticket=ticket)
        self.queue = FakeQueue(self.house.effects)
        self.metric_buffer = MetricBuffer()
        self.store = FakeIdempotencyTable(self.house.effects)
        self.once = EventIdempotency(cast("Any", self.store), "idempotency")
        work = MessageProcessor(
            archive=self.house.archive(),
            once=self.once,
            quarantine=self.queue,
            webhook_secrets=lambda: [SECRET],
            allow_plaintext=False,
            retry_delay=20.0,
        )
        self.door = Collaborators(
            work, self.once, cast("Any", self.queue), tickets, 20.0, MAX_RECEIVES, self.metric_buffer
        )

    def handle(self, *records: dict[str, Any], seconds: float = 60.0) -> list[str]:
        """The identifiers that go back."""
        answer = sqs_handler.handle({"Records": list(records)}, cast("Any", FakeContext(seconds)))
        assert answer.keys() == {"batchItemFailures"}
        assert all(failure.keys() == {"itemIdentifier"} for failure in answer["batchItemFailures"])
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[CliHarness]:
    with ThreadPoolExecutor(10) as tickets, ThreadPoolExecutor(16) as calls:
        office = CliHarness(tickets, calls)
        monkeypatch.setattr(sqs_handler, "collaborators", lambda: office.door)
        monkeypatch.setattr("ingest.handlers.sqs._random.random", lambda: 0.5)
        metrics.clear_metrics()
        yield office
        metrics.clear_metrics()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with log_lines() as lines:
        yield lines


def fails_with(office: CliHarness, ticket: str, error: Exception) -> None:
    """Whatever is done for this ticket ends so."""

    def hook(when: str, name: str) -> None:
        if when == "before" and name == f"table.register {ticket}":
            raise error

    office.house.effects.hook = hook


def counted() -> dict[str, float]:
    return {name: sum(entry["Value"]) for name, entry in metrics.metric_set.items()}


def sealed(event: object) -> str:
    body, iv = seal_webhook(json.dumps(event).encode(), SECRET, bytes(16))
    return webhook_message(Webhook(body, iv, "text/plain", RECEIVED_AT))


class TestABatch:
    def test_that_succeeds_gives_nothing_back(self, office: CliHarness) -> None:
        assert office.handle(*(sqs_record(ticket_message(ticket)) for ticket in TICKETS)) == []

        assert {office.house.table[ticket].state for ticket in TICKETS} == {TicketState.ARCHIVED}
        assert office.queue.pauses == {}
        for ticket in TICKETS:
            office.house.check(ticket)

    def test_is_worked_on_at_the_same_time(self, office: CliHarness) -> None:
        together = threading.Barrier(len(TICKETS), timeout=5)
        office.house.effects.hook = lambda when, name: (
            cast("None", together.wait()) if when == "before" and name.startswith("table.register") else None
        )

        assert office.handle(*(sqs_record(ticket_message(ticket)) for ticket in TICKETS)) == []

    def test_gives_back_exactly_what_failed(self, office: CliHarness) -> None:
        broken = {"T-2": ConnectionError("x"), "T-5": VendorUnavailable("503"), "T-9": ValueError("y")}

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.register") and (error := broken.get(name.split()[1])):
                raise error

        office.house.effects.hook = hook

        failed = office.handle(*(sqs_record(ticket_message(ticket), message_id=f"m-{ticket}") for ticket in TICKETS))

        assert failed == ["m-T-2", "m-T-5", "m-T-9"]
        assert {ticket for ticket in office.house.table.items if ticket not in broken} == {*TICKETS} - {*broken}
        assert set(office.queue.pauses) == {f"receipt-{message_id}" for message_id in failed}

    @pytest.mark.parametrize("body", ["", "junk", "{}", "[" * 5000, '{"v": 9}', '{"ticket": 7}', "\ud800"])
    def test_with_a_poison_message_loses_no_neighbour_and_does_not_see_it_again(
        self, office: CliHarness, body: str
    ) -> None:
        assert (
            office.handle(sqs_record(ticket_message("T-0")), sqs_record(body), sqs_record(ticket_message("T-1"))) == []
        )

        assert len(office.queue.quarantined) == 1
        assert office.queue.quarantined[0][0] == body
        assert {"T-0", "T-1"} == set(office.house.table.items)

    def test_with_a_stalled_ticket_loses_no_neighbour(self, office: CliHarness) -> None:
        release = threading.Event()

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("vendor.") and "T-0" in name:
                release.wait(10)

        office.house.effects.hook = hook
        threading.Timer(1.0, release.set).start()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqs_handler, "LEAST_FOR_A_TICKET", 0.0)
            failed = office.handle(
                *(sqs_record(ticket_message(ticket), message_id=f"m-{ticket}") for ticket in TICKETS),
                seconds=sqs_handler.LEFT_FOR_STORING + 0.5,
            )

        assert failed == ["m-T-0"]
        assert {office.house.table[ticket].state for ticket in TICKETS[1:]} == {TicketState.ARCHIVED}

    def test_that_is_begun_too_late_goes_back_untouched(self, office: CliHarness) -> None:
        seconds = sqs_handler.LEFT_FOR_STORING + sqs_handler.LEAST_FOR_A_TICKET - 0.1

        records = [sqs_record(ticket_message(ticket)) for ticket in TICKETS]
        failed = office.handle(*records, seconds=seconds)

        assert failed == [record["messageId"] for record in records]
        assert office.house.effects.named("table") == []
        assert office.house.effects.named("vendor") == []
        assert set(office.queue.pauses.values()) == {SOON}

    def test_with_the_same_event_twice_archives_it_once(self, office: CliHarness) -> None:
        body = sealed({"ticket": "T-0", "event": "ticket.verification.completed"})

        failed = office.handle(sqs_record(body), sqs_record(body))

        assert len(failed) <= 1, "the second is done already, or comes back while the first is under way"
        assert office.handle(sqs_record(body)) == []
        office.house.check("T-0")
        assert office.house.effects.counts()["vendor.details"] == 1

    def test_that_fails_as_a_whole_is_an_answer_and_no_error(self, office: CliHarness) -> None:
        fails_with(office, "T-0", ConnectionError("x"))

        assert office.handle(sqs_record(ticket_message("T-0"), message_id="m1")) == ["m1"]


class TestAPause:
    def after(self, office: CliHarness, error: Exception, receives: int) -> int:
        fails_with(office, "T-0", error)
        record = sqs_record(ticket_message("T-0"), receives=receives)
        office.handle(record)
        return office.queue.pauses[record["receiptHandle"]]

    def test_grows_with_each_delivery(self, office: CliHarness) -> None:
        pauses = [self.after(office, VendorUnavailable("503"), receives) for receives in range(1, MAX_RECEIVES)]

        assert pauses == [20, 40, 80, 160, 320, 640, 1280, 2560]

    def test_is_never_shorter_than_what_the_vendor_asked_for(self, office: CliHarness) -> None:
        assert self.after(office, VendorThrottled("429", retry_after=300.0), 1) == 300
        assert self.after(office, TicketIncomplete("vendor_throttled", retry_after=300.0), 2) == 300
        assert self.after(office, VendorThrottled("429", retry_after=1.0), 1) == 20

    @pytest.mark.parametrize("error", [VendorThrottled("429", retry_after=300.0), WriteConflict("event"), ValueError()])
    def test_is_none_after_the_last_receive(self, office: CliHarness, error: Exception) -> None:
        # It is a dead letter then: the sooner somebody is told, the better.
        assert self.after(office, error, MAX_RECEIVES) == 0
        assert self.after(office, error, MAX_RECEIVES + 1) == 0

    @pytest.mark.parametrize("error", [DeadlineExceeded("not_begun"), WriteConflict("event")])
    def test_is_short_at_first_where_only_luck_was_missing(self, office: CliHarness, error: Exception) -> None:
        pauses = [self.after(office, error, receives) for receives in range(1, MAX_RECEIVES)]

        assert pauses == [2, 4, 8, 16, 32, 64, 128, 256]
        assert sum(pauses) > 360, "an attempt that died is over before its duplicate is a dead letter"

    @pytest.mark.parametrize(
        "error", [ConnectionError("x"), SettingsError("VENDOR_URL"), RetryableError("webhook_secret")]
    )
    def test_is_set_for_every_kind_of_failure(self, office: CliHarness, error: Exception) -> None:
        assert self.after(office, error, 1) == 20

    def test_that_cannot_be_set_changes_nothing_else_and_is_logged(self, office: CliHarness, lines: Lines) -> None:
        class Deaf(FakeQueue):
            def set_visibility_timeout(self, receipt_handle: str, seconds: int) -> None:
                raise ConnectionError(CANARY)

        office.door = replace(office.door, queue=cast("Any", Deaf()))
        fails_with(office, "T-0", VendorUnavailable("503"))

        records = [sqs_record(ticket_message("T-0"), message_id="m0"), sqs_record(ticket_message("T-1"))]
        assert office.handle(*records) == ["m0"]
        [record] = lines.saying("pause not set")
        assert (record["correlation_id"], record["error"]) == ("m0", "ConnectionError")
        assert "CANARY" not in lines.getvalue()

    def test_is_left_to_the_queue_where_none_is_known(self, office: CliHarness) -> None:
        office.door = replace(office.door, queue=None)
        fails_with(office, "T-0", VendorUnavailable("503"))

        assert office.handle(sqs_record(ticket_message("T-0"), message_id="m0")) == ["m0"]


class TestWhatIsCounted:
    def test_of_a_batch(self, office: CliHarness) -> None:
        office.house.table.erase("T-3")
        office.handle(sqs_record(ticket_message("T-0")))
        metrics.clear_metrics()

        office.handle(
            sqs_record(ticket_message("T-0")),
            sqs_record(ticket_message("T-1")),
            sqs_record(ticket_message("T-2", kind="schedule")),
            sqs_record(ticket_message("T-3")),
            sqs_record("junk"),
            sqs_record(sealed({"event": "something.new"})),
        )

        assert counted() == {
            "MessagesProcessed": 6,
            "TicketsArchived": 2,
            "TicketsUnchanged": 1,
            "TicketsRecovered": 1,
            "RequestsForErasedTickets": 1,
            "WebhooksQuarantined": 1,
            "EventsIgnored": 1,
        }

    @pytest.mark.parametrize(
        ("error", "name"),
        [
            (VendorAuthError("401"), "VendorAuthErrors"),
            (UnrecognizedResponse("no_image", b"x"), "UnrecognizedResponses"),
            (SettingsError("vendor credential: malformed"), "ConfigurationErrors"),
        ],
    )
    def test_is_what_a_person_must_see_wherever_it_stands_among_the_causes(
        self, office: CliHarness, error: ArchiveError, name: str
    ) -> None:
        office.house.vendor.next(SELFIES, ())
        office.house.vendor.next(DOCUMENT, error)

        office.handle(sqs_record(ticket_message("T-0")))

        assert counted() == {"MessagesRetried": 1, name: 1}

    def test_is_storage_that_fails(self, office: CliHarness) -> None:
        fails_with(office, "T-0", ConnectionError("x"))

        office.handle(sqs_record(ticket_message("T-0")))

        assert counted() == {"MessagesRetried": 1, "StorageErrors": 1}

    def test_is_no_alarm_for_what_passes(self, office: CliHarness) -> None:
        fails_with(office, "T-0", VendorUnavailable("503"))

        office.handle(sqs_record(ticket_message("T-0")))

        assert counted() == {"MessagesRetried": 1}


class TestTheLog:
    """At DEBUG, and that of every library, holds identifiers and codes only."""

    @pytest.fixture
    def everything(self, lines: Lines, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
        with caplog.at_level(logging.DEBUG):
            yield lambda: lines.getvalue() + caplog.text + "".join(str(vars(record)) for record in caplog.records)

    def test_of_a_success_names_ticket_and_result(self, office: CliHarness, lines: Lines) -> None:
        office.handle(sqs_record(ticket_message("T-0"), message_id="m0"))

        [record] = lines.saying("message processed")
        assert (record["correlation_id"], record["ticket"], record["result"]) == ("m0", "T-0", "archived")

    def test_of_a_failure_names_code_pause_and_count(self, office: CliHarness, lines: Lines) -> None:
        fails_with(office, "T-0", VendorUnavailable("503"))

        office.handle(sqs_record(ticket_message("T-0"), message_id="m0", receives=2))

        [record] = lines.saying("retry scheduled")
        shown = ("correlation_id", "error", "detail", "pause", "receives")
        assert [record[name] for name in shown] == ["m0", "vendor_unavailable", "503", 40, 2]

    def test_holds_nothing_of_the_tickets_details_images_or_customer(self, office: CliHarness, everything: Any) -> None:
        office.house.has(full_name=CANARY, cifcode=CANARY, risk_code=CANARY, ticket="T-0")

        office.handle(sqs_record(sealed({"ticket": "T-0", "event": "verification.completed", "name": CANARY})))

        assert office.house.table["T-0"].attributes["customer"] == CANARY
        assert "CANARY" not in everything()

    @pytest.mark.parametrize("body", [CANARY, json.dumps({"ticket": CANARY + "/"}), json.dumps({"name": CANARY})])
    def test_holds_nothing_of_a_message_that_cannot_be_read(
        self, office: CliHarness, everything: Any, body: str
    ) -> None:
        office.handle(sqs_record(body))

        assert "CANARY" not in everything()

    @pytest.mark.parametrize(
        "error",
        [
            ValueError(CANARY),
            KeyError(CANARY),
            ConnectionError(f"https://vendor/{CANARY}"),
            UnrecognizedResponse("no_image", CANARY.encode()),
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize(
        "place", ["table.register", "vendor.details", "vendor.images T-0 DOCUMENT", "bucket.create"]
    )
    def test_holds_nothing_of_what_an_exception_quotes(
        self, office: CliHarness, everything: Any, error: Exception, place: str
    ) -> None:
        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith(place):
                raise error

        office.house.effects.hook = hook

        assert office.handle(sqs_record(ticket_message("T-0"), message_id="m0")) == ["m0"]
        assert "CANARY" not in everything()


class TestOutsideAQueue:
    def test_a_message_is_worked_on_the_same_way(self, office: CliHarness) -> None:
        done = sqs_handler.work_on(ticket_message("T-0"), "local-1", cast("Any", FakeContext()))

        assert done.result == "archived"

    def test_what_fails_is_raised(self, office: CliHarness) -> None:
        fails_with(office, "T-0", VendorUnavailable("503"))

        with pytest.raises(VendorUnavailable):
            sqs_handler.work_on(ticket_message("T-0"), "local-1", cast("Any", FakeContext()))
