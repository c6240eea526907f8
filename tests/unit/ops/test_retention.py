"""Holding, releasing and applying a retention: item, events and every object version always say the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from ops import retention
from ops.erase import SETTLE
from tests.unit.ops.cli_harness import NOON, ArchiveHarness
from ticket_archive.errors import TicketErased
from ticket_archive.models import TicketState
from ticket_archive.retention import NEVER, end_of
from ticket_archive.table import TicketItem

RECEIVED = "2026-01-31T11:59:00.000000Z"
EVENT = "t1 event#1#x"


@pytest.fixture
def house() -> ArchiveHarness:
    made = ArchiveHarness()
    made.archive("t1")
    made.limited = set(made.versions("tickets/t1/"))
    made.items["t1"] = replace(made.items["t1"], expires_at=end_of(RECEIVED, 30))
    return made


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


def hold(house: ArchiveHarness, clock: Clock | None = None, ticket: str = "t1") -> retention.Hold | None:
    clock, any_house = clock or Clock(), cast("Any", house)
    return retention.hold(ticket, any_house, any_house, any_house, settle=SETTLE, now=clock, sleep=clock.sleep)


def release(house: ArchiveHarness, days: int, ticket: str = "t1", clock: Clock | None = None) -> bool | None:
    clock, any_house = clock or Clock(), cast("Any", house)
    return retention.release(ticket, days, any_house, any_house, any_house, settle=SETTLE, now=clock, sleep=clock.sleep)


def apply(house: ArchiveHarness, days: int, *, now: datetime = NOON, dry_run: bool = False) -> list[int]:
    """Tickets, held ones, and those that are over."""
    any_house = cast("Any", house)
    pages = list(retention.apply_to_all(days, any_house, any_house, now=now, dry_run=dry_run))
    return [sum(getattr(page, name) for page in pages) for name in ("tickets", "held", "over")]


def test_a_hold_stops_the_end_of_everything(house: ArchiveHarness) -> None:
    house.put(next(iter(house.limited)).key, b"an older version")
    house.limited = set(house.versions("tickets/t1/"))

    found = hold(house)

    assert found == retention.Hold("2026-01-31T12:00:00.000000Z", 4, 1)
    assert house.limited == set()
    assert house.items["t1"].expires_at == NEVER
    assert house.ends == {EVENT: None}


def test_the_item_is_held_before_its_objects(house: ArchiveHarness) -> None:
    """Whoever begins on the ticket in between stores objects that do not end."""
    hold(house)

    assert house.journal[0] == "held"


def test_an_attempt_that_was_under_way_is_waited_for(house: ArchiveHarness) -> None:
    # GIVEN one that began 20 seconds ago, and stores an image that ends after the hold looked
    clock = Clock()
    attributes = {**house.items["t1"].attributes, "attempted_at": "2026-01-31T11:59:40.000000Z"}
    house.items["t1"] = replace(house.items["t1"], attributes=attributes)

    def late() -> None:
        house.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")
        house.limited |= set(house.versions("tickets/t1/images/DOCUMENT/late.jpg"))
        house.items["t1"] = replace(house.items["t1"], expires_at=end_of(RECEIVED, 30))

    clock.meanwhile = late

    found = hold(house, clock)

    assert clock.naps == [SETTLE - 20]
    assert house.limited == set()
    assert house.items["t1"].expires_at == NEVER
    assert found is not None
    assert found.object_versions == 4


def test_an_attempt_under_the_hold_is_waited_for_by_the_release(house: ArchiveHarness) -> None:
    # GIVEN one that began 20 seconds ago, under the hold, and stores an image that does not end
    hold(house)
    clock = Clock()
    attributes = {"attempted_at": "2026-01-31T11:59:40.000000Z", "legal_hold": RECEIVED}
    house.items["t1"] = replace(house.items["t1"], attributes=attributes)
    clock.meanwhile = lambda: house.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")

    assert release(house, 30, clock=clock) is True

    assert clock.naps == [SETTLE - 20]
    assert house.limited == set(house.versions("tickets/t1/"))


def test_an_old_attempt_is_not_waited_for(house: ArchiveHarness) -> None:
    clock = Clock()
    attributes = {**house.items["t1"].attributes, "attempted_at": "2026-01-31T11:00:00.000000Z"}
    house.items["t1"] = replace(house.items["t1"], attributes=attributes)

    hold(house, clock)

    assert clock.naps == []


def test_a_neighbour_whose_id_begins_alike_is_not_held(house: ArchiveHarness) -> None:
    house.archive("t10")
    house.limited |= (neighbours := set(house.versions("tickets/t10/")))

    hold(house)

    assert house.limited == neighbours


@pytest.mark.parametrize("days", [30, 0])
def test_a_release_gives_everything_its_end_again(house: ArchiveHarness, days: int) -> None:
    hold(house)

    assert release(house, days) is True

    assert house.limited == (set(house.versions("tickets/t1/")) if days else set())
    assert house.items["t1"].expires_at == end_of(RECEIVED, days)
    assert house.ends == {EVENT: end_of(RECEIVED, days)}
    assert house.journal[-1] == "released", "until all is done it is seen to be held"


def test_what_is_not_held_is_not_released(house: ArchiveHarness) -> None:
    before = house.items["t1"], set(house.limited)

    assert release(house, 7) is False

    assert (house.items["t1"], house.limited) == before
    assert house.journal == []


def test_what_is_unknown_or_erased_can_be_neither_held_nor_released() -> None:
    house = ArchiveHarness()
    house.items["gone"] = TicketItem("gone", TicketState.ERASED)

    assert hold(house, ticket="t9") is None
    assert release(house, 30, ticket="t9") is None
    for change in (lambda: hold(house, ticket="gone"), lambda: release(house, 30, ticket="gone")):
        with pytest.raises(TicketErased):
            change()


def test_a_changed_retention_reaches_what_was_there_before(house: ArchiveHarness) -> None:
    house.archive("t2")
    house.items["gone"] = TicketItem("gone", TicketState.ERASED)

    assert apply(house, 7) == [2, 0, 0]

    assert {house.items[ticket].expires_at for ticket in ("t1", "t2")} == {end_of(RECEIVED, 7)}
    assert house.limited == {*house.versions("tickets/t1/"), *house.versions("tickets/t2/")}
    assert house.ends[EVENT] == end_of(RECEIVED, 7)


def test_a_retention_that_was_taken_away_ends_nothing(house: ArchiveHarness) -> None:
    apply(house, 0)

    assert house.items["t1"].expires_at is None
    assert house.limited == set()


def test_a_held_ticket_stays_whatever_the_retention_becomes(house: ArchiveHarness) -> None:
    hold(house)

    assert apply(house, 1, now=NOON + timedelta(days=9)) == [0, 1, 0]

    assert house.items["t1"].expires_at == NEVER
    assert house.limited == set()


def test_a_dry_run_counts_what_would_end_at_once_and_changes_nothing(house: ArchiveHarness) -> None:
    before = house.items["t1"], set(house.limited)

    assert apply(house, 7, now=NOON + timedelta(days=9), dry_run=True) == [1, 0, 1]

    assert (house.items["t1"], house.limited) == before
