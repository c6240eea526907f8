"""Asking for tickets whose webhooks never came, or whose archive shall be made again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ops.queues import Pace, Queue
from ticket_archive.errors import InvalidRequest
from ticket_archive.messages import ticket_message
from ticket_archive.models import ticket_id

KIND = "backfill"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ids that were given, each once. `bad` says where the others stood, never what: it may be anything."""

    tickets: tuple[str, ...]
    bad: tuple[str, ...]
    repeated: int


@dataclass(frozen=True, slots=True)
class Portion:
    """What became of one portion of tickets."""

    sent: tuple[str, ...]
    failed: tuple[str, ...]


def read(arguments: Iterable[str], lines: Iterable[str]) -> Wanted:
    """Checks every id. In lines (a file's) blank ones and what begins with # do not count."""
    given = [(f"argument {number}", text) for number, text in enumerate(arguments, 1)]
    given += [
        (f"line {number}", line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    tickets: dict[str, None] = {}
    bad: list[str] = []
    for place, text in given:
        try:
            tickets[ticket_id(text)] = None
        except InvalidRequest:
            bad.append(place)
    return Wanted(tuple(tickets), tuple(bad), len(given) - len(bad) - len(tickets))


def send(queue: Queue, tickets: Sequence[str], *, force: bool, pace: Pace) -> Iterator[Portion]:
    """Queues tickets, portion by portion. Stopping in between loses nothing but the rest."""
    for begin in range(0, len(tickets), pace.at_once):
        part = tickets[begin : begin + pace.at_once]
        pace.wait(len(part))
        failed = queue.send([ticket_message(ticket, kind=KIND, force=force) for ticket in part])
        yield Portion(
            tuple(ticket for position, ticket in enumerate(part) if position not in failed),
            tuple(ticket for position, ticket in enumerate(part) if position in failed),
        )
