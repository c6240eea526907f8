"""Delays before a ticket is tried again: in the queue after an attempt, and by the schedule after that."""

import math
from datetime import datetime, timedelta

MAX_PAUSE = 5400.0
"""Seconds between two deliveries of a message, plus or minus a quarter; SQS allows twelve hours."""

_FIRST_REQUEUE = 900.0
_MAX_REQUEUE = 86_400.0


def pause_before_delivery(receives: int, base: float, retry_after: float | None, draw: float) -> int:
    """Return the whole seconds until a message's next delivery, after `receives` deliveries have failed.

    `base` doubles with each delivery. `draw` (0 to 1) changes the delay by up to a quarter, so that messages which
    failed together do not return together. The vendor's Retry-After is the minimum.
    """
    delay = min(base * 2.0 ** min(receives - 1, 20), MAX_PAUSE) * (0.75 + draw / 2)
    return max(1, math.ceil(max(delay, retry_after or 0.0)))


def pause_for_unknown_ticket(receives: int, base: float, limit: timedelta) -> timedelta:
    """Return the pause after `receives` deliveries of a message about a ticket that the vendor does not know.

    It is at least that of `pause_before_delivery`, and grows faster: `limit` is over before the last delivery.
    """
    usual = pause_before_delivery(receives, base, None, 0.0)
    return max(limit / 1000 * 6.0 ** min(receives - 1, 8), timedelta(seconds=usual))


def pause_before_requeue(requeues: int) -> float:
    """Return the seconds until the schedule queues an incomplete ticket again, after `requeues` times."""
    return min(_FIRST_REQUEUE * 2.0 ** min(requeues, 20), _MAX_REQUEUE)


def next_requeue(now: datetime, pause: float, received_at: str, max_age: timedelta) -> datetime:
    """Return when the schedule queues a ticket again: after `pause` seconds, but not later than at its age limit."""
    due, limit = now + timedelta(seconds=pause), datetime.fromisoformat(received_at) + max_age
    return limit if now < limit < due else due
