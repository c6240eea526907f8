"""Attempts that run side by side, one step at a time, in the order that a test says.

Each attempt has a thread of its own, which stops before every call that it makes to the outside; only one thread ever
runs. So every interleaving can be told, and told again.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.support.fakes import Effects, When


class Killed(BaseException):
    """The process of an attempt ends."""


class Attempt:
    """MessageProcessor that is in flight. `at` names the call that it stands before, None once it has ended."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.at: str | None = "the beginning"
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._killed = threading.Event()
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return self.at is None

    def stop_before(self, name: str) -> None:
        """Called in the attempt's own thread."""
        if not self._killed.is_set():
            self.at = name
            self._stopped.release()
            self._go.acquire()
        self._die_if_killed()

    def step(self) -> None:
        """Makes the call that it stands before, and goes on to the next one."""
        self._go.release()
        self._stopped.acquire()
        if self.done:
            self._thread.join()

    def finish(self) -> Any:
        """All the rest. Raises what the work raised."""
        while not self.done:
            self.step()
        if self.error is not None:
            raise self.error
        return self.result

    def until(self, prefix: str) -> Self:
        """Goes on until it stands before a call whose name begins so."""
        while self.at is not None and not self.at.startswith(prefix):
            self.step()
        assert self.at is not None, f"it never came to {prefix}"
        return self

    def kill(self) -> None:
        """The process ends before the call."""
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
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - it is reported where the attempt is looked at
            self.error = error
        self.at = None
        self._stopped.release()


class Steps:
    """Makes attempts stop before their calls; what else is called goes through."""

    def __init__(self, effects: Effects) -> None:
        self._attempts: dict[threading.Thread, Attempt] = {}
        self.effects = effects
        effects.hook = self._hook

    def begin(self, work: Callable[[], Any]) -> Attempt:
        """An attempt that stands at its beginning."""
        attempt = Attempt(work)
        self._attempts[attempt._thread] = attempt
        return attempt

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends what is still in flight."""
        for attempt in self._attempts.values():
            if not attempt.done:
                attempt.kill()

    def _hook(self, when: When, name: str) -> None:
        attempt = self._attempts.get(threading.current_thread())
        if attempt is not None and when == "before":
            attempt.stop_before(name)
