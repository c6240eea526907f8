"""Every ticket settles: whatever the vendor responds, and when, it is archived with the parts that came."""

import itertools
import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.archiving.models import ArchiveRequest, Result
from ingest.archiving.requeue import requeue
from ingest.archiving.settling import EMPTY, Observation, settle
from ingest.files.decoding import InlineFile, LinkedFile
from ingest.messaging.backoff import pause_before_delivery
from tests.support.archive_harness import (
    DOCUMENT,
    MAX_RECEIVES,
    PORTRAIT,
    SECRET,
    SELFIES,
    SIGNATURE,
    TICKET,
    ArchiveHarness,
    event,
    request,
    webhook,
)
from tests.support.fakes import details, picture
from tests.support.logs import log_lines
from tests.support.template import SOURCE
from ticket_archive.clock import iso
from ticket_archive.details import read_stored_details
from ticket_archive.errors import (
    ArchiveError,
    InvalidVendorResponse,
    RecentlyFetched,
    SettingsError,
    TicketIncomplete,
    TicketNotFound,
    UnrecognizedResponse,
    VendorAuthError,
    VendorUnavailable,
)
from ticket_archive.models import DETAILS, ImageType, TicketState, TypeState
from ticket_archive.retention import NEVER
from ticket_archive.table import Due

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
MINUTES = timedelta(minutes=10)
ABSENT, STORED = Observation(TypeState.ABSENT, EMPTY), Observation(TypeState.STORED)
FAILED, HTML = Observation(TypeState.FAILED), Observation(TypeState.UNRECOGNIZED, "aa")
DOWN, PAGE = VendorUnavailable("503"), UnrecognizedResponse("html", b"<p>")
DAY = 86_400


class TestSettle:
    @pytest.mark.parametrize("observation", [ABSENT, HTML])
    def test_the_same_answer_settles_after_the_settle_time(self, observation: Observation) -> None:
        first = settle({DOCUMENT: observation}, {}, NOW, MINUTES)
        assert (first.waiting, first.settles_at) == ({DOCUMENT}, NOW + MINUTES)
        almost = settle({DOCUMENT: observation}, first.pending, NOW + MINUTES - timedelta(seconds=1), MINUTES)
        assert almost.waiting
        last = settle({DOCUMENT: observation}, almost.pending, NOW + MINUTES, MINUTES)
        assert (last.waiting, last.states[DOCUMENT]) == (set(), observation.state)

    def test_an_answer_that_changes_each_time_settles_after_twice_the_settle_time(self) -> None:
        pending = settle({DOCUMENT: ABSENT}, {}, NOW, MINUTES).pending
        for minute in range(1, 20):
            answer = Observation(TypeState.UNRECOGNIZED, str(minute))
            settled = settle({DOCUMENT: answer}, pending, NOW + timedelta(minutes=minute), MINUTES)
            assert settled.waiting
            pending = settled.pending
        assert len(pending[DOCUMENT].seen) == 10  # the item has room for these
        assert not settle({DOCUMENT: HTML}, pending, NOW + 2 * MINUTES, MINUTES).waiting

    def test_another_answer_in_between_does_not_start_the_wait_again(self) -> None:
        """A gateway's page at the very end must not become the type's answer."""
        now, minute = NOW + MINUTES, timedelta(minutes=1)
        pending = settle({DOCUMENT: ABSENT}, {}, NOW, MINUTES).pending
        for _ in range(3):
            settled = settle({DOCUMENT: Observation(TypeState.UNRECOGNIZED, iso(now))}, pending, now, MINUTES)
            assert (settled.waiting, settled.settles_at) == ({DOCUMENT}, now + minute)
            pending, now = settled.pending, now + minute
        last = settle({DOCUMENT: ABSENT}, pending, now, MINUTES)
        assert (last.waiting, last.states[DOCUMENT]) == (set(), TypeState.ABSENT)

    def test_another_answer_does_not_settle_however_late_it_comes_if_few_were_different(self) -> None:
        """Failures may have taken all the time in which the vendor would have been asked again."""
        now = NOW + 5 * MINUTES
        pending = settle({DOCUMENT: ABSENT}, {}, NOW, MINUTES).pending
        late = settle({DOCUMENT: HTML}, pending, now, MINUTES)
        assert (late.waiting, late.settles_at) == ({DOCUMENT}, now + MINUTES / 10)
        last = settle({DOCUMENT: ABSENT}, late.pending, now + MINUTES / 10, MINUTES)
        assert (last.waiting, last.states[DOCUMENT]) == (set(), TypeState.ABSENT)

    def test_a_failure_in_between_does_not_start_the_wait_again(self) -> None:
        pending = settle({DOCUMENT: ABSENT}, {}, NOW, MINUTES).pending
        failed = settle({DOCUMENT: FAILED, SELFIES: ABSENT}, pending, NOW + MINUTES, MINUTES)
        assert (failed.waiting, failed.settles_at) == ({DOCUMENT, SELFIES}, None)
        assert not settle({DOCUMENT: ABSENT}, failed.pending, NOW + MINUTES, MINUTES).waiting

    @pytest.mark.parametrize(
        ("others", "observation", "waits"),
        [
            ({DOCUMENT: STORED}, ABSENT, False),
            ({DOCUMENT: FAILED}, ABSENT, True),
            ({DOCUMENT: ABSENT}, ABSENT, True),
            ({DOCUMENT: FAILED}, STORED, False),
            ({DETAILS: FAILED}, ABSENT, False),
            ({SIGNATURE: HTML}, ABSENT, False),
        ],
    )
    def test_an_empty_derived_type_waits_for_the_uploaded_ones(
        self, others: dict[str, Observation], observation: Observation, waits: bool
    ) -> None:
        observed = {**others, PORTRAIT: observation}
        settled = settle(observed, {}, NOW, MINUTES)
        assert (settled.states[PORTRAIT] is TypeState.FAILED) is (PORTRAIT in settled.waiting) is waits
        assert PORTRAIT not in settle(observed, {}, NOW, MINUTES, at_once=[PORTRAIT]).waiting

    def test_an_uploaded_type_that_has_settled_does_not_wait_for_another(self) -> None:
        pending = settle({SELFIES: ABSENT}, {}, NOW, MINUTES).pending
        settled = settle({SELFIES: ABSENT, DOCUMENT: FAILED}, pending, NOW + MINUTES, MINUTES)
        assert (settled.waiting, settled.states[SELFIES]) == ({DOCUMENT}, TypeState.ABSENT)

    @pytest.mark.parametrize("observation", [ABSENT, HTML, FAILED])
    def test_a_part_may_be_settled_at_once(self, observation: Observation) -> None:
        settled = settle({DOCUMENT: observation, SELFIES: ABSENT}, {}, NOW, MINUTES, at_once=[DOCUMENT])
        assert (settled.waiting, settled.states[DOCUMENT]) == ({SELFIES}, observation.state)


answers: st.SearchStrategy[Any] = st.one_of(
    st.just([]),
    st.binary(max_size=3).map(lambda mark: [picture(mark.hex())]),
    st.binary(max_size=3).map(lambda mark: [picture("a"), InlineFile(b"<svg>" + mark, None)]),
    st.binary(max_size=3).map(lambda body: UnrecognizedResponse("html", body)),
    st.just(DOWN),
)


@given(
    st.fixed_dictionaries({kind: st.lists(answers, max_size=12) for kind in (SELFIES, DOCUMENT, PORTRAIT)}),
    st.lists(st.just(PAGE) | st.just(DOWN), max_size=4),
    st.fixed_dictionaries({kind: answers.filter(lambda each: each is not DOWN) for kind in ImageType}),
    st.booleans(),
)
def test_whatever_the_vendor_answers_the_ticket_is_archived_and_reads_back(
    first: dict[ImageType, list[Any]], first_details: list[Exception], then: dict[str, Any], no_details: bool
) -> None:
    harness = ArchiveHarness()
    harness.has()
    for kind, sequence in first.items():
        harness.vendor.next(kind, *sequence)
    harness.vendor.next("details", *first_details)
    harness.answers({**then, **({"details": PAGE} if no_details else {})})
    harness.deliver(event(), receives=30)
    item = harness.table[TICKET]
    assert item.state is TicketState.ARCHIVED
    for image in item.images:
        assert harness.bucket[image.key].startswith(b"\xff\xd8\xff")
    for file in item.unrecognized:
        assert len(harness.bucket[file.key]) == file.bytes
    if item.details_sha256:
        assert json.loads(read_stored_details(item.attributes, harness.bucket)) == {"flow_status": "ACCEPTED"}
    assert item.complete is (not item.unrecognized and item.details_sha256 is not None)
    harness.check()


class TestSettledTickets:
    def test_an_unrecognized_type_settles_and_the_rest_is_archived(self, harness: ArchiveHarness) -> None:
        harness.answers({PORTRAIT: PAGE})
        with log_lines() as lines:
            result = harness.deliver(event())
        assert (result.result, result.incomplete) == (Result.ARCHIVED, True)
        item = harness.table[TICKET]
        assert (item.types[PORTRAIT], item.missing) == (TypeState.UNRECOGNIZED, {PORTRAIT: "html"})
        assert [file.type for file in item.unrecognized] == [PORTRAIT]
        [line] = lines.with_message("archived incomplete")
        assert (line["level"], line["ticket"], line["missing"]) == ("WARNING", TICKET, {PORTRAIT: "html"})

    @pytest.mark.parametrize("parts", [tuple(ImageType), (DOCUMENT,)])
    def test_a_pending_ticket_says_what_is_missing_and_an_operator_settles_it_at_once(
        self, harness: ArchiveHarness, parts: tuple[ImageType, ...]
    ) -> None:
        harness.has(cifcode="C-1", images={SELFIES: [picture("s")]})
        assert harness.run(event()) is Result.PENDING
        item = harness.table[TICKET]
        waits = (TicketState.INCOMPLETE, EMPTY, TypeState.FAILED)
        assert (item.state, item.missing[DOCUMENT], item.types[DOCUMENT]) == waits
        [listed], _ = harness.table.by_customer("C-1", 10, None)
        assert (listed.ticket, listed.state, listed.archived_at) == (TICKET, TicketState.INCOMPLETE, None)
        assert harness.run(request(settle=parts)) is Result.ARCHIVED
        assert harness.table[TICKET].types[DOCUMENT] is TypeState.ABSENT

    def test_a_settled_ticket_with_failures_is_archived_incomplete(self, harness: ArchiveHarness) -> None:
        harness.answers({"details": DOWN, DOCUMENT: DOWN})
        harness.fails(event())
        result = harness.attempt(request(settle=tuple(ImageType)))
        assert (result.result, result.incomplete, result.without_outcome) == (Result.ARCHIVED, True, True)
        [manifest] = harness.bucket.manifests(TICKET)
        assert (manifest["details"], manifest["complete"]) == (None, False)
        # A recheck while the ticket is in progress changes nothing.
        harness.has("IN_PROGRESS")
        assert harness.run(request(recheck=True)) is Result.UNCHANGED
        assert harness.table[TICKET].state is TicketState.ARCHIVED
        # A newer state waits for what failed before.
        harness.has("REJECTED")
        harness.answers({DOCUMENT: DOWN})
        harness.fails(event("e2"))
        harness.check()

    def test_a_recheck_archives_what_has_appeared_as_a_new_version(self, harness: ArchiveHarness) -> None:
        harness.has(images={DOCUMENT: [picture("d")]})
        harness.deliver(event())
        [due] = harness.table.listed(Due.RECHECK, 10)
        assert due.retry_at > iso(harness.clock() + timedelta(minutes=59))
        harness.clock.pass_by(60)
        assert harness.run(request(force=True)) is harness.run(request(recheck=True)) is Result.UNCHANGED
        assert harness.table.listed(Due.RECHECK, 10) == [due]
        harness.answers({SELFIES: [picture("s")]})
        assert harness.run(request(recheck=True)) is Result.ARCHIVED
        assert len(harness.bucket.manifests(TICKET)) == 2
        assert harness.table.listed(Due.RECHECK, 10) == []
        harness.check()

    def test_rechecks_begin_again_after_the_requeues_of_an_incomplete_ticket(self, harness: ArchiveHarness) -> None:
        harness.has(images={DOCUMENT: [picture("d")]})
        harness.fails(event(), DOCUMENT=DOWN)
        harness.table.items[TICKET]["requeues"] = 5
        harness.deliver(request())
        [due] = harness.table.listed(Due.RECHECK, 10)
        assert due.requeues == 0

    def test_a_recheck_brings_an_outcome_that_was_missing_but_no_other_details(self, harness: ArchiveHarness) -> None:
        early: dict[str, Any] = {"flow_status": None, "fullname": "Ana"}
        harness.answers({"details": details(**early, served_at=1)})
        assert harness.deliver(event()).without_outcome
        harness.answers({"details": details(**early, served_at=2)})
        harness.clock.pass_by(3700)
        harness.run_schedule()
        assert harness.outcomes() == [None]
        harness.answers({"details": details("ACCEPTED")})
        harness.clock.pass_by(DAY)
        harness.run_schedule()
        assert harness.outcomes() == [None, "ACCEPTED"]
        assert harness.table.listed(Due.RECHECK, 10) == []
        harness.check()

    def test_a_recheck_does_not_archive_a_ticket_again_whose_retention_is_over(self, harness: ArchiveHarness) -> None:
        harness.retention_days = 1
        harness.has(images={DOCUMENT: [picture("d")]})
        harness.deliver(event())
        before = harness.table[TICKET]
        for hours in (1, 25):  # DynamoDB deletes what has expired within two days
            harness.clock.pass_by(hours * 3600)
            harness.run_schedule()
        item = harness.table[TICKET]
        assert (item.version, item.expires_at) == (before.version, before.expires_at)
        harness.table.dynamodb.records.clear()
        harness.effects.log.clear()
        assert harness.run(request(recheck=True)) is Result.UNCHANGED
        assert harness.effects.named("vendor.") == []

    def test_a_newer_state_is_not_fetched_once_the_retention_is_over(self, harness: ArchiveHarness) -> None:
        harness.retention_days = 2
        harness.deliver(event())
        before = harness.table[TICKET]
        harness.clock.pass_by(1.9 * DAY)
        harness.answers({"details": DOWN})
        harness.fails(event("e2"))
        harness.has("REJECTED")
        harness.clock.pass_by(DAY)
        harness.run_schedule()
        item = harness.table[TICKET]
        assert (item.version, item.expires_at) == (before.version, before.expires_at)

    @pytest.mark.parametrize(("retention_days", "max_age"), [(1, 22), (0, 7 * 24)])
    def test_a_ticket_that_stays_incomplete_is_archived_at_the_age_limit_before_its_retention_ends(
        self, retention_days: int, max_age: int
    ) -> None:
        harness = ArchiveHarness(retention_days=retention_days, max_age=timedelta(hours=max_age))
        harness.has()
        harness.answers({DOCUMENT: DOWN})
        begun = harness.clock()
        with pytest.raises(TicketIncomplete):
            harness.deliver(event(received_at=iso(begun)))
        for _ in range(1000):
            harness.clock.pass_by(900)
            requeue(harness.table, harness.queue, harness.clock(), harness.max_age)
            while harness.queue.sent and harness.table[TICKET].state is TicketState.INCOMPLETE:
                with suppress(TicketIncomplete):
                    harness.deliver_message(harness.queue.sent.pop()[0], harness.processor())
            if harness.table[TICKET].state is TicketState.ARCHIVED:
                break
        age = harness.clock() - begun
        assert harness.table[TICKET].state is TicketState.ARCHIVED
        assert timedelta(hours=max_age) <= age < timedelta(hours=max_age + 1)

    @pytest.mark.parametrize("state", ["received", "incomplete"])
    def test_a_recheck_settles_no_ticket_that_is_not_archived(self, harness: ArchiveHarness, state: str) -> None:
        """Any sender may call itself `recheck`."""
        harness.answers({DOCUMENT: DOWN})
        if state == "incomplete":
            harness.fails(event())
        assert harness.run(request(recheck=True)) is Result.UNCHANGED
        assert harness.bucket.manifests(TICKET) == []

    def test_a_part_whose_recheck_fails_keeps_its_code_in_the_version_that_another_part_brings(
        self, harness: ArchiveHarness
    ) -> None:
        harness.has(images={DOCUMENT: [picture("d")]})
        harness.answers({PORTRAIT: PAGE, SIGNATURE: PAGE})
        harness.deliver(event())
        harness.answers({PORTRAIT: [picture("p")], SELFIES: DOWN, SIGNATURE: DOWN})
        assert harness.run(request(recheck=True)) is Result.ARCHIVED
        assert harness.table[TICKET].missing == {SIGNATURE: "html"}

    def test_a_forbidden_image_type_settles_and_forbidden_details_do_not(self, harness: ArchiveHarness) -> None:
        harness.answers({SELFIES: VendorAuthError("403", b"{}"), "details": VendorAuthError("403")})
        with pytest.raises(TicketIncomplete):
            harness.deliver(event())
        harness.answers({"details": details()})
        assert harness.deliver(request()).result is Result.ARCHIVED
        item = harness.table[TICKET]
        assert (item.types[SELFIES], item.missing) == (TypeState.UNRECOGNIZED, {SELFIES: "403"})

    def test_an_error_in_each_200_settles_and_a_recheck_brings_later_details(self, harness: ArchiveHarness) -> None:
        error = b'{"status": 500, "code": "INTRNL"}'
        harness.answers({"details": VendorUnavailable("500", error)})
        began = harness.clock()
        assert harness.deliver(event()).incomplete
        assert harness.clock() - began < MINUTES + timedelta(minutes=1)
        item = harness.table[TICKET]
        assert (item.missing, harness.bucket[item.unrecognized[0].key]) == ({"DETAILS": "500"}, error)
        harness.answers({"details": details()})
        harness.clock.pass_by(3700)
        assert harness.run(request(recheck=True)) is Result.ARCHIVED
        assert (harness.outcomes(), harness.table[TICKET].complete) == ([None, "ACCEPTED"], True)
        harness.check()

    def test_unrecognized_files_are_in_the_order_of_types_whichever_attempt_brought_them(
        self, harness: ArchiveHarness
    ) -> None:
        harness.answers({SELFIES: DOWN, PORTRAIT: PAGE})
        harness.fails(event())
        harness.answers({SELFIES: PAGE, PORTRAIT: DOWN})
        harness.run(request(settle=tuple(ImageType)))
        assert [file.type for file in harness.table[TICKET].unrecognized] == [SELFIES, PORTRAIT]

    @pytest.mark.parametrize("answer", [[], PAGE])
    def test_what_settled_once_need_not_settle_again_for_a_newer_state(
        self, harness: ArchiveHarness, answer: object
    ) -> None:
        harness.answers({SELFIES: answer})
        harness.deliver(event("e1"))
        harness.has("REJECTED")
        harness.answers({SELFIES: answer})
        assert harness.run(event("e2")) is Result.ARCHIVED
        harness.answers({SELFIES: PAGE if answer == [] else [], DOCUMENT: answer})
        assert harness.run(event("e3")) is Result.PENDING
        assert harness.table[TICKET].pending.keys() == {SELFIES, DOCUMENT}, "another answer, and another type"
        harness.check()

    def test_what_settled_for_an_incomplete_ticket_must_settle_again(self, harness: ArchiveHarness) -> None:
        harness.answers({"DOCUMENT": PAGE, "SELF_PORTRAITS": DOWN})
        harness.fails(event())
        harness.clock.pass_by(601)
        harness.fails(request())
        assert harness.table[TICKET].types[DOCUMENT] is TypeState.UNRECOGNIZED
        harness.answers({"DOCUMENT": UnrecognizedResponse("html", b"<b>")})
        harness.fails(request())
        assert harness.table[TICKET].types[DOCUMENT] is TypeState.FAILED

    def test_a_ticket_whose_retention_is_over_is_a_new_version_even_without_content(
        self, harness: ArchiveHarness
    ) -> None:
        harness.retention_days = 1
        harness.answers({"details": DOWN, **dict.fromkeys(ImageType, DOWN)})
        for _ in range(2):
            assert harness.run(request(settle=tuple(ImageType))) is Result.ARCHIVED
            harness.clock.pass_by(2 * DAY)

    def test_an_empty_answer_does_not_count_once_the_retention_is_over(self, harness: ArchiveHarness) -> None:
        harness.retention_days = 1
        harness.has(images={DOCUMENT: [picture("d")]})
        assert harness.run(event("e1")) is Result.PENDING
        harness.clock.pass_by(2 * DAY)
        assert harness.run(event("e2")) is Result.PENDING

    def test_an_unrecognized_answer_is_a_cause_when_it_is_first_seen(self, harness: ArchiveHarness) -> None:
        def causes(wanted: ArchiveRequest) -> list[str]:
            return [*harness.attempt(wanted).causes]

        harness.answers({DOCUMENT: []})
        assert causes(event()) == []
        harness.answers({DOCUMENT: PAGE})
        assert causes(request()) == ["unrecognized_response"], "an empty answer before it is none"
        assert causes(request()) == []
        assert harness.deliver(request()).result is Result.ARCHIVED
        assert causes(request(recheck=True)) == []
        harness.answers({PORTRAIT: PAGE})
        assert [causes(request(force=True)) for _ in range(2)] == [["unrecognized_response"], []]

    def test_a_recheck_that_finds_other_unrecognized_bytes_changes_nothing(self, harness: ArchiveHarness) -> None:
        pages = itertools.count()
        answer = lambda: UnrecognizedResponse("html", b"<p>%d" % next(pages))  # noqa: E731
        harness.answers({PORTRAIT: answer, "details": answer})
        harness.deliver(event())
        before = harness.table[TICKET]
        unchanged = harness.attempt(request(recheck=True))
        assert (unchanged.result, unchanged.incomplete) == (Result.UNCHANGED, False), "which was counted before"
        assert harness.table[TICKET].unrecognized == before.unrecognized
        assert len(harness.bucket.manifests(TICKET)) == 1

    def test_the_second_recheck_is_the_last_even_if_the_first_found_something(self, harness: ArchiveHarness) -> None:
        harness.has(images={DOCUMENT: [picture("d")]})
        harness.answers({PORTRAIT: PAGE})
        harness.deliver(event())
        for found in ("s", "t"):
            harness.clock.pass_by(DAY + 100)
            requeue(harness.table, harness.queue, harness.clock(), timedelta(days=7))
            assert len(harness.queue.sent) == 1
            harness.answers({PORTRAIT: [picture(found), InlineFile(b"<svg>", None)], SELFIES: [picture(found)]})
            harness.deliver_message(harness.queue.sent.pop()[0], harness.processor())
        assert harness.table.listed(Due.RECHECK, 10) == []
        assert harness.table[TICKET].attributes["event_id"] == "e1", "whose copies are still duplicates"

    @pytest.mark.parametrize(
        "error",
        [
            *(DOWN, VendorUnavailable("500", b'{"code": 500}'), VendorAuthError("403", b"<p>")),
            *(InvalidVendorResponse("400"), SettingsError("malformed")),
        ],
    )
    @pytest.mark.parametrize("part", ["details", SELFIES])
    def test_a_failed_recheck_changes_nothing(self, harness: ArchiveHarness, part: str, error: ArchiveError) -> None:
        """It is asked once, so that its error would be taken without the settle time."""
        harness.has("", images={DOCUMENT: [picture("d")]})
        harness.deliver(event())
        harness.vendor.next(part, error)
        assert harness.run(request(recheck=True)) is Result.UNCHANGED
        link = LinkedFile("https://images.example.com/1.jpg")
        harness.answers({SELFIES: [link, picture("s")]})
        harness.vendor.next(link.url, DOWN)
        assert harness.run(request(recheck=True)) is Result.UNCHANGED, "one of two files"


class TestANewerStateOfAnArchivedTicket:
    @pytest.fixture(autouse=True)
    def _newer(self, harness: ArchiveHarness) -> None:
        """Archived as accepted; since rejected, while the vendor does not answer for one type."""
        harness.run(event("e1"))
        harness.clock.pass_by(90 * DAY)
        harness.has("REJECTED")
        harness.answers({PORTRAIT: DOWN})
        harness.fails(event("e2"))
        assert harness.outcomes() == ["ACCEPTED"]

    def requeued(self, harness: ArchiveHarness) -> str:
        [due] = harness.table.listed(Due.REFETCH, 10)
        harness.clock.pass_by(DAY + 100)
        requeue(harness.table, harness.queue, harness.clock(), timedelta(days=7))
        [(body, _)] = harness.queue.sent
        harness.queue.sent.clear()
        assert due.ticket == TICKET
        return body

    def test_is_fetched_again_by_the_schedule(self, harness: ArchiveHarness) -> None:
        harness.has("REJECTED")
        body = self.requeued(harness)
        assert "settle" not in json.loads(body)
        assert harness.deliver_message(body, harness.processor()).result == "archived"
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        assert harness.table.listed(Due.REFETCH, 10) == []
        harness.check()

    def test_is_archived_incomplete_after_the_age_limit(self, harness: ArchiveHarness) -> None:
        for _ in range(20):
            body = self.requeued(harness)
            if "settle" in json.loads(body):
                break
            with pytest.raises(TicketIncomplete):
                harness.attempt(request(force=True))
        assert harness.deliver_message(body, harness.processor()).incomplete
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        assert harness.table.listed(Due.REFETCH, 10) == []
        harness.check()

    def test_is_dropped_after_the_age_limit_without_details(self, harness: ArchiveHarness) -> None:
        harness.answers({"details": DOWN})
        assert harness.run(request(force=True, settle=tuple(ImageType))) is Result.UNCHANGED
        assert harness.table[TICKET].outcome == "ACCEPTED"
        assert harness.table.listed(Due.REFETCH, 10) == []
        harness.check()

    @pytest.mark.parametrize(("first", "last"), [(event("e3"), event("e4")), (request(force=True),) * 2])
    def test_is_dropped_after_an_hour_of_404_despite_new_events(
        self, harness: ArchiveHarness, first: ArchiveRequest, last: ArchiveRequest
    ) -> None:
        harness.answers({"details": TicketNotFound("404")})
        harness.fails(first)
        harness.clock.pass_by(3700)
        assert harness.run(last) is Result.UNKNOWN_TICKET
        assert harness.table[TICKET].outcome == "ACCEPTED"
        assert harness.table.listed(Due.REFETCH, 10) == []


class TestUnknownTickets:
    @pytest.fixture
    def harness(self) -> ArchiveHarness:
        return ArchiveHarness()

    @pytest.mark.parametrize(("encrypted", "images"), [(True, 5), (False, 0)])
    def test_end_within_an_hour_after_few_calls_and_leave_no_item(
        self, harness: ArchiveHarness, encrypted: bool, images: int
    ) -> None:
        """The numbers are those of docs/security.md."""
        calls = Counter[str]()
        harness.effects.hook = lambda when, name: calls.update([name.split()[0]] if when == "before" else [])
        began = harness.clock()
        body = webhook(secret=SECRET if encrypted else None, received_at=iso(began))
        done = harness.deliver_message(body, harness.processor(allow_plaintext=True))
        assert done.result == "unknown_ticket"
        assert (calls["vendor.details"], calls["vendor.files"]) == (6, images)
        assert timedelta(hours=1) <= harness.clock() - began < timedelta(minutes=70)
        assert TICKET not in harness.table
        assert len(harness.table.events) == 0

    def test_expire_if_they_have_an_item(self, harness: ArchiveHarness) -> None:
        self._end(harness)
        assert harness.table[TICKET].expires_at is not None
        assert harness.table.listed(Due.INCOMPLETE, 10) == []

    @pytest.mark.parametrize("days", [0, 30])
    @pytest.mark.parametrize(("part", "error"), [("details", TicketNotFound("404")), (DOCUMENT, DOWN)])
    def test_that_become_known_have_the_normal_retention(
        self, harness: ArchiveHarness, days: int, part: str, error: Exception
    ) -> None:
        harness.retention_days = days
        self._end(harness)
        harness.has()
        harness.fails(event("e2"), **{part: error})
        assert harness.run(event("e2")) is Result.ARCHIVED
        item = harness.table[TICKET]
        left = item.expires_at and item.expires_at - harness.clock().timestamp()
        assert left == (pytest.approx(days * DAY, abs=300) if days else None)
        assert bool(harness.bucket.expiring) is bool(days)
        harness.check()

    def test_have_the_whole_hour_again_after_their_item_has_expired(self, harness: ArchiveHarness) -> None:
        self._end(harness)
        assert harness.fails(request()).code == "ticket_incomplete"

    def test_that_become_known_under_a_legal_hold_stay_held(self, harness: ArchiveHarness) -> None:
        self._end(harness)
        harness.table.items[TICKET].update(legal_hold=iso(NOW), expires_at=NEVER)
        harness.has()
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.table[TICKET].expires_at == NEVER

    def test_have_the_whole_hour_again_after_a_newer_event(self, harness: ArchiveHarness) -> None:
        self._wait(harness)
        harness.fails(event("e2"))
        harness.clock.pass_by(3700)
        assert harness.run(event("e2")) is Result.UNKNOWN_TICKET

    def test_have_the_whole_hour_again_after_they_were_archived(self, harness: ArchiveHarness) -> None:
        self._wait(harness)
        harness.has()
        assert harness.run(request()) is Result.ARCHIVED
        harness.answers({"details": TicketNotFound("404")})
        assert harness.fails(request(force=True)).code == "ticket_incomplete"

    def test_end_although_an_operator_requests_them_again(self, harness: ArchiveHarness) -> None:
        self._wait(harness)
        assert harness.run(request(force=True)) is Result.UNKNOWN_TICKET

    def test_do_not_expire_while_another_attempt_is_in_flight(self, harness: ArchiveHarness) -> None:
        self._wait(harness)
        begin, now = harness.table.begin, iso(harness.clock() + timedelta(seconds=9))
        harness.effects.before("vendor.details", lambda: begin(TICKET, now))
        assert harness.attempt(request()).result is Result.UNKNOWN_TICKET
        assert harness.table[TICKET].expires_at is None
        assert len(harness.table.listed(Due.INCOMPLETE, 10)) == 1

    @staticmethod
    def _wait(harness: ArchiveHarness) -> None:
        """Let the vendor be down once and then not know the ticket, and let more than an hour pass."""
        harness.vendor.next("details", DOWN)
        for _ in range(2):
            harness.fails(event())
        harness.clock.pass_by(3700)

    def _end(self, harness: ArchiveHarness) -> None:
        """Let the vendor not know a ticket that has an item, until its item expires."""
        self._wait(harness)
        assert harness.run(event()) is Result.UNKNOWN_TICKET
        harness.clock.pass_by(3600)

    @pytest.mark.parametrize("missing", [[DOCUMENT], ["details"], [*ImageType]], ids=str)
    def test_keep_the_parts_that_are_stored(self, harness: ArchiveHarness, missing: list[str]) -> None:
        harness.has()
        harness.fails(event("e1"), **dict.fromkeys(missing, DOWN))
        stored = harness.table[TICKET]
        for _ in range(3):
            harness.clock.pass_by(3700)
            harness.fails(event("e2"), details=TicketNotFound("404"))
            item = harness.table[TICKET]
            assert (item.images, item.details_sha256) == (stored.images, stored.details_sha256)
            assert item.types[SELFIES] is stored.types[SELFIES]
            assert len(harness.table.listed(Due.INCOMPLETE, 10)) == 1
        harness.has("REJECTED")
        harness.clock.pass_by(60)
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.outcomes() == ["REJECTED"]
        harness.check()

    @pytest.mark.parametrize("bound", ["MinValue", "Default", "MaxValue"])
    @pytest.mark.parametrize("retry_delay", [1, 20])
    def test_end_with_a_receive_to_spare_and_within_the_limit_of_sqs(
        self, harness: ArchiveHarness, bound: str, retry_delay: int
    ) -> None:
        """SQS allows a visibility timeout of twelve hours."""
        harness.unknown_after = timedelta(minutes=SOURCE["Parameters"]["UnknownTicketMinutes"][bound])
        began = harness.clock()
        pauses, result = [], None
        for receives in range(1, MAX_RECEIVES):
            try:
                result = harness.attempt(event(received_at=iso(began))._replace(receives=receives)).result
                break
            except TicketNotFound as error:
                pauses.append(pause_before_delivery(receives, retry_delay, error.retry_after, 0.0))
                harness.clock.pass_by(pauses[-1])
        assert result is Result.UNKNOWN_TICKET
        assert 0 < max(pauses) < 12 * 3600
        assert harness.clock() - began >= harness.unknown_after

    @pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=10), timedelta(hours=3)])
    def test_are_retried_soon_even_if_they_are_first_processed_late(
        self, harness: ArchiveHarness, late: timedelta
    ) -> None:
        arrived = event(received_at=iso(harness.clock() - late))
        pauses = []
        for receives in (1, 2, 3):
            with pytest.raises(TicketNotFound) as raised:
                harness.attempt(arrived._replace(receives=receives))
            pauses.append(raised.value.retry_after or 0)
            harness.clock.pass_by(pauses[-1])
        assert pauses == [15, 30, 129.6]


class TestReplayedEvents:
    def test_cost_one_fetch_a_minute_and_hide_no_newer_state(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        harness.has("REJECTED")
        waiting = [event(f"r{number}")._replace(received_at=iso(harness.clock())) for number in range(20)]
        harness.effects.log.clear()
        for each in waiting:
            with pytest.raises(RecentlyFetched) as raised:
                harness.attempt(each)
        assert 0 < (raised.value.retry_after or 0) <= 60
        harness.clock.pass_by(60)
        results = [harness.attempt(each).result for each in waiting]
        assert results == [Result.ARCHIVED] + [Result.SUPERSEDED] * 19
        assert len(harness.effects.named("vendor.details")) == 1
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]

    def test_of_an_incomplete_ticket_are_not_all_fetched(self, harness: ArchiveHarness) -> None:
        harness.has(images={SELFIES: [picture("s")]})
        assert harness.attempt(event("e1")).result is Result.PENDING
        harness.effects.log.clear()
        for _ in range(5):
            with pytest.raises(RecentlyFetched):
                harness.attempt(event("e1"))
        assert harness.effects.named("vendor.") == []


def test_details_without_an_outcome_are_fetched_again_on_resume(harness: ArchiveHarness) -> None:
    harness.vendor.next("details", replace(details(), value={"customer": "x"}))
    harness.fails(event(), DOCUMENT=DOWN)
    assert harness.run(event()) is Result.ARCHIVED
    assert harness.table[TICKET].outcome == "ACCEPTED"


@pytest.mark.parametrize("note", ["", 10**50, "x" * 1_100_000], ids=["map", "compressed", "bucket"])
def test_superseded_details_stay_readable(harness: ArchiveHarness, note: object) -> None:
    old = harness.has("ACCEPTED", note=note)
    harness.run(event("e1"))
    harness.has("REJECTED")
    harness.run(event("e2"))
    key = f"tickets/{TICKET}/details/{old.sha256}.json.gz"
    stored = harness.table[TICKET].model_copy(update={"attributes": {"details_key": key}})
    read = json.loads(read_stored_details(stored.attributes, harness.bucket))
    assert read == {"flow_status": "ACCEPTED", "note": note}
