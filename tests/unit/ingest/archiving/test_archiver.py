"""Archiving: the newest state of a ticket, each state said once, whatever is missing, repeated, late or lost."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from ingest.archiving.archiver import ArchiveRequest, Result
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
from ticket_archive.details import Details, read_details, unpack
from ticket_archive.errors import (
    ArchiveError,
    RetryableError,
    SettingsError,
    TicketErased,
    TicketIncomplete,
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
def house() -> ArchiveHarness:
    house = ArchiveHarness()
    house.has("ACCEPTED")
    return house


def fails(house: ArchiveHarness, wanted: ArchiveRequest) -> TicketIncomplete:
    with pytest.raises(TicketIncomplete) as raised:
        house.run(wanted)
    return raised.value


def vendor_calls(house: ArchiveHarness) -> list[str]:
    """Since the last look."""
    calls = [name.removeprefix("vendor.").replace(f" {TICKET}", "") for name in house.effects.named("vendor.")]
    house.effects.log.clear()
    return calls


class TestAWholeTicket:
    def test_is_archived_with_everything_the_vendor_has(self, house: ArchiveHarness) -> None:
        house.has("ACCEPTED", disposition="PASSED", confidence_score=98.5, risk_code="R1", cifcode="C-1001")

        assert house.run(event()) is Result.ARCHIVED

        item = house.table[TICKET]
        assert (item.state, item.outcome, item.previous) == (TicketState.ARCHIVED, "ACCEPTED", None)
        assert item.attributes["details"] == house.vendor.details_of[TICKET].value
        assert item.attributes["customer"] == "C-1001"
        assert item.types == {
            SELFIES: TypeState.STORED,
            DOCUMENT: TypeState.STORED,
            PORTRAIT: TypeState.STORED,
            SIGNATURE: TypeState.ABSENT,
            GHOST: TypeState.ABSENT,
        }
        assert [house.bucket[image.key] for image in item.images] == [
            image.data for images in pictures().values() for image in images if not isinstance(image, LinkedFile)
        ]
        house.check()

    def test_is_announced_by_a_manifest_that_says_what_the_item_says(self, house: ArchiveHarness) -> None:
        house.run(event())

        [manifest] = house.bucket.manifests(TICKET)
        item = house.table[TICKET]
        assert manifest == {
            "schema": SCHEMA,
            "ticket": TICKET,
            "version": item.version,
            "outcome": "ACCEPTED",
            "archived_at": item.archived_at,
            "details": {"sha256": item.details_sha256, "bytes": item.details_bytes},
            "images": [image.as_dict() for image in item.images],
            "absent": ["DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT"],
            "complete": True,
            "unrecognized": [],
            "previous": None,
        }

    def test_costs_one_call_for_each_thing(self, house: ArchiveHarness) -> None:
        house.run(event())

        assert Counter(vendor_calls(house)) == Counter(["details", *(f"files {kind.value}" for kind in ImageType)])

    def test_costs_three_writes_to_the_table_and_one_put_for_each_object(self, house: ArchiveHarness) -> None:
        house.run(event())

        counts = house.effects.counts()
        assert counts["bucket.create"] == 6, "five images, one manifest"
        assert {name: count for name, count in counts.items() if name.startswith("table.")} == {
            "table.get": 1,
            "table.event": 1,
            "table.archive": 1,
        }

    def test_is_written_in_the_order_that_keeps_it_safe(self, house: ArchiveHarness) -> None:
        house.run(event())

        written = [name for name in house.effects.log if name.startswith(("bucket.create", "table.archive"))]
        kinds = ["item" if name.startswith("table") else name.split("/")[2] for name in written]
        assert kinds == ["images"] * 5 + ["item", "manifests"]

    def test_is_noted_with_its_event(self, house: ArchiveHarness) -> None:
        house.run(event("e7"))

        [(key, record)] = house.table.events.items()
        assert key == (TICKET, f"event#{house.arrivals['e7']}#e7")
        assert record == {
            "event_id": "e7",
            "event": "ticket.verification.completed",
            "received_at": house.arrivals["e7"],
            "ticket": TICKET,
            "record": key[1],
        }

    def test_needs_no_event(self, house: ArchiveHarness) -> None:
        assert house.run(request()) is Result.ARCHIVED
        assert house.table.events == {}

    def test_asks_for_the_configured_types_alone(self) -> None:
        house = ArchiveHarness(image_types=(DOCUMENT,))
        house.has()

        house.run(event())

        assert vendor_calls(house) == ["details", "files DOCUMENT"]
        assert house.table[TICKET].types == {DOCUMENT: TypeState.STORED}

    def test_expires_where_retention_is_configured(self) -> None:
        house = ArchiveHarness(retention_days=30)
        house.has()

        house.run(event())

        item = house.table[TICKET]
        assert item.expires_at is not None
        moment = datetime.fromtimestamp(item.expires_at, UTC)
        assert moment - house.clock() == pytest.approx(timedelta(days=30), abs=timedelta(minutes=1))
        assert [record["expires_at"] for record in house.table.events.values()] == [item.expires_at]
        assert house.bucket.limited == set(house.bucket.created), "each object ends, whatever it is"

    def test_expires_never_where_it_is_not(self, house: ArchiveHarness) -> None:
        house.run(event())

        assert house.table[TICKET].expires_at is None
        assert house.bucket.limited == set()

    def test_without_an_outcome_is_archived_without_one(self, house: ArchiveHarness) -> None:
        house.vendor.details_of[TICKET] = read_details(b'{"anything": "else"}')

        house.run(event())

        assert house.outcomes() == [None]


class TestDetailsThatTheTableCannotHold:
    @pytest.fixture
    def exact(self) -> Details:
        return read_details(b'{"flow_status": "ACCEPTED", "score": 0.1234567890123456789012345678901234567890}')

    def test_are_kept_as_the_vendors_bytes(self, house: ArchiveHarness, exact: Details) -> None:
        house.vendor.details_of[TICKET] = exact

        house.run(event())

        attributes = house.table[TICKET].attributes
        assert unpack(attributes["details_packed"]) == exact.raw
        assert not {"details", "details_key"} & attributes.keys()

    def test_are_in_the_bucket_before_the_item_points_at_them(
        self, house: ArchiveHarness, exact: Details, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ticket_archive.details.PACKED_LIMIT", 10)
        house.vendor.details_of[TICKET] = exact

        house.run(event())

        key = house.table[TICKET].attributes["details_key"]
        assert unpack(house.bucket[key]) == exact.raw
        assert house.bucket.content_types[key] == "application/gzip"
        log = house.effects.log
        assert log.index(f"bucket.create {key}") < log.index(f"table.archive {TICKET}")
        house.check()

    def test_leave_no_trace_when_later_ones_fit(self, house: ArchiveHarness, exact: Details) -> None:
        house.vendor.details_of[TICKET] = exact
        house.run(event("e1"))
        house.has("ACCEPTED")

        house.run(event("e2"))

        assert not {"details_packed", "details_key"} & house.table[TICKET].attributes.keys()


class TestAgain:
    def test_the_same_state_is_no_new_one(self, house: ArchiveHarness) -> None:
        house.run(event("e1"))
        before = house.table[TICKET]

        assert house.run(event("e2")) is Result.UNCHANGED

        after = house.table[TICKET]
        assert (after.version, after.previous, after.archived_at) == (before.version, None, before.archived_at)
        assert len(house.bucket.manifests(TICKET)) == 1
        house.check()

    def test_the_same_event_is_no_new_one_and_one_record(self, house: ArchiveHarness) -> None:
        house.run(event("e1"))

        assert house.run(event("e1")) is Result.SUPERSEDED

        assert len(house.table.events) == 1
        house.check()

    def test_a_state_that_comes_back_is_a_new_one(self, house: ArchiveHarness) -> None:
        for number, outcome in enumerate(("ACCEPTED", "REJECTED", "ACCEPTED")):
            house.has(outcome)
            assert house.run(event(f"e{number}")) is Result.ARCHIVED
            assert house.run(event(f"e{number}")) is Result.SUPERSEDED

        assert house.outcomes() == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        house.check()

    def test_new_pictures_are_a_new_state(self, house: ArchiveHarness) -> None:
        house.run(event("e1"))
        house.has("ACCEPTED", pictures(" retaken"))

        house.run(event("e2"))

        assert len(house.bucket.manifests(TICKET)) == 2
        house.check()

    def test_an_archived_ticket_that_is_asked_for_costs_no_call_to_the_vendor(self, house: ArchiveHarness) -> None:
        house.run(event())
        vendor_calls(house)

        assert house.run(request()) is Result.ALREADY_ARCHIVED
        assert vendor_calls(house) == []

    def test_an_archived_ticket_is_fetched_again_where_that_is_forced(self, house: ArchiveHarness) -> None:
        house.run(event())
        house.has("REJECTED")

        assert house.run(request(force=True)) is Result.ARCHIVED
        assert house.outcomes() == ["ACCEPTED", "REJECTED"]


class TestAnIncompleteTicket:
    def test_says_what_is_missing_and_when_to_look_again(self, house: ArchiveHarness) -> None:
        house.vendor.next(DOCUMENT, FAULT)

        error = fails(house, event())

        assert error.detail == "vendor_unavailable"
        assert error.causes == {"vendor_unavailable"}
        item = house.table[TICKET]
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
        assert item.attributes["details"] == house.vendor.details_of[TICKET].value
        assert house.bucket.manifests(TICKET) == []

    def test_is_left_to_the_queue_before_the_schedule_takes_it(self, house: ArchiveHarness) -> None:
        house.vendor.next(DOCUMENT, FAULT)

        fails(house, ArchiveRequest(TICKET, RECEIVED_AT, 7200.0, event_id="e1", event="other"))

        [waiting] = house.table.incomplete(10)
        assert waiting.retry_at > iso(house.clock() + timedelta(seconds=7100))

    @pytest.mark.parametrize("missing", list(ImageType))
    def test_resumed_by_the_same_event_fetches_only_what_is_missing(self, missing: ImageType) -> None:
        house = ArchiveHarness()
        house.has("ACCEPTED", {kind: [picture(kind.value)] for kind in ImageType})
        house.vendor.next(missing, FAULT)
        fails(house, event())
        vendor_calls(house)

        assert house.run(event()) is Result.ARCHIVED

        assert vendor_calls(house) == [f"files {missing.value}"]
        assert [image.type for image in house.table[TICKET].images] == list(ImageType)
        house.check()

    def test_whose_details_are_missing_fetches_those(self) -> None:
        house = ArchiveHarness(image_types=(SELFIES, DOCUMENT))
        house.has()
        house.vendor.next("details", FAULT)
        fails(house, event())
        vendor_calls(house)

        assert house.run(event()) is Result.ARCHIVED

        assert vendor_calls(house) == ["details"]
        assert house.outcomes() == ["ACCEPTED"]
        house.check()

    def test_asks_again_for_what_was_absent(self, house: ArchiveHarness) -> None:
        # It is cut from the document, perhaps since then.
        house.vendor.next("details", FAULT)
        fails(house, event())
        house.vendor.images_of[TICKET, SIGNATURE] = [picture("signature")]

        house.run(event())

        assert house.table[TICKET].types[SIGNATURE] is TypeState.STORED

    def test_is_resumed_by_a_request_without_an_event(self, house: ArchiveHarness) -> None:
        house.vendor.next(PORTRAIT, FAULT)
        fails(house, event())
        vendor_calls(house)

        assert house.run(request()) is Result.ARCHIVED
        assert set(vendor_calls(house)) == {f"files {kind.value}" for kind in (PORTRAIT, SIGNATURE, GHOST)}

    @pytest.mark.parametrize("wanted", [event("e2"), request(force=True)], ids=["another event", "force"])
    def test_is_fetched_as_a_whole_by_another_event_and_by_force(
        self, house: ArchiveHarness, wanted: ArchiveRequest
    ) -> None:
        house.vendor.next(PORTRAIT, FAULT)
        fails(house, event("e1"))
        vendor_calls(house)

        house.run(wanted)

        assert len(vendor_calls(house)) == 6

    def test_mixes_nothing_of_an_earlier_event_in(self, house: ArchiveHarness) -> None:
        house.has("ACCEPTED", disposition="PASSED", confidence_score=98, risk_code="R1", cifcode="C-1001")
        house.vendor.next(DOCUMENT, FAULT)
        fails(house, event("e1"))
        house.vendor.next("details", FAULT)
        house.vendor.next(SELFIES, FAULT)

        fails(house, event("e2"))

        item = house.table[TICKET]
        stale = {"details", "details_sha256", "details_bytes", "outcome", "disposition", "customer", "risk_code"}
        assert not stale & item.attributes.keys()
        assert "confidence_score" not in item.attributes
        assert item.types[SELFIES] is TypeState.FAILED
        assert {image.type for image in item.images} == {DOCUMENT, PORTRAIT}

    def test_that_was_archived_before_stays_so_until_all_the_new_is_there(self, house: ArchiveHarness) -> None:
        house.run(event("e1"))
        before = house.table[TICKET]
        house.has("REJECTED")
        house.vendor.next(DOCUMENT, FAULT)

        fails(house, event("e2"))

        after = house.table[TICKET]
        assert (after.state, after.version, after.images) == (TicketState.ARCHIVED, before.version, before.images)
        assert house.table.incomplete(10) == []
        house.clock.pass_by(61)
        assert house.run(event("e2")) is Result.ARCHIVED
        assert house.outcomes() == ["ACCEPTED", "REJECTED"]
        house.check()

    @pytest.mark.parametrize("part", ["details", *ImageType])
    def test_hands_on_what_the_vendor_asked_to_wait(self, house: ArchiveHarness, part: str) -> None:
        house.vendor.next(str(part), VendorThrottled("429", retry_after=120.0))

        assert fails(house, event()).retry_after == 120.0

    def test_waits_as_long_as_the_longest_that_was_asked(self, house: ArchiveHarness) -> None:
        house.vendor.next("details", VendorUnavailable("503", retry_after=30.0))
        house.vendor.next(SELFIES, VendorThrottled("429", retry_after=300.0))
        house.vendor.next(DOCUMENT, VendorUnavailable("503"))

        assert fails(house, event()).retry_after == 300.0

    def test_waits_for_nothing_where_nobody_asked(self, house: ArchiveHarness) -> None:
        house.vendor.next("details", FAULT)

        assert fails(house, event()).retry_after is None

    @pytest.mark.parametrize("error", [VendorAuthError("401"), FAULT], ids=lambda error: error.code)
    def test_names_the_error_of_the_details_first(self, house: ArchiveHarness, error: ArchiveError) -> None:
        house.vendor.next("details", error)
        house.vendor.next(SELFIES, VendorThrottled("429"))

        assert fails(house, event()).detail == error.code

    def test_has_every_error_as_a_cause(self, house: ArchiveHarness) -> None:
        house.vendor.next(SELFIES, ())
        house.vendor.next(DOCUMENT, UnrecognizedResponse("no_file", b"<html>"))
        house.vendor.next(PORTRAIT, SettingsError("vendor credential: malformed"))

        error = fails(house, event())

        assert (error.detail, error.causes) == ("settings", frozenset({"unrecognized_response", "settings"}))

    def test_raises_an_error_without_content_of_the_vendor(self, house: ArchiveHarness) -> None:
        house.vendor.next("details", UnrecognizedResponse("details_not_json", b"Jane Doe, 1984-06-04"))
        house.vendor.next(SELFIES, UnrecognizedResponse("no_file", b"Jane Doe"))
        house.vendor.next(DOCUMENT, FAULT)

        error = fails(house, event())

        seen = [str(error), repr(error), repr(error.__cause__), sorted(error.causes), repr(vars(error))]
        assert "Jane" not in json.dumps(seen)

    def test_counts_its_attempts(self, house: ArchiveHarness) -> None:
        house.vendor.next(DOCUMENT, FAULT, FAULT)
        fails(house, event())
        fails(house, event())
        house.run(event())

        assert house.table[TICKET].attempts == 3
        assert len(house.table.events) == 1


class TestATicketInProgress:
    def test_keeps_nothing(self, house: ArchiveHarness) -> None:
        house.has("IN_PROGRESS")

        assert fails(house, event()).detail == "ticket_in_progress"

        item = house.table[TICKET]
        assert (item.state, item.images, item.details_sha256) == (TicketState.INCOMPLETE, (), None)
        assert set(item.types.values()) == {TypeState.FAILED}
        assert "details" not in item.attributes

    def test_drops_what_came_before_that_was_known(self, house: ArchiveHarness) -> None:
        house.has("IN_PROGRESS", pictures(" at first"))
        house.vendor.next("details", FAULT)
        fails(house, event())
        assert house.table[TICKET].images

        fails(house, event())

        assert house.table[TICKET].images == ()
        house.has("ACCEPTED", pictures(" at last"))
        house.run(event())
        assert house.bucket[house.table[TICKET].images[0].key] == picture("selfie 0 at last").data

    def test_is_asked_for_as_a_whole_later(self, house: ArchiveHarness) -> None:
        house.has("PROCESSING")
        fails(house, event())
        house.has("ACCEPTED")
        vendor_calls(house)

        assert house.run(event()) is Result.ARCHIVED
        assert len(vendor_calls(house)) == 6
        house.check()

    def test_stays_archived_where_it_was(self, house: ArchiveHarness) -> None:
        house.run(event("e1"))
        house.has("IN_PROGRESS")

        fails(house, event("e2"))

        assert house.table[TICKET].state is TicketState.ARCHIVED
        house.check()


class TestAnErasedTicket:
    """Erased at any moment: nothing is written to the table after it, and no manifest."""

    def test_is_refused_before_the_vendor_is_asked(self, house: ArchiveHarness) -> None:
        house.table.erase(TICKET)

        for wanted in (event(), request(), request(force=True)):
            with pytest.raises(TicketErased):
                house.run(wanted)

        assert vendor_calls(house) == []
        assert len(house.bucket) == 0
        assert house.table.events == {}

    @pytest.mark.parametrize("moment", ["vendor.details", "bucket.create", "table.archive"])
    @pytest.mark.parametrize("times", [1, 2], ids=["received", "archived before"])
    def test_stays_erased_when_that_happens_meanwhile(self, house: ArchiveHarness, moment: str, times: int) -> None:
        manifests = times - 1
        if times == 2:
            house.run(event("e1"))
            house.has("REJECTED")

        house.effects.hook = lambda when, name: (
            house.table.erase(TICKET) if when == "before" and name.startswith(moment) else None
        )
        with pytest.raises(TicketErased):
            house.run(event("e2"))

        assert house.table[TICKET].attributes.keys() == {"ticket", "record", "state"}
        assert len(house.bucket.manifests(TICKET)) == manifests

    def test_stays_erased_when_the_attempt_fails(self, house: ArchiveHarness) -> None:
        house.vendor.next("details", FAULT)
        house.effects.hook = lambda when, name: (
            house.table.erase(TICKET) if when == "before" and name.startswith("table.mark_incomplete") else None
        )

        with pytest.raises(TicketErased):
            house.run(event())

        assert house.table[TICKET].state is TicketState.ERASED


class TestACrashBetweenItemAndManifest:
    @pytest.fixture
    def torn(self, house: ArchiveHarness) -> ArchiveHarness:
        """The item says ACCEPTED, its manifest was never written."""

        def crash(when: str, name: str) -> None:
            if when == "before" and "/manifests/" in name:
                raise ConnectionError

        house.effects.hook = crash
        with pytest.raises(ConnectionError):
            house.run(event("e1"))
        house.effects.hook = lambda _when, _name: None
        assert house.table[TICKET].state is TicketState.ARCHIVED
        assert house.bucket.manifests(TICKET) == []
        return house

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
        self, house: ArchiveHarness, moment: str, other: ArchiveRequest, *, fault: str | None = None
    ) -> list[object]:
        """Runs `other` once, as a whole, before the call named `moment`; gives what became of it."""
        results: list[object] = []

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith(moment) and not results:
                results.append("in flight")
                if fault is not None:
                    house.vendor.next(fault, FAULT)
                try:
                    results[0] = house.run(other)
                except RetryableError as error:
                    results[0] = error.code

        house.effects.hook = hook
        return results

    def test_the_newer_fetch_wins_and_the_older_one_writes_nothing(self, house: ArchiveHarness) -> None:
        self.within(house, "table.archive", event("e2"))

        assert house.run(event("e1")) is Result.SUPERSEDED

        assert house.outcomes() == ["ACCEPTED"]
        house.check()

    def test_the_older_fetch_does_not_undo_what_the_vendor_changed_since(self, house: ArchiveHarness) -> None:
        stale = house.vendor.details_of[TICKET]
        house.has("REJECTED")
        house.vendor.next("details", stale)

        self.within(house, "table.archive", event("e2"))

        assert house.run(event("e1")) is Result.SUPERSEDED
        assert house.outcomes() == ["REJECTED"]
        assert house.table[TICKET].outcome == "REJECTED"
        house.check()

    def test_equal_times_do_not_flap(self, house: ArchiveHarness) -> None:
        house.clock = FakeClock(tick=timedelta(0))
        house.vendor.next("details", details("REJECTED"))
        self.within(house, "table.archive", event("e2"))

        assert house.run(event("e1")) is Result.SUPERSEDED

        assert house.outcomes() == ["ACCEPTED"]
        house.check()

    def test_what_builds_on_an_earlier_attempt_does_not_win_over_a_whole_fetch_made_since(
        self, house: ArchiveHarness
    ) -> None:
        # GIVEN details that were kept when the ticket was accepted, and a document that was missing
        house.vendor.next(DOCUMENT, FAULT)
        fails(house, event("e1"))
        # WHEN the vendor rejects it, and that event's attempt begins and ends within the first event's next one
        house.effects.hook = lambda when, name: None
        self.within(house, "vendor.files", event("e2"))
        house.has("REJECTED")

        assert house.run(event("e1")) is Result.SUPERSEDED

        # THEN the old details are nowhere
        assert house.outcomes() == ["REJECTED"]
        assert house.table[TICKET].attributes["details"] == details("REJECTED").value
        house.check()

    def test_what_builds_on_an_earlier_attempt_gives_way_to_a_whole_fetch_begun_since(
        self, house: ArchiveHarness
    ) -> None:
        # GIVEN as before, but the newer event's attempt begins first and ends last
        house.vendor.next(DOCUMENT, FAULT)
        fails(house, event("e1"))
        house.has("REJECTED")
        results = self.within(house, "table.archive", event("e1"))

        assert house.run(event("e2")) is Result.ARCHIVED

        assert results == [Result.ARCHIVED]
        assert house.table[TICKET].attributes["details"] == details("REJECTED").value
        assert house.outcomes()[-1] == "REJECTED"
        house.check()

    def test_two_that_build_on_the_same_attempt_make_one_state(self, house: ArchiveHarness) -> None:
        house.vendor.next(DOCUMENT, FAULT)
        fails(house, event("e1"))
        results = self.within(house, "table.archive", event("e1"))

        assert house.run(event("e1")) is Result.SUPERSEDED

        assert results == [Result.ARCHIVED]
        house.check()

    def test_a_newer_fetch_follows_the_state_that_an_older_one_wrote_meanwhile(self, house: ArchiveHarness) -> None:
        house.vendor.next("details", details("REJECTED"))

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.archive"):
                house.effects.hook = lambda _when, _name: None
                house.clock.pass_by(-120)  # the other attempt began earlier, and ends now
                house.attempt(event("e1", received_at=iso(house.clock())))
                house.clock.pass_by(120)

        house.effects.hook = hook

        assert house.run(event("e2")) is Result.ARCHIVED

        assert house.outcomes() == ["ACCEPTED", "REJECTED"]
        house.check()

    def test_an_older_whole_fetch_does_not_overwrite_a_newer_part(self, house: ArchiveHarness) -> None:
        results = self.within(house, "table.archive", event("e2"), fault=DOCUMENT)

        with pytest.raises(WriteConflict):
            house.run(event("e1"))

        assert results == ["ticket_incomplete"]
        assert house.table[TICKET].state is TicketState.INCOMPLETE
        assert house.run(event("e1")) is Result.SUPERSEDED
        assert house.run(event("e2")) is Result.ARCHIVED
        house.check()

    def test_a_ticket_that_changes_each_time_goes_back_to_the_queue_after_three_rounds(
        self, house: ArchiveHarness
    ) -> None:
        house.run(event("e1"))
        house.has("REJECTED")
        rounds: list[int] = []

        def hook(when: str, name: str) -> None:
            if when == "before" and name.startswith("table.archive"):
                rounds.append(1)
                house.table.items[TICKET]["version"] = f"{len(rounds):064x}"

        house.effects.hook = hook
        with pytest.raises(WriteConflict):
            house.run(event("e2"))

        assert len(rounds) == 3

    def test_a_lost_race_for_an_object_sends_the_ticket_back(self, house: ArchiveHarness) -> None:
        def contended(when: str, name: str) -> None:
            if when == "before" and "/manifests/" in name:
                raise WriteConflict("object")

        house.effects.hook = contended
        with pytest.raises(WriteConflict):
            house.run(event())
        house.effects.hook = lambda _when, _name: None

        house.run(event())
        house.check()

    def test_a_write_whose_answer_was_lost_and_that_was_repeated_still_ends_with_its_manifest(
        self, house: ArchiveHarness
    ) -> None:
        archive = house.table.archive

        def twice(*arguments: object) -> None:
            archive(*arguments)  # type: ignore[arg-type]
            archive(*arguments)  # type: ignore[arg-type]

        house.table.archive = twice  # type: ignore[method-assign, assignment]

        house.run(event())

        assert house.table[TICKET].state is TicketState.ARCHIVED
        house.check()


class TestRetention:
    """A ticket ends so many days after it was first received. Until then all that its item names is there."""

    @pytest.fixture
    def house(self) -> ArchiveHarness:
        made = ArchiveHarness(retention_days=30)
        made.has()
        made.run(event())
        return made

    def test_an_archive_of_the_same_ticket_later_does_not_put_its_end_off(self, house: ArchiveHarness) -> None:
        """GIVEN a ticket that changes, WHEN it is archived again, THEN it ends when it would have."""
        end = house.table[TICKET].expires_at
        house.clock.pass_by(20 * 86_400)
        house.has("REJECTED")

        house.run(event("e2"))

        assert house.table[TICKET].expires_at == end
        assert house.table[TICKET].outcome == "REJECTED"

    def test_what_is_stored_again_begins_its_age(self, house: ArchiveHarness) -> None:
        """The bucket counts from when an object was stored: one that was only found there would end too early."""
        images = house.bucket.keys("images")
        house.run(request(force=True))

        assert house.bucket.renewed == images
        assert len(house.bucket.keys("manifests")) == 1, "a manifest is an event: it is written once"

    def test_details_in_the_bucket_begin_their_age_too(self) -> None:
        house = ArchiveHarness(retention_days=30)
        house.has(notes="".join(chr(0x4E00 + place % 20_000) for place in range(400_000)))
        house.run(event())

        house.run(request(force=True))

        assert len(house.bucket.keys("details")) == 1
        assert house.bucket.keys("details")[0] in house.bucket.renewed

    def test_an_expired_ticket_is_archived_from_the_start(self, house: ArchiveHarness) -> None:
        """GIVEN an item that DynamoDB is about to remove, WHEN the ticket completes again, THEN it is a new one."""
        images, [before] = house.bucket.keys("images"), house.bucket.keys("manifests")
        house.clock.pass_by(31 * 86_400)

        assert house.run(request()) is Result.ARCHIVED

        item = house.table[TICKET]
        assert house.bucket.keys("manifests") == [before, manifest_key(TICKET, str(item.version))]
        assert item.previous is None, "the previous manifest is about to be removed too"
        assert item.received_at == item.fetched_at
        assert item.received_at is not None
        assert item.expires_at == end_of(item.received_at, 30)
        assert house.bucket.renewed == images, "none of them is left to the end of the one before"

    def test_what_is_archived_under_a_legal_hold_does_not_end(self, house: ArchiveHarness) -> None:
        """GIVEN a held ticket, as `ops hold` leaves it, WHEN it changes, THEN neither item nor new objects end."""
        house.table.items[TICKET] |= {"legal_hold": RECEIVED_AT, "expires_at": NEVER}
        house.bucket.limited.clear()
        house.has("REJECTED", images=pictures("new"))

        house.run(event("e2"))

        assert house.table[TICKET].expires_at == NEVER
        assert house.table[TICKET].outcome == "REJECTED"
        assert house.bucket.limited == set()
        assert house.bucket.renewed == []

    def test_an_unrecognized_object_expires(self) -> None:
        house = ArchiveHarness(retention_days=30)
        house.has()
        house.vendor.next("details", UnrecognizedResponse("details_of_no_ticket", b"strange"))

        assert house.run(event()) is Result.PENDING

        [kept] = house.bucket.keys("unrecognized")
        assert kept in house.bucket.limited

    @pytest.mark.parametrize("whole", [True, False])
    def test_an_expired_state_is_not_announced_again(self, house: ArchiveHarness, whole: bool) -> None:
        """GIVEN S3 has deleted the manifest and DynamoDB not yet the item, THEN only the new state is announced."""
        [before] = house.bucket.keys("manifests")
        house.clock.pass_by(31 * 86_400)
        house.bucket.objects.pop(before)
        house.bucket.created.remove(before)
        house.has("REJECTED", images=pictures("new") if whole else {**pictures("new"), DOCUMENT: []})

        assert house.run(event("e2")) is (Result.ARCHIVED if whole else Result.PENDING)

        assert before not in house.bucket.keys("manifests")
        assert len(house.bucket.keys("manifests")) == whole

    def test_an_expired_state_does_not_keep_the_new_one_from_settling(self, house: ArchiveHarness) -> None:
        house.clock.pass_by(31 * 86_400)
        house.has("REJECTED", images={**pictures("new"), DOCUMENT: []})

        result = house.deliver(event("e2", received_at=iso(house.clock())))

        assert result.result is Result.ARCHIVED
        assert house.table[TICKET].types[DOCUMENT] is TypeState.ABSENT

    def test_nothing_of_an_expired_attempt_is_resumed(self) -> None:
        house = ArchiveHarness(retention_days=1)
        house.has(images={**pictures(), DOCUMENT: []})
        assert house.run(event()) is Result.PENDING
        house.has()
        house.clock.pass_by(2 * 86_400)

        assert house.run(event()) is Result.ARCHIVED

        assert set(house.bucket.renewed) == {key for key in house.bucket.keys("images") if "/DOCUMENT/" not in key}
