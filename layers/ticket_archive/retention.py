"""How long a ticket is kept: its items end by the table's time to live, its objects by the bucket's lifecycle, alike.

An item says in `expires_at` when it ends, and each object that ends carries the tag that the bucket's rule looks for.
Under a legal hold neither does: the item's end never comes, and the tag is taken off.
"""

from datetime import datetime, timedelta

TAG_KEY, TAG_VALUE = "retention", "limited"
NEVER = 253_402_300_799
"""Epoch seconds: the last one of the year 9999. The end of what is held; without one it would get one again."""


def end_of(received_at: str, days: int) -> int | None:
    """When a ticket ends that was first received then, in epoch seconds; None where `days` is 0, which is never."""
    return int((datetime.fromisoformat(received_at) + timedelta(days=days)).timestamp()) if days else None


def is_limited(end: int | None) -> bool:
    """Whether what has this end comes to it."""
    return end is not None and end < NEVER


def is_over(end: int | None, moment: datetime) -> bool:
    """Whether the end has come. DynamoDB deletes what is over within days; until then it is as if it had.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ttl-expired-items.html
    """
    return end is not None and end <= moment.timestamp()
