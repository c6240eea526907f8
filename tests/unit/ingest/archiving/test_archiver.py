"""Archiving stores a ticket's newest state and one manifest per state, despite missing, repeated and late events."""

import gzip
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.archiving.models import ArchiveRequest, Result
from ingest.files.decoding import LinkedFile
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
from ticket_archive.details import read_details
from ticket_archive.errors import (
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
from ticket_archive.retention import NEVER, expiry

FAULT = VendorUnavailable("503")
STORED, FAILED, ABSENT = TypeState.STORED, TypeState.FAILED, TypeState.ABSENT
EVERY_PART = ["details", *(f"files {kind.value}" for kind in ImageType)]


def vendor_calls(harness: ArchiveHarness) -> list[str]:
    """Return the vendor calls since the last call of this function."""
    calls = [name.removeprefix("vendor.").replace(f" {TICKET}", "") for name in harness.effects.named("vendor.")]
    harness.effects.log.clear()
    return calls


class TestAWholeTicket:
    def test_is_archived_with_details_images_and_its_event(self, harness: ArchiveHarness) -> None:
        harness.has("ACCEPTED", disposition="PASSED", confidence_score=98.5, risk_code="R1", cifcode="C-1001")
        assert harness.run(event()) is Result.ARCHIVED
        item = harness.table[TICKET]
        assert (item.state, item.outcome, item.previous) == (TicketState.ARCHIVED, "ACCEPTED", None)
        assert item.attempts == 1
        assert item.attributes["details"] == harness.vendor.details_of[TICKET].value
        assert item.attributes["customer"] == "C-1001"
        assert item.types == {SELFIES: STORED, DOCUMENT: STORED, PORTRAIT: STORED, SIGNATURE: ABSENT, GHOST: ABSENT}
        assert [harness.bucket[image.key] for image in item.images] == [
            image.data for images in pictures().values() for image in images if not isinstance(image, LinkedFile)
        ]
        assert item.expires_at is None
        assert harness.bucket.expiring == set()
        [(key, record)] = harness.table.events.items()
        assert key == (TICKET, f"event#{harness.arrivals['e1']}#e1")
        noted = {"event_id": "e1", "event": "ticket.verification.completed", "received_at": harness.arrivals["e1"]}
        assert record == {**noted, "ticket": TICKET, "record": key[1]}
        harness.check()

    def test_has_a_manifest_with_the_items_values(self, harness: ArchiveHarness) -> None:
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
            "images": [image.model_dump() for image in item.images],
            "absent": ["DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT"],
            "complete": True,
            "unrecognized": [],
            "missing": [],
            "previous": None,
        }

    def test_costs_one_call_per_part_and_writes_images_then_item_then_manifest(self, harness: ArchiveHarness) -> None:
        harness.run(event())
        log = [name.replace(f" {TICKET}", "") for name in harness.effects.log]
        assert [name for name in log if name.startswith("vendor.")] == [f"vendor.{part}" for part in EVERY_PART]
        stored = [name.split("/")[2] if "/" in name else name for name in log if not name.startswith("vendor.")]
        assert stored == ["table.get", *["images"] * 5, "table.event", "table.archive", "manifests"]

    @pytest.mark.parametrize("answer", [TicketNotFound("404"), details("IN_PROGRESS")], ids=["unknown", "in progress"])
    def test_stores_the_event_even_if_the_fetch_is_not_final(self, harness: ArchiveHarness, answer: object) -> None:
        harness.run(event("e1"))
        harness.fails(event("e2"), details=answer)
        assert [record["event_id"] for record in harness.table.events.values()] == ["e1", "e2"]

    def test_fetches_only_the_configured_types(self, harness: ArchiveHarness) -> None:
        harness.image_types = (DOCUMENT,)
        harness.run(event())
        assert vendor_calls(harness) == ["details", "files DOCUMENT"]
        assert harness.table[TICKET].types == {DOCUMENT: STORED}


class TestDetailsThatTheTableCannotHold:
    def test_are_in_the_bucket_before_the_item_points_at_them(
        self, harness: ArchiveHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exact = read_details(b'{"flow_status": "ACCEPTED", "score": 0.1234567890123456789012345678901234567890}')
        harness.vendor.details_of[TICKET] = exact
        monkeypatch.setattr("ticket_archive.details.PACKED_LIMIT", 10)
        harness.run(event())
        key = harness.table[TICKET].attributes["details_key"]
        assert gzip.decompress(harness.bucket[key]) == exact.raw
        assert harness.bucket.content_types[key] == "application/gzip"
        log = harness.effects.log
        assert log.index(f"bucket.create {key}") < log.index(f"table.archive {TICKET}")
        harness.check()


class TestARepeatedArchive:
    def test_of_a_returned_state_adds_a_version_but_a_repeated_event_does_not(self, harness: ArchiveHarness) -> None:
        for number, outcome in enumerate(("ACCEPTED", "REJECTED", "ACCEPTED")):
            harness.has(outcome)
            assert harness.run(event(f"e{number}")) is Result.ARCHIVED
            assert harness.run(event(f"e{number}")) is Result.SUPERSEDED
        assert harness.outcomes() == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        assert len(harness.table.events) == 3
        harness.check()


class TestAnIncompleteTicket:
    def test_has_the_missing_types_and_the_latest_error(self, harness: ArchiveHarness) -> None:
        error = harness.fails(event(), DOCUMENT=FAULT)
        assert (error.detail, set(error.causes)) == ("vendor_unavailable", {"vendor_unavailable"})
        item = harness.table[TICKET]
        assert (item.state, item.resume) == (TicketState.INCOMPLETE, "e1")
        assert item.attributes["last_error"] == "vendor_unavailable"
        assert item.types == {SELFIES: STORED, DOCUMENT: FAILED, PORTRAIT: STORED, SIGNATURE: FAILED, GHOST: FAILED}
        assert item.attributes["details"] == harness.vendor.details_of[TICKET].value
        assert harness.bucket.manifests(TICKET) == []
        harness.fails(event(), DOCUMENT=VendorThrottled("429"))
        assert harness.table[TICKET].missing[DOCUMENT] == "429", "the latest error"

    @pytest.mark.parametrize("missing", ["details", *ImageType])
    def test_resumed_by_its_event_fetches_only_what_is_missing(self, harness: ArchiveHarness, missing: str) -> None:
        harness.has("ACCEPTED", {kind: [picture(kind.value)] for kind in ImageType})
        harness.fails(event(), **{missing: FAULT})
        vendor_calls(harness)
        assert harness.run(event()) is Result.ARCHIVED
        assert vendor_calls(harness) == [missing if missing == "details" else f"files {missing}"]
        assert [image.type for image in harness.table[TICKET].images] == list(ImageType)
        harness.check()

    def test_keeps_a_types_files_until_there_is_another_answer(self, harness: ArchiveHarness) -> None:
        front = LinkedFile("https://images.example.com/front.jpg")
        harness.answers({DOCUMENT: [front, picture("back")]})
        harness.fails(event(), **{front.url: FAULT})
        harness.vendor.next(DOCUMENT, FAULT)
        settled = harness.attempt(request(settle=tuple(ImageType)))
        assert (settled.result, settled.incomplete) == (Result.ARCHIVED, True)
        [manifest] = harness.bucket.manifests(TICKET)
        kept = [image["key"] for image in manifest["images"] if image["type"] == DOCUMENT]
        assert [harness.bucket[key] for key in kept] == [picture("back").data]
        assert harness.table[TICKET].types[DOCUMENT] is FAILED
        harness.check()

    @pytest.mark.parametrize(
        ("wanted", "parts"),
        [
            (request(), EVERY_PART[3:]),  # what is missing: PORTRAIT, and what was absent
            (event("e2"), EVERY_PART),
            (request(force=True), EVERY_PART),
        ],
        ids=["a request", "another event", "force"],
    )
    def test_is_resumed_by_a_request_and_fetched_as_a_whole_by_another_event_and_by_force(
        self, harness: ArchiveHarness, wanted: ArchiveRequest, parts: list[str]
    ) -> None:
        harness.fails(event("e1"), DOCUMENT_PORTRAIT=FAULT)
        vendor_calls(harness)
        assert harness.run(wanted) is Result.ARCHIVED
        assert vendor_calls(harness) == parts

    @pytest.fixture
    def between_events(self, harness: ArchiveHarness) -> ArchiveHarness:
        """Return a ticket of which an earlier event brought details and selfies, and a newer one only a document."""
        harness.has("REJECTED", disposition="FAILED", confidence_score=98, risk_code="R1", cifcode="C-1001")
        harness.fails(event("e1"), DOCUMENT=FAULT)
        harness.has("ACCEPTED", pictures(" later"), cifcode="C-1001")
        harness.fails(event("e2"), details=FAULT, SELF_PORTRAITS=FAULT)
        return harness

    def test_keeps_parts_of_an_earlier_event_but_not_its_outcome(self, between_events: ArchiveHarness) -> None:
        item = between_events.table[TICKET]
        assert not {"outcome", "disposition", "risk_code", "confidence_score"} & item.attributes.keys()
        assert item.attributes["details"]["flow_status"] == "REJECTED"
        assert item.attributes["customer"] == "C-1001", "a customer's erasure finds the ticket by it"
        assert item.types == {SELFIES: FAILED, DOCUMENT: STORED, PORTRAIT: STORED, SIGNATURE: FAILED, GHOST: FAILED}
        assert {image.type for image in item.images} == {SELFIES, DOCUMENT, PORTRAIT}

    def test_fetches_parts_of_an_earlier_event_again(self, between_events: ArchiveHarness) -> None:
        assert between_events.run(request()) is Result.ARCHIVED
        stored = {between_events.bucket[image.key] for image in between_events.table[TICKET].images}
        assert picture("selfie 0 later").data in stored
        assert picture("selfie 0").data not in stored
        assert between_events.outcomes() == ["ACCEPTED"]
        between_events.check()

    def test_settles_with_parts_of_an_earlier_event_if_the_vendor_stays_down(
        self, between_events: ArchiveHarness
    ) -> None:
        between_events.answers({"details": FAULT, SELFIES: FAULT})
        settled = between_events.attempt(request(settle=tuple(ImageType)))
        assert (settled.result, settled.incomplete, settled.without_outcome) == (Result.ARCHIVED, True, True)
        [manifest] = between_events.bucket.manifests(TICKET)
        assert manifest["details"] is not None
        assert [image["type"] for image in manifest["images"]].count("SELF_PORTRAITS") == 2
        between_events.check()

    @pytest.mark.parametrize(
        ("errors", "detail", "causes", "pause"),
        [
            ({"details": FAULT}, "vendor_unavailable", {"vendor_unavailable"}, None),
            *(
                ({part: VendorThrottled("429", retry_after=120.0)}, "vendor_throttled", {"vendor_throttled"}, 120.0)
                for part in ("details", *ImageType)
            ),
            # The details' error comes first, the longest pause counts.
            (
                {
                    "details": VendorUnavailable("503", retry_after=30.0),
                    SELFIES: VendorThrottled("429", retry_after=300.0),
                },
                "vendor_unavailable",
                {"vendor_unavailable", "vendor_throttled"},
                300.0,
            ),
            (
                {"details": VendorAuthError("401"), SELFIES: VendorThrottled("429")},
                "vendor_auth_error",
                {"vendor_auth_error", "vendor_throttled"},
                None,
            ),
            # An answer that may change is a cause beside the error.
            (
                {DOCUMENT: UnrecognizedResponse("no_file", b"<html>"), PORTRAIT: SettingsError("malformed")},
                "settings",
                {"unrecognized_response", "settings"},
                None,
            ),
        ],
    )
    def test_raises_the_first_error_with_all_causes_and_the_longest_pause(
        self, harness: ArchiveHarness, errors: dict[str, Any], detail: str, causes: set[str], pause: float | None
    ) -> None:
        raised = harness.fails(event(), **errors)
        assert (raised.detail, set(raised.causes), raised.retry_after) == (detail, causes, pause)

    @pytest.mark.parametrize("types", [(DOCUMENT, PORTRAIT), (PORTRAIT, DOCUMENT)], ids=["reduced", "reordered"])
    def test_keeps_the_images_of_types_that_are_no_longer_configured(
        self, harness: ArchiveHarness, types: tuple[ImageType, ...]
    ) -> None:
        harness.fails(event(), DOCUMENT=FAULT)
        harness.image_types = types
        assert harness.run(event()) is Result.ARCHIVED
        item = harness.table[TICKET]
        assert [image.type for image in item.images] == [SELFIES, SELFIES, DOCUMENT, DOCUMENT, PORTRAIT]
        assert item.types == dict.fromkeys([SELFIES, DOCUMENT, PORTRAIT], STORED)
        harness.check()


class TestATicketInProgress:
    def test_stores_no_part_and_is_fetched_completely_later(self, harness: ArchiveHarness) -> None:
        harness.has("IN_PROGRESS")
        assert harness.fails(event()).detail == "ticket_in_progress"
        item = harness.table[TICKET]
        assert (item.state, item.images, item.details_sha256) == (TicketState.INCOMPLETE, (), None)
        assert set(item.types.values()) == {FAILED}
        assert item.missing == dict.fromkeys(["DETAILS", *ImageType], "ticket_in_progress")
        assert "details" not in item.attributes
        harness.has("ACCEPTED")
        vendor_calls(harness)
        assert harness.run(event()) is Result.ARCHIVED
        assert vendor_calls(harness) == EVERY_PART
        harness.check()

    def test_drops_images_that_were_fetched_before_that_was_known(self, harness: ArchiveHarness) -> None:
        harness.has("IN_PROGRESS", pictures(" at first"))
        harness.fails(event(), details=FAULT)
        assert harness.table[TICKET].images
        harness.fails(event())
        assert harness.table[TICKET].images == ()
        harness.has("ACCEPTED", pictures(" at last"))
        harness.run(event())
        assert harness.bucket[harness.table[TICKET].images[0].key] == picture("selfie 0 at last").data

    def test_is_settled_with_all_that_the_vendor_has_and_no_outcome(self, harness: ArchiveHarness) -> None:
        harness.has("IN_PROGRESS")
        harness.fails(event("e1"))
        settled = harness.attempt(request(settle=tuple(ImageType)))
        assert (settled.result, settled.incomplete, settled.without_outcome) == (Result.ARCHIVED, True, True)
        item = harness.table[TICKET]
        assert item.attributes["details"]["flow_status"] == "IN_PROGRESS"
        assert [image.type for image in item.images] == [SELFIES, SELFIES, DOCUMENT, DOCUMENT, PORTRAIT]
        harness.has("ACCEPTED")
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.outcomes() == [None, "ACCEPTED"]
        harness.check()

    @pytest.mark.parametrize("settle", [(), tuple(ImageType)], ids=["as usual", "after the age limit"])
    def test_leaves_an_archived_state_unchanged(self, harness: ArchiveHarness, settle: tuple[ImageType, ...]) -> None:
        harness.run(event("e1"))
        harness.has("IN_PROGRESS")
        harness.fails(event("e2"))
        with suppress(TicketIncomplete):
            harness.attempt(request(force=True, settle=settle))
        assert harness.table[TICKET].state is TicketState.ARCHIVED
        assert harness.outcomes() == ["ACCEPTED"]
        harness.check()


class TestAnErasedTicket:
    """Erased at any moment: nothing is written to the table after it, and no manifest."""

    @pytest.mark.parametrize("moment", ["vendor.details", "bucket.create", "table.archive", "table.mark_incomplete"])
    @pytest.mark.parametrize("before", [0, 1], ids=["received", "archived before"])
    def test_stays_erased_if_it_is_erased_during_an_attempt(
        self, harness: ArchiveHarness, moment: str, before: int
    ) -> None:
        if before:
            harness.run(event("e1"))
            harness.has("REJECTED")
        if moment == "table.mark_incomplete":
            harness.vendor.next("details", FAULT)
            moment = "table.keep_pending" if before else moment
        harness.effects.before(moment, lambda: harness.table.erase(TICKET))
        with pytest.raises(TicketErased):
            harness.run(event("e2"))
        assert harness.table[TICKET].attributes.keys() == {"ticket", "record", "state"}
        assert len(harness.bucket.manifests(TICKET)) == before


class TestACrashBetweenItemAndManifest:
    """tests/faults/test_crashes.py crashes before and after each call, and repeats the event."""

    @pytest.fixture
    def torn(self, harness: ArchiveHarness) -> ArchiveHarness:
        """The item says ACCEPTED, its manifest was never written."""
        harness.effects.fail("/manifests/", ConnectionError())
        with pytest.raises(ConnectionError):
            harness.run(event("e1"))
        harness.effects.clear_hook()
        assert harness.bucket.manifests(TICKET) == []
        return harness

    @pytest.mark.parametrize(
        ("wanted", "result"),
        [(request(), Result.ALREADY_ARCHIVED), (request(recheck=True), Result.UNCHANGED)],
        ids=["a request", "a recheck"],
    )
    def test_is_repaired_by_any_request(self, torn: ArchiveHarness, wanted: ArchiveRequest, result: Result) -> None:
        assert torn.run(wanted) is result
        torn.check()

    def test_is_repaired_by_an_attempt_that_fails(self, torn: ArchiveHarness) -> None:
        torn.fails(event("e2"), details=FAULT)
        torn.check()

    def test_is_repaired_by_an_attempt_that_finds_the_ticket_unknown(self, torn: ArchiveHarness) -> None:
        torn.answers({"details": TicketNotFound("404")})
        torn.table.items[TICKET]["unknown_since"] = "2026-01-15T00:00:00Z"
        assert torn.run(event("e2")) is Result.UNKNOWN_TICKET
        torn.check()


class TestAttemptsAtTheSameTime:
    """One attempt runs within another: at the moment that the test names. test_event_orders.py tries every order."""

    def within(
        self, harness: ArchiveHarness, moment: str, other: ArchiveRequest, *, fault: str | None = None
    ) -> list[object]:
        """Run `other` once before the call named `moment`; return a list that then has its result."""
        results: list[object] = []

        def run_other() -> None:
            if results:
                return
            results.append("in flight")
            if fault is not None:
                harness.vendor.next(fault, FAULT)
            try:
                results[0] = harness.run(other)
            except RetryableError as error:
                results[0] = error.code

        harness.effects.before(moment, run_other)
        return results

    @pytest.mark.parametrize("tick", [0, 1])
    def test_an_older_fetch_does_not_undo_a_later_change(self, harness: ArchiveHarness, tick: int) -> None:
        """Nor do equal times flap."""
        harness.clock = FakeClock(tick=timedelta(seconds=tick))
        stale = harness.vendor.details_of[TICKET]
        harness.has("REJECTED")
        harness.vendor.next("details", stale)
        self.within(harness, "table.archive", event("e2"))
        assert harness.run(event("e1")) is Result.SUPERSEDED
        assert harness.outcomes() == ["REJECTED"]
        assert harness.table[TICKET].outcome == "REJECTED"
        harness.check()

    @pytest.mark.parametrize(
        ("inner", "moment", "outer", "results", "outcomes"),
        [
            ("e2", "vendor.files", "e1", [Result.ARCHIVED, Result.SUPERSEDED], ["REJECTED"]),
            ("e1", "table.archive", "e2", [Result.ARCHIVED, Result.ARCHIVED], ["ACCEPTED", "REJECTED"]),
        ],
    )
    def test_a_resumed_attempt_yields_to_a_complete_fetch(
        self, harness: ArchiveHarness, inner: str, moment: str, outer: str, results: list[Result], outcomes: list[str]
    ) -> None:
        """GIVEN details that were kept when the ticket was accepted, and a document that was missing, WHEN the vendor
        rejects it, and that event's attempt (e2) runs within the first event's next one, or around it.
        """
        harness.fails(event("e1"), DOCUMENT=FAULT)
        harness.has("REJECTED")
        found = self.within(harness, moment, event(inner))
        assert [harness.run(event(outer)), *found][::-1] == results
        assert harness.outcomes() == outcomes
        assert harness.table[TICKET].attributes["details"] == details("REJECTED").value
        harness.check()

    def test_a_newer_fetch_follows_the_state_that_an_older_one_wrote_meanwhile(self, harness: ArchiveHarness) -> None:
        harness.vendor.next("details", details("REJECTED"))

        def older() -> None:
            harness.effects.clear_hook()
            harness.clock.pass_by(-120)  # the other attempt began earlier, and ends now
            harness.attempt(event("e1", received_at=iso(harness.clock())))
            harness.clock.pass_by(120)

        harness.effects.before("table.archive", older)
        assert harness.run(event("e2")) is Result.ARCHIVED
        assert harness.outcomes() == ["ACCEPTED", "REJECTED"]
        harness.check()

    def test_an_older_complete_fetch_does_not_overwrite_a_newer_incomplete_one(self, harness: ArchiveHarness) -> None:
        results = self.within(harness, "table.archive", event("e2"), fault=DOCUMENT)
        with pytest.raises(WriteConflict):
            harness.run(event("e1"))
        assert results == ["ticket_incomplete"]
        assert harness.table[TICKET].state is TicketState.INCOMPLETE
        assert harness.run(event("e1")) is Result.SUPERSEDED
        assert harness.run(event("e2")) is Result.ARCHIVED
        harness.check()

    def test_a_newer_pending_fetch_is_retried_if_an_older_one_is_archived(self, harness: ArchiveHarness) -> None:
        harness.vendor.next(DOCUMENT, (), (), harness.vendor.images_of[TICKET, DOCUMENT])
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

    def test_a_ticket_that_changes_each_time_is_retried_after_three_rounds(self, harness: ArchiveHarness) -> None:
        harness.run(event("e1"))
        harness.has("REJECTED")
        rounds: list[int] = []

        def change() -> None:
            rounds.append(1)
            harness.table.items[TICKET]["version"] = f"{len(rounds):064x}"

        harness.effects.before("table.archive", change)
        with pytest.raises(WriteConflict):
            harness.run(event("e2"))
        assert len(rounds) == 3

    def test_a_write_repeated_after_a_lost_response_ends_with_its_manifest(
        self, harness: ArchiveHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = harness.table.archive
        monkeypatch.setattr(harness.table, "archive", lambda *given: (archive(*given), archive(*given)))
        harness.run(event())
        assert harness.table[TICKET].state is TicketState.ARCHIVED
        harness.check()


class TestRetention:
    """A ticket expires `retention_days` after it was first received. Until then all objects of its item exist."""

    @pytest.fixture
    def harness(self) -> ArchiveHarness:
        made = ArchiveHarness(retention_days=30)
        made.has()
        made.run(event())
        return made

    def test_item_events_and_objects_expire(self, harness: ArchiveHarness) -> None:
        item = harness.table[TICKET]
        assert item.expires_at is not None
        moment = datetime.fromtimestamp(item.expires_at, UTC)
        assert moment - harness.clock() == pytest.approx(timedelta(days=30), abs=timedelta(minutes=1))
        assert [record["expires_at"] for record in harness.table.events.values()] == [item.expires_at]
        assert harness.bucket.expiring == set(harness.bucket.created), "each object ends, whatever it is"

    def test_objects_are_overwritten_so_that_their_lifecycle_age_restarts(self, harness: ArchiveHarness) -> None:
        """The bucket counts from when an object was stored: one that was only found there would end too early."""
        harness.has(notes="".join(chr(0x4E00 + place % 20_000) for place in range(400_000)))  # too large for an item
        harness.run(event("e2"))
        harness.bucket.renewed.clear()
        harness.run(request(force=True))
        details_key = harness.table[TICKET].attributes["details_key"]
        assert sorted(harness.bucket.renewed) == sorted([*harness.bucket.keys("images"), details_key])
        assert len(harness.bucket.keys("manifests")) == 2, "a manifest is an event: it is written once"
        assert len(harness.bucket.keys("details")) == 2, "the superseded ones too"
        assert harness.bucket.expiring == set(harness.bucket.created)

    def test_an_expired_ticket_is_archived_from_the_start(self, harness: ArchiveHarness) -> None:
        """GIVEN an item that DynamoDB is about to remove, WHEN the ticket completes again, THEN it is a new one."""
        images, [before] = harness.bucket.keys("images"), harness.bucket.keys("manifests")
        harness.clock.pass_by(31 * 86_400)
        assert harness.run(request()) is Result.ARCHIVED
        item = harness.table[TICKET]
        assert harness.bucket.keys("manifests") == [before, manifest_key(TICKET, str(item.version))]
        assert item.previous is None, "the previous manifest is about to be removed too"
        assert item.received_at is not None
        assert item.received_at == item.fetched_at
        assert item.expires_at == expiry(item.received_at, 30)
        assert harness.bucket.renewed == images, "none of them is left to the end of the one before"

    def test_a_ticket_under_a_legal_hold_does_not_expire(self, harness: ArchiveHarness) -> None:
        """GIVEN a held ticket, as `ops hold` leaves it, WHEN it changes, THEN neither item nor new objects end."""
        harness.table.items[TICKET] |= {"legal_hold": RECEIVED_AT, "expires_at": NEVER}
        harness.bucket.expiring.clear()
        harness.has("REJECTED", images=pictures("new"))
        harness.run(event("e2"))
        item = harness.table[TICKET]
        assert (item.expires_at, item.outcome) == (NEVER, "REJECTED")
        assert (harness.bucket.expiring, harness.bucket.renewed) == (set(), [])

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
        assert harness.bucket.keys("details") == [], "those of the expired state are not stored again"

    def test_an_expired_state_does_not_keep_the_new_one_from_settling(self, harness: ArchiveHarness) -> None:
        harness.clock.pass_by(31 * 86_400)
        harness.has("REJECTED", images={**pictures("new"), DOCUMENT: []})
        assert harness.deliver(event("e2", received_at=iso(harness.clock()))).result is Result.ARCHIVED
        assert harness.table[TICKET].types[DOCUMENT] is ABSENT

    def test_nothing_of_an_expired_attempt_is_resumed(self) -> None:
        harness = ArchiveHarness(retention_days=1)
        harness.has(images={**pictures(), DOCUMENT: []})
        assert harness.run(event()) is Result.PENDING
        harness.has()
        harness.clock.pass_by(2 * 86_400)
        harness.fails(event(), details=TicketNotFound("404"))
        assert harness.run(event()) is Result.ARCHIVED
        assert set(harness.bucket.renewed) == {key for key in harness.bucket.keys("images") if "/DOCUMENT/" not in key}
