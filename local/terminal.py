"""Progress in the terminal: one line per step, with its duration."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Shows each step: a spinner on a terminal while it runs, one line when it ends."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Show the step while the block runs, then its result and duration."""
        began = time.monotonic()
        try:
            with self.console.status(step):
                yield
        except BaseException:
            self.console.print(f"[red]✗[/] {step}")
            raise
        self.console.print(f"[green]✓[/] {step} [dim]{time.monotonic() - began:.1f} s[/]")


def silent() -> Steps:
    """Return steps that print nothing."""
    return Steps(Console(quiet=True))
