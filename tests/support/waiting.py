"""Wait for what happens on its own time, with evidence when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = 240.0) -> T:
    """What `look` finds, as soon as it finds something; fails with what was waited for.

    `seconds` is what a busy machine may need, many times what a quiet one does.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return found
