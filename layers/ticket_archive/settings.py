"""Settings come from the environment, once, as one frozen record per function, with all their faults told together.

Read by hand: the model of a validation library costs a tenth of a second in every cold start, for a dozen variables.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ticket_archive.errors import SettingsError

T = TypeVar("T")

_WORDS = {"true": True, "false": False}


class Variables:
    """An environment that is being read. What is wrong is remembered, and told by `check`: names, never values."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: set[str] = set()

    def text(self, name: str) -> str:
        """A variable that must be there; an empty one counts as not set."""
        value = self._environment.get(name, "")
        if not value:
            self._faults.add(name)
        return value

    def optional(self, name: str) -> str | None:
        """A variable that may be missing or empty."""
        return self._environment.get(name) or None

    def number(self, name: str, default: int, least: int, most: int | None = None) -> int:
        """A whole number from `least` to `most`, in decimal digits."""
        return self.parsed(name, default, lambda text: _number(text, least, most))

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        return self.parsed(name, default, lambda text: _WORDS[text])

    def parsed(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        """What `parse` makes of the text; it raises ValueError or KeyError where it can make nothing of it."""
        text = self.optional(name)
        if text is None:
            return default
        try:
            return parse(text)
        except (KeyError, ValueError):
            self._faults.add(name)
            return default

    def check(self) -> None:
        """Raises SettingsError that names every variable at fault."""
        if self._faults:
            raise SettingsError(", ".join(sorted(self._faults)))


def _number(text: str, least: int, most: int | None) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValueError
    number = int(text)
    if number < least or (most is not None and number > most):
        raise ValueError
    return number
