"""What every command works at: the stack that the options name, and the two ways to tell what was found."""

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

_WIDTH_OF_A_FILE = 200
"""Columns where nobody's window sets them: ids must not be wrapped in a pipe."""


@dataclass(frozen=True)
class Options:
    """The options that all commands have."""

    profile: str | None = None
    region: str | None = None
    stack_name: str = "idv-ticket-archive"
    as_json: bool = False
    local: Path | None = None


class Desk:
    """Results go to stdout, as JSON or for a person; all else (progress, remarks, errors) goes to stderr."""

    def __init__(self, options: Options) -> None:
        self.as_json = options.as_json
        self._options = options
        self._results = _console(stderr=False)
        self._remarks = _console(stderr=True)

    @cached_property
    def stack(self) -> Stack:
        """Found on first use, so that bad input needs no network."""
        options = self._options
        account = stack.local(options.local) if options.local else stack.aws(options.profile, options.region)
        return stack.find(account, options.stack_name)

    def known(self, ticket: str) -> TicketItem:
        """The ticket's item. Raises Failure where it is unknown, TicketErased."""
        item = self.stack.table.get(ticket)
        if item is None:
            raise unknown(ticket)
        if item.state is TicketState.ERASED:
            raise TicketErased
        return item

    def tell(self, result: Mapping[str, Any], for_a_person: RenderableType) -> None:
        """Prints a result."""
        if self.as_json:
            sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
        else:
            self._results.print(for_a_person)

    def remark(self, text: str, style: str = "") -> None:
        """Prints a line that is no result."""
        self._remarks.print(text, style=style, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator["Bar"]:
        """A bar on stderr, gone when the work is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._remarks, transient=True) as progress:
            yield Bar(progress, progress.add_task(what, total=total))


class Bar:
    """One progress bar."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def advance(self, by: float = 1) -> None:
        """Moves on."""
        self._progress.advance(self._task, by)

    def at(self, place: float) -> None:
        """Moves to."""
        self._progress.update(self._task, completed=place)


def unknown(ticket: str) -> Failure:
    """There is no such ticket. The id is the operator's own input, checked before."""
    return Failure(f"ticket {ticket} is unknown to the archive: `backfill` asks for it")


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Rows for a person. Cells are text, not markup."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(names):
        shown.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*map(Text, row))
    return shown


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console
