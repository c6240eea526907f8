"""Archiving: the newest state of a ticket, each state said once, whatever is missing, repeated, late or lost."""

import gzip
import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from ingest.archiving.attempt import ArchiveRequest, Result
from ingest.files.parsing import LinkedFile
from tests.support.archive_harness import (
    DOCUMENT,
    GHOST,
    PORTRAIT,
    RECEIVED_AT,
    SELFIES,
    SIGNATURE,
    TICKET,
    ArchiveHarness,
    event,
    pictures,
    request,
)
from tests.support.fakes import FakeClock, details, picture
from ticket_archive.clock import iso
from ticket_archive.details import Details, read_details
from ticket_archive.errors import (
    ArchiveError,
    RetryableError,
    SettingsError,
    TicketErased,
    TicketIncomplete,
    TicketNotFound,
    UnrecognizedResponse,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
    WriteConflict,
)
from ticket_archive.keys import manifest_key
from ticket_archive.manifest import SCHEMA
from ticket_archive.models import ImageType, TicketState, TypeState
from ticket_archive.retention import NEVER, end_of

FAULT = VendorUnavailable("503")


@pytest.fixture
def harness() -> ArchiveHarness:
    harness = ArchiveHarness()
    harness.has("ACCEPTED")
    return harness


def fails(harness: ArchiveHarness, wanted: ArchiveRequest) -> TicketIncomplete:
    with pytest.raises(TicketIncomplete) as raised:
        harness.run(wanted)
    return raised.value


def vendor_calls(harness: ArchiveHarness) -> list[str]:
    """Since the last look."""
    calls = [name.removeprefix("vendor.").replace(f" {TICKET}", "") for name in harness.effects.named("vendor.")]
    harness.effects.log.clear()
    return calls


class TestAWholeTicket:
    def test_is_archived_with_everything_the_vendor_has(self, harness: ArchiveHarness) -> None:
        harness.has("ACCEPTED", disposition="PASSED", confidence_score=98.5, risk_code="R1", cifcode="C-1001")

        assert harness.run(event()) is Result.ARCHIVED

        item = harness.table[TICKET]
        assert (item.state, item.outcome, item.previous) == (TicketState.ARCHIVED, "ACCEPTED", None)
        assert item.attributes["details"] == harness.vendor.details_of[TICKET].value
        assert item.attributes["customer"] == "C-1001"
        assert item.types == {
            SELFIES: TypeState.STORED,
            DOCUMENT: TypeState.STORED,
            PORTRAIT: TypeState.STORED,
            SIGNATURE: TypeState.ABSENT,
            GHOST: TypeState.ABSENT,
        }
        assert [harness.bucket[image.key] for image in item.images] == [
            image.data for images in pictures().values() for image in images if not isinstance(image, LinkedFile)
        ]
        harness.check()

    def test_is_announced_by_a_manifest_that_says_what_the_item_says(self, harness: ArchiveHarness) -> None:
        harness.run(event())

        [manifest] = harness.bucket.manifests(TICKET)
        item = harness.table[TICKET]
        assert manifest == {
            "schema": SCHEMA,
            "ticket": TICKET,
            "version": item.version,
            "outcome": "ACCEPTED",
            "archived_at": item.archived_at,
            "details": {"sha256": item.details_sha256, "bytes": item.details_bytes},
            "images": [asdict(image) for image in item.images],
            "absent": ["DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT"],
            "complete": True,
            "unrecognized": [],
            "previous": None,
        }

    def test_costs_one_call_for_each_thing(self, harness: ArchiveHarness) -> None:
        harness.run(event())

        assert Counter(vendor_calls(harness)) == Counter(["details", *(f"files {kind.value}" for kind in ImageType)])

    def test_costs_three_writes_to_the_table_and_one_put_for_each_object(self, harness: ArchiveHarness) -> None:
        harness.run(event())

        counts = harness.effects.counts()
        assert counts["bucket.create"] == 6, "five images, one manifest"
        assert {name: count for name, count in counts.items() if name.startswith("table.")} == {
            "table.get": 1,
            "table.event": 1,
            "table.archive": 1,
        }

    def test_is_written_in_the_order_that_keeps_it_safe(self, harness: ArchiveHarness) -> None:
        harness.run(event())

        written = [name for name in harness.effects.log if name.startswith(("bucket.create", "table.archive"))]
        kinds = ["item" if name.startswith("table") else name.split("/")[2] for name in written]
        assert kinds == ["images"] * 5 + ["item", "manifests"]

    def test_is_noted_with_its_event(self, harness: ArchiveHarness) -> None:
        harness.run(event("e7"))

        [(key, record)] = harness.table.events.items()
        assert key == (TICKET, f"event#{harness.arrivals['e7']}#e7")
        assert record == {
            "event_id": "e7",
            "event": "ticket.verification.completed",
            "received_at": harness.arrivals["e7"],
            "ticket": TICKET,
            "record": key[1],
        }

    @pytest.mark.parametrize("state", ["unknown", "IN_PROGRESS"])
    def test_is_noted_with_an_event_that_comes_while_it_is_not_final(self, harness: ArchiveHarness, state: str) -> None:
        harness.run(event("e1"))
        if state == "unknown":
            harness.vendor.next("details", TicketNotFound("404"))
        else:
            harness.has(state)
        with pytest.raises(TicketIncomplete):
            harness.run(event("e2"))
        assert [record["event_id"] for record in harness.table.events.values()] == ["e1", "e2"]

    def test_needs_no_event(self, harness: ArchiveHarness) -> None:
        assert harness.run(request()) is Result.ARCHIVED
        assert harness.table.events == {}

    def test_asks_for_the_configured_types_alone(self) -> None:
        harness = ArchiveHarness(image_types=(DOCUMENT,))
        harness.has()

        harness.run(event())

        assert vendor_calls(harness) == ["details", "files DOCUMENT"]
        assert harness.table[TICKET].types == {DOCUMENT: TypeState.STORED}

    def test_expires_where_retention_is_configured(self) -> None:
        harness = ArchiveHarness(retention_days=30)
        harness.has()

        harness.run(event())

        item = harness.table[TICKET]
        assert item.expires_at is not None
        moment = datetime.fromtimestamp(item.expires_at, UTC)
        assert moment - harness.clock() == pytest.approx(timedelta(days=30), abs=timedelta(minutes=1))
        assert [record["expires_at"] for record in harness.table.events.values()] == [item.expires_at]
        assert harness.bucket.limited == set(harness.bucket.created), "each object ends, whatever it is"

    def test_expires_never_where_it_is_not(self, harness: ArchiveHarness) -> None:
        harness.run(event())

        assert harness.table[TICKET].expires_at is None
        assert harness.bucket.limited == set()

    def test_without_an_outcome_is_archived_without_one(self, harness: ArchiveHarness) -> None:
        harness.vendor.details_of[TICKET] = read_details(b'{"anything": "else"}')

        harness.run(event())

        assert harness.outcomes() == [None]


class TestDetailsThatTheTableCannotHold:
    @pytest.fixture
    def exact(self) -> Details:
        return read_details(b'{"flow_status": "ACCEPTED", "score": 0.1234567890123456789012345678901234567890}')

    def test_are_kept_as_the_vendors_bytes(self, harness: ArchiveHarness, exact: Details) -> None:
        harness.vendor.details_of[TICKET] = exact

        harness.run(event())

        attributes = harness.table[TICKET].attributes
        assert gzip.decompress(attributes["details_packed"]) == exact.raw
        assert not {"details", "details_key"} & attributes.keys()

    def test_are_in_the_bucket_before_the_item_points_at_them(
        self, harness: ArchiveHarness, exact: Details, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ticket_archive.details.PACKED_LIMIT", 10)
        harness.vendor.details_of[TICKET] = exact

        harness.run(event())

        key = harness.table[TICKET].attributes["details_key"]
        assert gzip.decompress(harness.bucket[key]) == exact.raw
        assert harness.bucket.content_types[key] == "application/gzip"
        log = harness.effects.log
        assert log.index(f"bucket.create {key}") < log.index(f"table.archive {TICKET}")
        harness.check()

    def test_leave_no_trace_when_later_ones_fit(self, harness: ArchiveHarness, exact: Details) -> None:
        harness.vendor.details_of[TICKET] = exact
        harness.run(event("e1"))
        harness.has("ACCEPTED")

        harness.run(event("e2"))

        assert not {"details_packed", "details_key"} & harness.table[TICKET].attributes.keys()


class TestAgain:
    def test_the_same_state_is_no_new_one(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        before = harness.table[TICKET]

        assert harness.run(event("e2")) is Result.UNCHANGED

        after = harness.table[TICKET]
        assert (after.version, after.previous, after.archived_at) == (before.version, None, before.archived_at)
        assert len(harness.bucket.manifests(TICKET)) == 1
        harness.check()

    def test_the_same_event_is_no_new_one_and_one_record(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))

        assert harness.run(event("e1")) is Result.SUPERSEDED

        assert len(harness.table.events) == 1
        harness.check()

    def test_a_state_that_comes_back_is_a_new_one(self, harness: ArchiveHarness) -> None:
        for number, outcome in enumerate(("ACCEPTED", "REJECTED", "ACCEPTED")):
            harness.has(outcome)
            assert harness.run(event(f"e{number}")) is Result.ARCHIVED
            assert harness.run(event(f"e{number}")) is Result.SUPERSEDED

        assert harness.outcomes() == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        harness.check()

    def test_new_pictures_are_a_new_state(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        harness.has("ACCEPTED", pictures(" retaken"))

        harness.run(event("e2"))

        assert len(harness.bucket.manifests(TICKET)) == 2
        harness.check()

    def test_an_archived_ticket_that_is_asked_for_costs_no_call_to_the_vendor(self, harness: ArchiveHarness) -> None:
        harness.run(event())
        vendor_calls(harness)

        assert harness.run(request()) is Result.ALREADY_ARCHIVED
        assert vendor_calls(harness) == []

    def test_an_archived_ticket_is_fetched_again_where_that_is_forced(self, harness: ArchiveHarness) -> None:
        harness.run(event())
        harness.has("REJECTED")

        assert harness.run(request(force=True)) is Result.ARCHIVED
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]


class TestAnIncompleteTicket:
    def test_says_what_is_missing_and_when_to_look_again(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(DOCUMENT, FAULT)

        error = fails(harness, event())

        assert error.detail == "vendor_unavailable"
        assert error.causes == {"vendor_unavailable"}
        item = harness.table[TICKET]
        assert (item.state, item.resume, item.attributes["last_error"]) == (
            TicketState.INCOMPLETE,
            "e1",
            "vendor_unavailable",
        )
        assert item.types == {
            SELFIES: TypeState.STORED,
            DOCUMENT: TypeState.FAILED,
            PORTRAIT: TypeState.STORED,
            SIGNATURE: TypeState.FAILED,
            GHOST: TypeState.FAILED,
        }
        assert item.attributes["details"] == harness.vendor.details_of[TICKET].value
        assert harness.bucket.manifests(TICKET) == []

    def test_is_left_to_the_queue_before_the_schedule_takes_it(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(DOCUMENT, FAULT)

        fails(harness, ArchiveRequest(TICKET, RECEIVED_AT, 7200.0, event_id="e1", event="other"))

        [waiting] = harness.table.incomplete(10)
        assert waiting.retry_at > iso(harness.clock() + timedelta(seconds=7100))

    @pytest.mark.parametrize("missing", list(ImageType))
    def test_resumed_by_the_same_event_fetches_only_what_is_missing(self, missing: ImageType) -> None:
        harness = ArchiveHarness()
        harness.has("ACCEPTED", {kind: [picture(kind.value)] for kind in ImageType})
        harness.vendor.next(missing, FAULT)
        fails(harness, event())
        vendor_calls(harness)

        assert harness.run(event()) is Result.ARCHIVED

        assert vendor_calls(harness) == [f"files {missing.value}"]
        assert [image.type for image in harness.table[TICKET].images] == list(ImageType)
        harness.check()

    def test_whose_details_are_missing_fetches_those(self) -> None:
        harness = ArchiveHarness(image_types=(SELFIES, DOCUMENT))
        harness.has()
        harness.vendor.next("details", FAULT)
        fails(harness, event())
        vendor_calls(harness)

        assert harness.run(event()) is Result.ARCHIVED

        assert vendor_calls(harness) == ["details"]
        assert harness.outcomes() == ["ACCEPTED"]
        harness.check()

    def test_asks_again_for_what_was_absent(self, harness: ArchiveHarness) -> None:
        # It is cut from the document, perhaps since then.
        harness.vendor.next("details", FAULT)
        fails(harness, event())
        harness.vendor.images_of[TICKET, SIGNATURE] = [picture("signature")]

        harness.run(event())

        assert harness.table[TICKET].types[SIGNATURE] is TypeState.STORED

    def test_is_resumed_by_a_request_without_an_event(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(PORTRAIT, FAULT)
        fails(harness, event())
        vendor_calls(harness)

        assert harness.run(request()) is Result.ARCHIVED
        assert set(vendor_calls(harness)) == {f"files {kind.value}" for kind in (PORTRAIT, SIGNATURE, GHOST)}

    @pytest.mark.parametrize("wanted", [event("e2"), request(force=True)], ids=["another event", "force"])
    def test_is_fetched_as_a_whole_by_another_event_and_by_force(
        self, harness: ArchiveHarness, wanted: ArchiveRequest
    ) -> None:
        harness.vendor.next(PORTRAIT, FAULT)
        fails(harness, event("e1"))
        vendor_calls(harness)

        harness.run(wanted)

        assert len(vendor_calls(harness)) == 6

    def test_mixes_nothing_of_an_earlier_event_in(self, harness: ArchiveHarness) -> None:
        harness.has("ACCEPTED", disposition="PASSED", confidence_score=98, risk_code="R1", cifcode="C-1001")
        harness.vendor.next(DOCUMENT, FAULT)
        fails(harness, event("e1"))
        harness.vendor.next("details", FAULT)
        harness.vendor.next(SELFIES, FAULT)

        fails(harness, event("e2"))

        item = harness.table[TICKET]
        stale = {"details", "details_sha256", "details_bytes", "outcome", "disposition", "customer", "risk_code"}
        assert not stale & item.attributes.keys()
        assert "confidence_score" not in item.attributes
        assert item.types[SELFIES] is TypeState.FAILED
        assert {image.type for image in item.images} == {DOCUMENT, PORTRAIT}

    def test_that_was_archived_before_stays_so_until_all_the_new_is_there(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        before = harness.table[TICKET]
        harness.has("REJECTED")
        harness.vendor.next(DOCUMENT, FAULT)

        fails(harness, event("e2"))

        after = harness.table[TICKET]
        assert (after.state, after.version, after.images) == (TicketState.ARCHIVED, before.version, before.images)
        assert harness.table.incomplete(10) == []
        harness.clock.pass_by(61)
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        harness.check()

    @pytest.mark.parametrize("part", ["details", *ImageType])
    def test_hands_on_what_the_vendor_asked_to_wait(self, harness: ArchiveHarness, part: str) -> None:
        harness.vendor.next(str(part), VendorThrottled("429", retry_after=120.0))

        assert fails(harness, event()).retry_after == 120.0

    def test_waits_as_long_as_the_longest_that_was_asked(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", VendorUnavailable("503", retry_after=30.0))
        harness.vendor.next(SELFIES, VendorThrottled("429", retry_after=300.0))
        harness.vendor.next(DOCUMENT, VendorUnavailable("503"))

        assert fails(harness, event()).retry_after == 300.0

    def test_waits_for_nothing_where_nobody_asked(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", FAULT)

        assert fails(harness, event()).retry_after is None

    @pytest.mark.parametrize("error", [VendorAuthError("401"), FAULT], ids=lambda error: error.code)
    def test_names_the_error_of_the_details_first(self, harness: ArchiveHarness, error: ArchiveError) -> None:
        harness.vendor.next("details", error)
        harness.vendor.next(SELFIES, VendorThrottled("429"))

        assert fails(harness, event()).detail == error.code

    def test_has_every_error_as_a_cause(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(SELFIES, ())
        harness.vendor.next(DOCUMENT, UnrecognizedResponse("no_file", b"<html>"))
        harness.vendor.next(PORTRAIT, SettingsError("vendor credential: malformed"))

        error = fails(harness, event())

        assert (error.detail, error.causes) == ("settings", frozenset({"unrecognized_response", "settings"}))

    def test_raises_an_error_without_content_of_the_vendor(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", UnrecognizedResponse("details_not_json", b"Jane Doe, 1984-06-04"))
        harness.vendor.next(SELFIES, UnrecognizedResponse("no_file", b"Jane Doe"))
        harness.vendor.next(DOCUMENT, FAULT)

        error = fails(harness, event())

        seen = [str(error), repr(error), repr(error.__cause__), sorted(error.causes), repr(vars(error))]
        assert "Jane" not in json.dumps(seen)

    def test_counts_its_attempts(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(DOCUMENT, FAULT, FAULT)
        fails(harness, event())
        fails(harness, event())
        harness.run(event())

        assert harness.table[TICKET].attempts == 3
        assert len(harness.table.events) == 1


@pytest.mark.parametrize("image_types", [(DOCUMENT, PORTRAIT), (PORTRAIT, DOCUMENT)], ids=["reduced", "reordered"])
def test_an_attempt_keeps_the_images_of_types_that_are_no_longer_configured(
    harness: ArchiveHarness, image_types: tuple[ImageType, ...]
) -> None:
    harness.vendor.next(DOCUMENT, FAULT)
    fails(harness, event())
    harness.image_types = image_types

    assert harness.run(event()) is Result.ARCHIVED

    item = harness.table[TICKET]
    assert [image.type for image in item.images] == [SELFIES, SELFIES, DOCUMENT, DOCUMENT, PORTRAIT]
    assert item.types == dict.fromkeys([SELFIES, DOCUMENT, PORTRAIT], TypeState.STORED)
    harness.check()


class TestATicketInProgress:
    def test_keeps_nothing(self, harness: ArchiveHarness) -> None:
        harness.has("IN_PROGRESS")

        assert fails(harness, event()).detail == "ticket_in_progress"

        item = harness.table[TICKET]
        assert (item.state, item.images, item.details_sha256) == (TicketState.INCOMPLETE, (), None)
        assert set(item.types.values()) == {TypeState.FAILED}
        assert "details" not in item.attributes

    def test_drops_what_came_before_that_was_known(self, harness: ArchiveHarness) -> None:
        harness.has("IN_PROGRESS", pictures(" at first"))
        harness.vendor.next("details", FAULT)
        fails(harness, event())
        assert harness.table[TICKET].images

        fails(harness, event())

        assert harness.table[TICKET].images == ()
        harness.has("ACCEPTED", pictures(" at last"))
        harness.run(event())
        assert harness.bucket[harness.table[TICKET].images[0].key] == picture("selfie 0 at last").data

    def test_is_asked_for_as_a_whole_later(self, harness: ArchiveHarness) -> None:
        harness.has("PROCESSING")
        fails(harness, event())
        harness.has("ACCEPTED")
        vendor_calls(harness)

        assert harness.run(event()) is Result.ARCHIVED
        assert len(vendor_calls(harness)) == 6
        harness.check()

    def test_stays_archived_where_it_was(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        harness.has("IN_PROGRESS")

        fails(harness, event("e2"))

        assert harness.table[TICKET].state is TicketState.ARCHIVED
        harness.check()


class TestAnErasedTicket:
    """Erased at any moment: nothing is written to the table after it, and no manifest."""

    def test_is_refused_before_the_vendor_is_asked(self, harness: ArchiveHarness) -> None:
        harness.table.erase(TICKET)

        for wanted in (event(), request(), request(force=True)):
            with pytest.raises(TicketErased):
                harness.run(wanted)

        assert vendor_calls(harness) == []
        assert len(harness.bucket) == 0
        assert harness.table.events == {}

    @pytest.mark.parametrize("moment", ["vendor.details", "bucket.create", "table.archive"])
    @pytest.mark.parametrize("times", [1, 2], ids=["received", "archived before"])
    def test_stays_erased_when_that_happens_meanwhile(self, harness: ArchiveHarness, moment: str, times: int) -> None:
        manifests = times - 1
        if times == 2:
            harness.run(event("e1"))
            harness.has("REJECTED")

        harness.effects.hook = lambda when, name: (
            harness.table.erase(TICKET) if when == "before" and name.startswith(moment) else None
        )
        with pytest.raises(TicketErased):
            harness.run(event("e2"))

        assert harness.table[TICKET].attributes.keys() == {"ticket", "record", "state"}
        assert len(harness.bucket.manifests(TICKET)) == manifests

    def test_stays_erased_when_the_attempt_fails(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", FAULT)
        harness.effects.hook = lambda when, name: (
            harness.table.erase(TICKET) if when == "before" and name.startswith("table.mark_incomplete") else None
        )

        with pytest.raises(TicketErased):
            harness.run(event())

        assert harness.table[TICKET].state is TicketState.ERASED


class TestACrashBetweenItemAndManifest:
    @pytest.fixture
    def torn(self, harness: ArchiveHarness) -> ArchiveHarness:
        """The item says ACCEPTED, its manifest was never written."""

        def crash(when: str, name: str) -> None:
            if when == "before" and "/manifests/" in name:
                raise ConnectionError

        harness.effects.hook = crash
        with pytest.raises(ConnectionError):
            harness.run(event("e1"))
        harness.effects.hook = lambda _when, _name: None
        assert harness.table[TICKET].state is TicketState.ARCHIVED
        assert harness.bucket.manifests(TICKET) == []
        return harness

    def test_is_repaired_by_the_same_event(self, torn: ArchiveHarness) -> None:
        assert torn.run(event("e1")) is Result.SUPERSEDED
        torn.check()

    def test_is_repaired_by_any_request(self, torn: ArchiveHarness) -> None:
        assert torn.run(request()) is Result.ALREADY_ARCHIVED
        torn.check()

    def test_followed_by_another_state_publishes_the_older_one_first(self, torn: ArchiveHarness) -> None:
        torn.has("REJECTED")

        assert torn.run(event("e2")) is Result.ARCHIVED

        assert torn.outcomes() == ["ACCEPTED", "REJECTED"]
        torn.check()

    def test_is_repaired_by_an_attempt_that_fails(self, torn: ArchiveHarness) -> None:
        torn.vendor.next("details", FAULT)

        fails(torn, event("e2"))

        assert torn.outcomes() == ["ACCEPTED"]
        torn.check()

    def test_is_repaired_by_an_attempt_that_comes_too_late(self, torn: ArchiveHarness) -> None:
        late = event("e0")
        newer = torn.table[TICKET]
        torn.table.items[TICKET] |= {"fetched_at": iso(torn.clock() + timedelta(hours=1))}

        assert torn.run(late) is Result.SUPERSEDED

        assert torn.table[TICKET].version == newer.version
        torn.check()


class TestAttemptsAtTheSameTime:
    """One attempt runs within another: at the moment that the test names."""

    def within(
        self, harness: ArchiveHarness, moment: str, other: ArchiveRequest, *, fault: str | None = None
    ) -> list[object]:
        """Runs `other` once, as a whole, before the call named `moment`; gives what became of it."""
        results: list[object] = []

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith(moment) and not results:
                results.append("in flight")
                if fault is not None:
                    harness.vendor.next(fault, FAULT)
                try:
                    results[0] = harness.run(other)
                except RetryableError as error:
                    results[0] = error.code

        harness.effects.hook = hook
        return results

    def test_the_newer_fetch_wins_and_the_older_one_writes_nothing(self, harness: ArchiveHarness) -> None:
        self.within(harness, "table.archive", event("e2"))

        assert harness.run(event("e1")) is Result.SUPERSEDED

        assert harness.outcomes() == ["ACCEPTED"]
        harness.check()

    def test_the_older_fetch_does_not_undo_what_the_vendor_changed_since(self, harness: ArchiveHarness) -> None:
        stale = harness.vendor.details_of[TICKET]
        harness.has("REJECTED")
        harness.vendor.next("details", stale)

        self.within(harness, "table.archive", event("e2"))

        assert harness.run(event("e1")) is Result.SUPERSEDED
        assert harness.outcomes() == ["REJECTED"]
        assert harness.table[TICKET].outcome == "REJECTED"
        harness.check()

    def test_equal_times_do_not_flap(self, harness: ArchiveHarness) -> None:
        harness.clock = FakeClock(tick=timedelta(0))
        harness.vendor.next("details", details("REJECTED"))
        self.within(harness, "table.archive", event("e2"))

        assert harness.run(event("e1")) is Result.SUPERSEDED

        assert harness.outcomes() == ["ACCEPTED"]
        harness.check()

    def test_what_builds_on_an_earlier_attempt_does_not_win_over_a_whole_fetch_made_since(
        self, harness: ArchiveHarness
    ) -> None:
        # GIVEN details that were kept when the ticket was accepted, and a document that was missing
        harness.vendor.next(DOCUMENT, FAULT)
        fails(harness, event("e1"))
        # WHEN the vendor rejects it, and that event's attempt begins and ends within the first event's next one
        harness.effects.hook = lambda when, name: None
        self.within(harness, "vendor.files", event("e2"))
        harness.has("REJECTED")

        assert harness.run(event("e1")) is Result.SUPERSEDED

        # THEN the old details are nowhere
        assert harness.outcomes() == ["REJECTED"]
        assert harness.table[TICKET].attributes["details"] == details("REJECTED").value
        harness.check()

    def test_what_builds_on_an_earlier_attempt_gives_way_to_a_whole_fetch_begun_since(
        self, harness: ArchiveHarness
    ) -> None:
        # GIVEN as before, but the newer event's attempt begins first and ends last
        harness.vendor.next(DOCUMENT, FAULT)
        fails(harness, event("e1"))
        harness.has("REJECTED")
        results = self.within(harness, "table.archive", event("e1"))

        assert harness.run(event("e2")) is Result.ARCHIVED

        assert results == [Result.ARCHIVED]
        assert harness.table[TICKET].attributes["details"] == details("REJECTED").value
        assert harness.outcomes()[-1] == "REJECTED"
        harness.check()

    def test_two_that_build_on_the_same_attempt_make_one_state(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(DOCUMENT, FAULT)
        fails(harness, event("e1"))
        results = self.within(harness, "table.archive", event("e1"))

        assert harness.run(event("e1")) is Result.SUPERSEDED

        assert results == [Result.ARCHIVED]
        harness.check()

    def test_a_newer_fetch_follows_the_state_that_an_older_one_wrote_meanwhile(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", details("REJECTED"))

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.archive"):
                harness.effects.hook = lambda _when, _name: None
                harness.clock.pass_by(-120)  # the other attempt began earlier, and ends now
                harness.attempt(event("e1", received_at=iso(harness.clock())))
                harness.clock.pass_by(120)

        harness.effects.hook = hook

        assert harness.run(event("e2")) is Result.ARCHIVED

        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        harness.check()

    def test_an_older_whole_fetch_does_not_overwrite_a_newer_part(self, harness: ArchiveHarness) -> None:
        results = self.within(harness, "table.archive", event("e2"), fault=DOCUMENT)

        with pytest.raises(WriteConflict):
            harness.run(event("e1"))

        assert results == ["ticket_incomplete"]
        assert harness.table[TICKET].state is TicketState.INCOMPLETE
        assert harness.run(event("e1")) is Result.SUPERSEDED
        assert harness.run(event("e2")) is Result.ARCHIVED
        harness.check()

    def test_a_newer_pending_fetch_is_retried_if_an_older_one_is_archived_meanwhile(
        self, harness: ArchiveHarness
    ) -> None:
        document = harness.vendor.images_of[TICKET, DOCUMENT]
        harness.vendor.next(DOCUMENT, (), (), document)
        assert harness.run(event("e1")) is Result.PENDING
        harness.has("REJECTED")
        results = self.within(harness, "table.mark_incomplete", request())

        with pytest.raises(WriteConflict):
            harness.run(event("e2"))

        assert (results, harness.outcomes()) == ([Result.ARCHIVED], ["ACCEPTED"])
        harness.clock.pass_by(60)
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        harness.check()

    def test_a_ticket_that_changes_each_time_goes_back_to_the_queue_after_three_rounds(
        self, harness: ArchiveHarness
    ) -> None:
        harness.run(event("e1"))
        harness.has("REJECTED")
        rounds: list[int] = []

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.archive"):
                rounds.append(1)
                harness.table.items[TICKET]["version"] = f"{len(rounds):064x}"

        harness.effects.hook = hook
        with pytest.raises(WriteConflict):
            harness.run(event("e2"))

        assert len(rounds) == 3

    def test_a_lost_race_for_an_object_sends_the_ticket_back(self, harness: ArchiveHarness) -> None:
        def contended(when: str, name: str) -> None:
            if when == "before" and "/manifests/" in name:
                raise WriteConflict("object")

        harness.effects.hook = contended
        with pytest.raises(WriteConflict):
            harness.run(event())
        harness.effects.hook = lambda _when, _name: None

        harness.run(event())
        harness.check()

    def test_a_write_whose_answer_was_lost_and_that_was_repeated_still_ends_with_its_manifest(
        self, harness: ArchiveHarness
    ) -> None:
        archive = harness.table.archive

        def twice(*arguments: object) -> None:
            archive(*arguments)  # type: ignore[arg-type]
            archive(*arguments)  # type: ignore[arg-type]

        harness.table.archive = twice  # type: ignore[method-assign, assignment]

        harness.run(event())

        assert harness.table[TICKET].state is TicketState.ARCHIVED
        harness.check()


class TestRetention:
    """A ticket ends so many days after it was first received. Until then all that its item names is there."""

    @pytest.fixture
    def harness(self) -> ArchiveHarness:
        made = ArchiveHarness(retention_days=30)
        made.has()
        made.run(event())
        return made

    def test_an_archive_of_the_same_ticket_later_does_not_put_its_end_off(self, harness: ArchiveHarness) -> None:
        """GIVEN a ticket that changes, WHEN it is archived again, THEN it ends when it would have."""
        end = harness.table[TICKET].expires_at
        harness.clock.pass_by(20 * 86_400)
        harness.has("REJECTED")

        harness.run(event("e2"))

        assert harness.table[TICKET].expires_at == end
        assert harness.table[TICKET].outcome == "REJECTED"

    def test_what_is_stored_again_begins_its_age(self, harness: ArchiveHarness) -> None:
        """The bucket counts from when an object was stored: one that was only found there would end too early."""
        images = harness.bucket.keys("images")
        harness.run(request(force=True))

        assert harness.bucket.renewed == images
        assert len(harness.bucket.keys("manifests")) == 1, "a manifest is an event: it is written once"

    def test_details_in_the_bucket_begin_their_age_too(self) -> None:
        harness = ArchiveHarness(retention_days=30)
        harness.has(notes="".join(chr(0x4E00 + place % 20_000) for place in range(400_000)))
        harness.run(event())

        harness.run(request(force=True))

        assert len(harness.bucket.keys("details")) == 1
        assert harness.bucket.keys("details")[0] in harness.bucket.renewed

    def test_an_expired_ticket_is_archived_from_the_start(self, harness: ArchiveHarness) -> None:
        """GIVEN an item that DynamoDB is about to remove, WHEN the ticket completes again, THEN it is a new one."""
        images, [before] = harness.bucket.keys("images"), harness.bucket.keys("manifests")
        harness.clock.pass_by(31 * 86_400)

        assert harness.run(request()) is Result.ARCHIVED

        item = harness.table[TICKET]
        assert harness.bucket.keys("manifests") == [before, manifest_key(TICKET, str(item.version))]
        assert item.previous is None, "the previous manifest is about to be removed too"
        assert item.received_at == item.fetched_at
        assert item.received_at is not None
        assert item.expires_at == end_of(item.received_at, 30)
        assert harness.bucket.renewed == images, "none of them is left to the end of the one before"

    def test_what_is_archived_under_a_legal_hold_does_not_end(self, harness: ArchiveHarness) -> None:
        """GIVEN a held ticket, as `ops hold` leaves it, WHEN it changes, THEN neither item nor new objects end."""
        harness.table.items[TICKET] |= {"legal_hold": RECEIVED_AT, "expires_at": NEVER}
        harness.bucket.limited.clear()
        harness.has("REJECTED", images=pictures("new"))

        harness.run(event("e2"))

        assert harness.table[TICKET].expires_at == NEVER
        assert harness.table[TICKET].outcome == "REJECTED"
        assert harness.bucket.limited == set()
        assert harness.bucket.renewed == []

    def test_an_unrecognized_object_expires(self) -> None:
        harness = ArchiveHarness(retention_days=30)
        harness.has()
        harness.vendor.next("details", UnrecognizedResponse("details_of_no_ticket", b"strange"))

        assert harness.run(event()) is Result.PENDING

        [kept] = harness.bucket.keys("unrecognized")
        assert kept in harness.bucket.limited

    @pytest.mark.parametrize("whole", [True, False])
    def test_an_expired_state_is_not_announced_again(self, harness: ArchiveHarness, whole: bool) -> None:
        """GIVEN S3 has deleted the manifest and DynamoDB not yet the item, THEN only the new state is announced."""
        [before] = harness.bucket.keys("manifests")
        harness.clock.pass_by(31 * 86_400)
        harness.bucket.objects.pop(before)
        harness.bucket.created.remove(before)
        harness.has("REJECTED", images=pictures("new") if whole else {**pictures("new"), DOCUMENT: []})

        assert harness.run(event("e2")) is (Result.ARCHIVED if whole else Result.PENDING)

        assert before not in harness.bucket.keys("manifests")
        assert len(harness.bucket.keys("manifests")) == whole

    def test_an_expired_state_does_not_keep_the_new_one_from_settling(self, harness: ArchiveHarness) -> None:
        harness.clock.pass_by(31 * 86_400)
        harness.has("REJECTED", images={**pictures("new"), DOCUMENT: []})

        result = harness.deliver(event("e2", received_at=iso(harness.clock())))

        assert result.result is Result.ARCHIVED
        assert harness.table[TICKET].types[DOCUMENT] is TypeState.ABSENT

    def test_nothing_of_an_expired_attempt_is_resumed(self) -> None:
        harness = ArchiveHarness(retention_days=1)
        harness.has(images={**pictures(), DOCUMENT: []})
        assert harness.run(event()) is Result.PENDING
        harness.has()
        harness.clock.pass_by(2 * 86_400)

        assert harness.run(event()) is Result.ARCHIVED

        assert set(harness.bucket.renewed) == {key for key in harness.bucket.keys("images") if "/DOCUMENT/" not in key}
