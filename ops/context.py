"""What every command works with: the stack, and output for a person or as JSON."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ops import stack
from ops.errors import Failure
from ops.parallel import Drain
from ops.stack import Stack
from ticket_archive.errors import TicketErased
from ticket_archive.models import TicketItem, TicketState

_PIPE_WIDTH = 1000
"""Columns when the output is no terminal: wide enough that a row is a line, as grep wants it."""
_MANY_ROWS = 1000
"""More are printed as they are, since rich takes a millisecond or two for each."""


@dataclass
class Context:
    """The common options. Results go to stdout; progress, notes and errors to stderr."""

    profile: str | None = None
    region: str | None = None
    stack_name: str = "idv-ticket-archive"
    stack_file: Path | None = None
    as_json: bool = False

    def __post_init__(self) -> None:
        self._stdout = console(stderr=False)
        self._stderr = console(stderr=True)

    @cached_property
    def stack(self) -> Stack:
        """The stack, looked up on first use: bad input is refused without a network call."""
        if self.stack_file:
            return stack.local(self.stack_file, self.stack_name)
        return stack.aws(self.profile, self.region, self.stack_name)

    def existing_ticket(self, ticket: str, *, content: bool = True) -> TicketItem:
        """Return the ticket's item, with its details or without. Raises Failure if there is none, TicketErased."""
        item = self.stack.table.get(ticket) if content else self.stack.table.without_content(ticket)
        if item is None:
            raise unknown(ticket)
        if item.state is TicketState.ERASED:
            raise TicketErased
        return item

    def print_result(self, result: Mapping[str, Any], for_a_person: RenderableType) -> None:
        """Print a result, as JSON if `--json` was given."""
        if self.as_json:
            sys.stdout.write(json.dumps(result, default=str) + "\n")
        else:
            self._stdout.print(for_a_person, crop=False)

    def note(self, text: str, style: str = "") -> None:
        """Print a line that is not part of the result."""
        self._stderr.print(text, style=style, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[Callable[..., None]]:
        """Show a progress bar on a terminal while the block runs. Yields what adds to it: 1, or the number given."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        hidden = not self._stderr.is_terminal
        with Progress(*columns, console=self._stderr, transient=True, disable=hidden) as progress:
            yield partial(progress.advance, progress.add_task(what, total=total))

    @contextmanager
    def drain(self, seconds: float, tickets: int) -> Iterator[Drain]:
        """Show a progress bar for two passes over the tickets, and say when attempts in flight are waited for."""

        def sleep(pause: float) -> None:
            self.note(f"Waiting {pause:.0f} s for attempts that may still be in flight.")
            time.sleep(pause)

        with self.progress("Tickets", 2 * tickets) as advance:
            try:
                yield Drain(seconds, sleep, advance)
            except KeyboardInterrupt:
                self.note("Not complete: run the command again.")
                raise


def unknown(ticket: str) -> Failure:
    """Return the failure for a ticket that is not in the archive. The id is the operator's own, validated input."""
    return Failure(f"ticket {ticket} is not in the archive; `backfill {ticket}` fetches it if the vendor knows it")


class Rows:
    """Rows as a table, or where its words do not fit into a line, each row as a list of names and values.

    Many rows are lines of text of any width. Cells are text, not markup; None is an empty one.
    """

    def __init__(self, names: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
        self.names = names
        self.rows = [[Text("" if cell is None else str(cell)) for cell in row] for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.rows:
            yield "None."
            return
        if len(self.rows) > _MANY_ROWS:
            lines = [self.names, *([cell.plain for cell in row] for row in self.rows)]
            widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            text = "\n".join("  ".join(map(str.ljust, line, widths)) for line in lines)
            yield Segment(text + "\n")
            return
        shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for number, name in enumerate(self.names):
            several_words = any(" " in row[number].plain for row in self.rows)
            shown.add_column(name, no_wrap=not several_words, overflow="fold")
        for row in self.rows:
            shown.add_row(*row)
        if console.measure(shown, options=options.update_width(10_000)).minimum <= options.max_width:
            yield shown
            return
        for row in self.rows:
            yield pairs((name, cell) for name, cell in zip(self.names, row, strict=True) if cell)
            yield ""


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Return names and values side by side. Values are text, not markup."""
    shown = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return shown


def console(*, stderr: bool) -> Console:
    """Return a console that prints text as it is, without markup. Where it is no terminal, its lines are wide."""
    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made
