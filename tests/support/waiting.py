"""Wait for a condition; fail with its description after a time limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: object, seconds: float = 240.0) -> T:
    """Return the first true value of `look`. Raises AssertionError with `what`, called if it is a function, after
    `seconds`: many times what a quiet machine needs.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return found
