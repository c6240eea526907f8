"""Ends are whole seconds, and one that never comes is no end."""

from datetime import UTC, datetime

import pytest

from ticket_archive.retention import NEVER, end_of, expires, is_over

RECEIVED = "2026-01-15T09:30:00.500000Z"
END = 1_768_469_400 + 30 * 86_400


@pytest.mark.parametrize(("days", "end"), [(30, END), (0, None)])
def test_a_ticket_ends_so_many_days_after_it_was_received(days: int, end: int | None) -> None:
    assert end_of(RECEIVED, days) == end


@pytest.mark.parametrize(("end", "expected"), [(END, True), (None, False), (NEVER, False)])
def test_what_is_held_does_not_end(end: int | None, expected: bool) -> None:
    assert expires(end) is expected


def test_never_is_the_last_second_that_a_date_can_have() -> None:
    assert datetime.fromtimestamp(NEVER, UTC).isoformat() == "9999-12-31T23:59:59+00:00"


@pytest.mark.parametrize(
    ("end", "moment", "over"), [(END, END - 1, False), (END, END, True), (None, END, False), (NEVER, END, False)]
)
def test_an_end_is_over_when_it_has_come(end: int | None, moment: int, over: bool) -> None:
    assert is_over(end, datetime.fromtimestamp(moment, UTC)) is over
