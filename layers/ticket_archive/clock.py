"""Timestamps."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """Return ISO 8601 in UTC with microseconds and a Z. Alphabetical order is chronological order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
