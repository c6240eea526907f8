"""How long to wait before trying a ticket again: in the queue after an attempt, by the schedule after that."""

import math

LONGEST_PAUSE = 5400.0
"""Seconds between two deliveries of a message, give or take a quarter; SQS would allow twelve hours."""

_FIRST_REQUEUE = 900.0
_LONGEST_REQUEUE = 86_400.0


def pause_before_delivery(receives: int, base: float, retry_after: float | None, draw: float) -> int:
    """Whole seconds until a message's next delivery, after `receives` of them failed.

    `base` doubles with each delivery; `draw` (0 to 1) moves the pause by a quarter at the most, so that a burst that
    failed together does not come back together. What the vendor asked for in Retry-After is the least.
    """
    doubled = min(base * 2.0 ** min(receives - 1, 20), LONGEST_PAUSE)
    pause = doubled * (0.75 + draw / 2)
    return max(1, math.ceil(max(pause, retry_after or 0.0)))


def pause_before_requeue(requeues: int) -> float:
    """Seconds after which the schedule queues an incomplete ticket again that it has queued `requeues` times before."""
    return min(_FIRST_REQUEUE * 2.0 ** min(requeues, 20), _LONGEST_REQUEUE)
