"""Named calls of the fakes, which a test can record, count, or make fail."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from ticket_archive.errors import ArchiveError

When = Literal["before", "after"]


class Effects:
    """`log` has the names of the completed calls in order. `hook` is called before and after each call."""

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
            raise reraisable(error)

        self.before(part, fail)

    def clear_hook(self) -> None:
        self.hook = lambda _when, _name: None

    def named(self, prefix: str) -> list[str]:
        return [name for name in self.log if name.startswith(prefix)]


def reraisable(error: BaseException) -> BaseException:
    """Return an error that can be raised more than once: storing an error's body removes it from the error."""
    if isinstance(error, ArchiveError) and error.body is not None:
        return type(error)(error.detail, error.body)
    return error
