"""Erasing: nothing new can come before anything goes, everything goes, and the receipt says what without saying who."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from ops import erase
from ops.objects import Objects, Version
from ops.records import EventRecord, Records
from tests.unit.ops.cli_harness import NOON, ArchiveHarness
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import TicketState
from ticket_archive.table import TicketTable


class Clock:
    def __init__(self) -> None:
        self.now = NOON
        self.naps: list[float] = []
        self.meanwhile: Callable[[], Any] = lambda: None

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.meanwhile()


@pytest.fixture
def house() -> ArchiveHarness:
    made = ArchiveHarness()
    made.archive("t1", customer="CANARY-CUSTOMER")
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(house: ArchiveHarness, clock: Clock, ticket: str = "t1", settle: float = 70) -> erase.Receipt:
    records, objects = cast("Records", house), cast("Objects", house)
    return erase.erase(ticket, records, objects, settle=settle, now=clock, sleep=clock.sleep)


def left(house: ArchiveHarness, ticket: str = "t1") -> list[Version]:
    return list(house.versions(f"tickets/{ticket}/"))


def test_every_version_of_every_object_goes_and_the_events_too(house: ArchiveHarness, clock: Clock) -> None:
    key = left(house)[0].key
    house.put(key, b"an older version")

    receipt = run(house, clock)

    assert left(house) == []
    assert list(house.events("t1")) == []
    assert (receipt.object_versions, receipt.events, receipt.refused) == (4, 1, 0)


def test_the_tombstone_comes_first_and_the_events_last(house: ArchiveHarness, clock: Clock) -> None:
    run(house, clock)

    assert house.journal == ["tombstone set", *["object deleted"] * 3, "event deleted"]
    assert house.items["t1"].state is TicketState.ERASED


def test_what_was_under_way_is_found_by_the_second_look(house: ArchiveHarness, clock: Clock) -> None:
    # GIVEN an ingest that passed before the tombstone stood there, and writes afterwards
    def late() -> None:
        house.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")
        house.noted["t1"].append(EventRecord("event#2#y", "late", "2026-01-31T12:00:10Z"))

    clock.meanwhile = late

    receipt = run(house, clock)

    assert left(house) == []
    assert list(house.events("t1")) == []
    assert (receipt.late_object_versions, receipt.late_events, receipt.object_versions) == (1, 1, 4)
    assert clock.naps == [70]


def test_it_may_be_repeated_and_the_tombstone_keeps_its_time(house: ArchiveHarness, clock: Clock) -> None:
    first = run(house, clock)
    clock.now += timedelta(days=1)

    second = run(house, clock)

    assert second.erased_at == first.erased_at
    assert (second.object_versions, second.events) == (0, 0)
    assert clock.naps == [70], "nothing can be under way any more"


def test_a_repetition_waits_for_what_is_left_of_the_time(house: ArchiveHarness, clock: Clock) -> None:
    run(house, clock, settle=0)
    clock.now += timedelta(seconds=30)

    run(house, clock)

    assert clock.naps == [40]


def test_a_legal_hold_refuses_before_anything_is_touched(house: ArchiveHarness, clock: Clock) -> None:
    house.hold("t1", "2026-01-01T00:00:00Z")
    house.journal.clear()

    with pytest.raises(InvalidRequest, match="legal_hold"):
        run(house, clock)

    assert house.journal == []


def test_a_neighbour_whose_id_begins_alike_is_left_alone(house: ArchiveHarness, clock: Clock) -> None:
    house.archive("t10")

    run(house, clock)

    assert len(left(house, "t10")) == 3


def test_what_cannot_be_deleted_is_counted_as_refused_and_not_as_erased(house: ArchiveHarness, clock: Clock) -> None:
    stubborn = left(house)[0].key
    house.undeletable = {stubborn}

    receipt = run(house, clock)

    assert (receipt.refused, receipt.object_versions) == (1, 2)


def test_the_digest_is_of_the_sorted_lines_of_what_went(house: ArchiveHarness, clock: Clock) -> None:
    lines = sorted(f"{key}\t{version}\n" for key, version in left(house))

    assert run(house, clock).sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_receipt_holds_no_personal_data(house: ArchiveHarness, clock: Clock) -> None:
    assert "CANARY" not in json.dumps(asdict(run(house, clock)))


def test_the_plan_counts_and_changes_nothing(house: ArchiveHarness) -> None:
    plan = erase.plan("t1", cast("TicketTable", house), cast("Records", house), cast("Objects", house))

    assert (plan.object_versions, plan.events, plan.state, plan.unknown) == (3, 1, TicketState.ARCHIVED, False)
    assert house.journal == []


def test_objects_without_an_item_are_no_unknown_ticket() -> None:
    house = ArchiveHarness()
    house.put("tickets/t1/images/DOCUMENT/x.jpg", b"x")

    plan = erase.plan("t1", cast("TicketTable", house), cast("Records", house), cast("Objects", house))

    assert plan.state is None
    assert not plan.unknown
