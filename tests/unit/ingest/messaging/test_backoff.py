"""Pauses grow, have bounds, and respect what the vendor asked for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.messaging.backoff import MAX_PAUSE, pause_before_delivery

SQS_LONGEST = 43_200
RECEIVES = st.integers(1, 1000)
BASES = st.integers(1, 900)
DRAWS = st.floats(0, 1)
ASKED = st.none() | st.floats(0, 900)


@given(RECEIVES, BASES, ASKED, DRAWS)
def test_a_pause_has_bounds(receives: int, base: int, asked: float | None, draw: float) -> None:
    pause = pause_before_delivery(receives, base, asked, draw)
    assert type(pause) is int
    assert 1 <= pause <= MAX_PAUSE * 1.25 < SQS_LONGEST


@given(RECEIVES, BASES, ASKED, DRAWS)
def test_a_pause_never_shrinks_with_further_deliveries(
    receives: int, base: int, asked: float | None, draw: float
) -> None:
    assert pause_before_delivery(receives, base, asked, draw) <= pause_before_delivery(receives + 1, base, asked, draw)


@given(RECEIVES, BASES, st.floats(0, 900), DRAWS)
@example(1, 20, 30.4, 0.5)
def test_a_pause_is_at_least_what_the_vendor_asked_for(receives: int, base: int, asked: float, draw: float) -> None:
    pause = pause_before_delivery(receives, base, asked, draw)
    assert pause >= asked
    assert pause >= pause_before_delivery(receives, base, None, draw)


@pytest.mark.parametrize(("receives", "pause"), [(1, 20), (2, 40), (3, 80), (9, 5120), (10, 5400), (1000, 5400)])
def test_a_pause_doubles_up_to_an_hour_and_a_half(receives: int, pause: int) -> None:
    assert pause_before_delivery(receives, 20, None, 0.5) == pause


def test_messages_that_failed_together_are_spread_over_half_the_pause() -> None:
    assert [pause_before_delivery(1, 100, None, draw) for draw in (0.0, 0.5, 1.0)] == [75, 100, 125]
