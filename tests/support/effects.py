"""Calls of fakes under names, where a test can watch them, count them, or make them fail."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from ticket_archive.errors import ArchiveError

When = Literal["before", "after"]


class Effects:
    """Calls in order: `log` has the names of those that took effect. `hook` is called before and after each."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.hook: Callable[[When, str], None] = lambda _when, _name: None
        self._lock = threading.Lock()

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        self.hook("before", name)
        yield
        with self._lock:
            self.log.append(name)
        self.hook("after", name)

    def before(self, part: str, do: Callable[[], object]) -> None:
        """Call `do` before each call whose name contains `part`, and no other hook."""

        def hook(when: When, name: str) -> None:
            if when == "before" and part in name:
                do()

        self.hook = hook

    def fail(self, part: str, error: BaseException) -> None:
        """Raise an error in place of each call whose name contains `part`."""

        def fail() -> None:
            raise again(error)

        self.before(part, fail)

    def undisturbed(self) -> None:
        self.hook = lambda _when, _name: None

    def named(self, prefix: str) -> list[str]:
        return [name for name in self.log if name.startswith(prefix)]


def again(error: BaseException) -> BaseException:
    """Return an error that may be raised more than once: a body that is stored is removed from its error."""
    if isinstance(error, ArchiveError) and error.body is not None:
        return type(error)(error.detail, error.body)
    return error
