"""Retention: items expire by the table's TTL attribute `expires_at`, objects by a lifecycle rule that selects a tag.

A legal hold sets `expires_at` to NEVER and removes the tag from the ticket's objects.
"""

from datetime import datetime, timedelta

TAG_KEY, TAG_VALUE = "retention", "limited"
NEVER = 253_402_300_799
"""Epoch seconds: the end of the year 9999. A held item needs a value, or the next attempt would set one."""


def expiry(received_at: str, days: int) -> int | None:
    """Return the expiry of a ticket that was first received at this time, in epoch seconds; None if `days` is 0."""
    return int((datetime.fromisoformat(received_at) + timedelta(days=days)).timestamp()) if days else None


def expires(expires_at: int | None) -> bool:
    """Return whether an item or object with this expiry expires at all."""
    return expires_at is not None and expires_at < NEVER


def is_expired(expires_at: int | None, now: datetime) -> bool:
    """Return whether the expiry has passed. DynamoDB deletes expired items within days; until then they are ignored.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ttl-expired-items.html
    """
    return expires_at is not None and expires_at <= now.timestamp()
