"""Times as the archive writes them, and deadlines as it keeps them."""

import time
from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and a Z: its alphabetical order is the order of time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def monotonic_in(seconds: float) -> float:
    """The moment that is `seconds` from now, on the clock that nobody can set back."""
    return time.monotonic() + seconds
