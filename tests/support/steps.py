"""Concurrent attempts, advanced one call at a time in the order that a test chooses.

Each attempt has its own thread, which stops before every call that passes through `Effects`. Only one thread runs at
a time, so that every interleaving is reproducible.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

from tests.support.effects import Effects, When

NEVER = "no call begins with this"


class Killed(BaseException):
    """Ends an attempt as the death of its process does."""


class Attempt:
    """Work in progress. `at` is the name of the next call, None when the work has ended."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.at: str | None = "the beginning"
        self.error: BaseException | None = None
        self._work = work
        self._killed = threading.Event()
        self._go, self._stopped = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._stopped.acquire()
        self._until = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return self.at is None

    def stop_before(self, name: str) -> None:
        """Stop before a call. Runs in the attempt's own thread."""
        if not self._killed.is_set() and name.startswith(self._until):
            self.at = name
            self._stopped.release()
            self._go.acquire()
        self._die_if_killed()

    def step(self, until: str = "") -> None:
        """Make the next call, and advance to the one after it whose name begins with `until`, or to the end."""
        self._until = until
        self._go.release()
        self._stopped.acquire()
        if self.done:
            self._thread.join()

    def finish(self) -> None:
        """Run to the end. Raises what the work raised."""
        if not self.done:
            self.step(NEVER)
        if self.error is not None:
            raise self.error

    def until(self, prefix: str) -> Self:
        """Advance until the next call's name begins with `prefix`."""
        if self.at is not None and not self.at.startswith(prefix):
            self.step(prefix)
        assert self.at is not None, f"no call to {prefix}"
        return self

    def kill(self) -> None:
        """End the process before the next call."""
        self._killed.set()
        while not self.done:
            self.step()

    def _die_if_killed(self) -> None:
        if self._killed.is_set():
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._die_if_killed()
            self._work()
        except BaseException as error:  # noqa: BLE001 - it is reported where the attempt is looked at
            self.error = error
        self.at = None
        self._stopped.release()


class Steps:
    """Stops attempts before their calls; other callers are not stopped."""

    def __init__(self, effects: Effects) -> None:
        self._attempts: dict[threading.Thread, Attempt] = {}
        effects.hook = self._hook

    def begin(self, work: Callable[[], Any]) -> Attempt:
        """Return an attempt that has not begun."""
        attempt = Attempt(work)
        self._attempts[attempt._thread] = attempt
        return attempt

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the attempts that have not ended."""
        for attempt in self._attempts.values():
            if not attempt.done:
                attempt.kill()

    def _hook(self, when: When, name: str) -> None:
        attempt = self._attempts.get(threading.current_thread())
        if attempt is not None and when == "before":
            attempt.stop_before(name)
