"""What a person sees while the local stack works: one line per step, with its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Shows steps on a terminal as they go on, and in a log as they end."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Say that `what` goes on, and in the end how long it took."""
        began = time.monotonic()
        try:
            with self.console.status(what):
                yield
        except BaseException:
            self.console.print(f"[red]✗[/] {what}")
            raise
        self.console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s[/]")


def silent() -> Steps:
    """Steps that nobody sees."""
    return Steps(Console(quiet=True))
