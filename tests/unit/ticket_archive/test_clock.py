"""Times, as the archive writes and compares them."""

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ticket_archive.clock import iso, now

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, MOMENTS)
def test_the_order_of_texts_is_the_order_of_times(one: datetime, other: datetime) -> None:
    assert (iso(one) < iso(other)) is (one < other)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_written_in_utc_to_the_microsecond(moment: datetime, minutes: int) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert iso(elsewhere) == iso(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", iso(moment))
    assert datetime.fromisoformat(iso(moment)) == moment


def test_the_present_is_in_utc() -> None:
    assert now().utcoffset() == timedelta(0)
