"""What every command works with: the stack, and output for a person or as JSON."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ops import stack
from ops.errors import Failure
from ops.stack import Stack
from ticket_archive.errors import TicketErased
from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem

_PIPE_WIDTH = 200
"""Columns when the output is no terminal: wide enough that ids are not wrapped."""


@dataclass(frozen=True)
class Options:
    """The options that every command has."""

    profile: str | None = None
    region: str | None = None
    stack_name: str = "idv-ticket-archive"
    as_json: bool = False
    local: Path | None = None


class Context:
    """Prints results to stdout; progress, notes and errors go to stderr."""

    def __init__(self, options: Options) -> None:
        self.as_json = options.as_json
        self._options = options
        self._stdout = _console(stderr=False)
        self._stderr = _console(stderr=True)

    @cached_property
    def stack(self) -> Stack:
        """The stack, looked up on first use: bad input is refused without a network call."""
        options = self._options
        account = stack.local(options.local) if options.local else stack.aws(options.profile, options.region)
        return stack.find(account, options.stack_name)

    def existing_ticket(self, ticket: str, *, content: bool = True) -> TicketItem:
        """Return the ticket's item, with its details or without. Raises Failure if there is none, TicketErased."""
        item = self.stack.table.get(ticket) if content else self.stack.records.without_content(ticket)
        if item is None:
            raise unknown(ticket)
        if item.state is TicketState.ERASED:
            raise TicketErased
        return item

    def print_result(self, result: Mapping[str, Any], for_a_person: RenderableType) -> None:
        """Print a result, as JSON if `--json` was given."""
        if self.as_json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
        else:
            self._stdout.print(for_a_person)

    def note(self, text: str, style: str = "") -> None:
        """Print a line that is not part of the result."""
        self._stderr.print(text, style=style, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator["ProgressBar"]:
        """Show a progress bar on stderr while the block runs."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._stderr, transient=True) as progress:
            yield ProgressBar(progress, progress.add_task(what, total=total))


class ProgressBar:
    """One progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def advance(self, by: float = 1) -> None:
        """Add to what is done."""
        self._progress.advance(self._task, by)

    def move_to(self, completed: float) -> None:
        """Set what is done."""
        self._progress.update(self._task, completed=completed)


def unknown(ticket: str) -> Failure:
    """Return the failure for a ticket that is not in the archive. The id is the operator's own, validated input."""
    return Failure(f"ticket {ticket} is not in the archive; `backfill {ticket}` fetches it from the vendor")


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return rows as a table. Cells are text, not markup."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(names):
        shown.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*map(Text, row))
    return shown


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
