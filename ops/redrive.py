"""Moving dead letters and quarantined webhooks back to the ticket queue, all of them or by reason.

SQS has a task of its own for this (StartMessageMoveTask). It takes no filter, tells no ids, and knows only queues that
a redrive policy names, which the quarantine is not; so one loop does it for both, filter or not.
"""

import hashlib
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ops.queues import Pace, Queue, Received
from ticket_archive.errors import UnreadableWebhook
from ticket_archive.messages import TicketRequest, read_message
from ticket_archive.models import TicketState
from ticket_archive.table import TicketTable

_EMPTY_ANSWERS = 2
"""How many in a row mean that a queue is empty: SQS is distributed, and one may be wrong."""


class Outcome(StrEnum):
    """What became of a message."""

    LISTED = "listed"
    MOVED = "moved"
    NOT_SENT = "not_sent"  # still where it was
    NOT_DELETED = "not_deleted"  # moved, and still where it was too: it may come twice, which does no harm


@dataclass(frozen=True, slots=True)
class Label:
    """What is told of a message: `ticket` where the message names one, and a code. Never what it holds."""

    id: str
    ticket: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Redriven:
    """A message, and what became of it."""

    label: Label
    outcome: Outcome


def dead_letter(table: TicketTable) -> Callable[[Received], Label]:
    """Labels dead letters by what the archive noted of the last attempt at their ticket.

    A webhook names its ticket only to whoever opens it, and nothing is opened here.
    """

    def label(message: Received) -> Label:
        try:
            asked = read_message(message.body)
        except UnreadableWebhook as error:
            return Label(message.id, None, error.detail)
        if not isinstance(asked, TicketRequest):
            return Label(message.id, None, "webhook_not_opened")
        return Label(message.id, asked.ticket, _reason(table, asked.ticket))

    return label


def quarantined(message: Received) -> Label:
    """Labels a quarantined message by the reason that came with it."""
    return Label(message.id, None, message.reason or "none_given")


def redrive(
    source: Queue,
    target: Queue,
    label: Callable[[Received], Label],
    *,
    wanted: Callable[[Label], bool],
    limit: int | None,
    dry_run: bool,
    pace: Pace,
) -> Generator[Redriven, None, None]:
    """Goes through `source` once. Sends first and deletes then: a crash in between doubles a message, it loses none.

    What is not wanted is kept in flight, so that it is not received again and again, and made visible at the end. What
    comes back while this runs (the secret is still the wrong one) is left alone: it would go round for ever.
    """
    _, began = source.look()
    moved: set[bytes] = set()
    held: dict[str, Received] = {}
    left = limit
    empty = 0
    try:
        while empty < _EMPTY_ANSWERS and left != 0:
            batch = source.receive(pace.at_once)
            empty = 0 if batch else empty + 1
            chosen: list[tuple[Received, Label]] = []
            for message in batch:
                known = message.id in held
                held[message.id] = replace(message, body="")  # the receipt is needed, and there may be many
                if known or _came_back(message, began, moved) or left == 0:
                    continue
                if wanted(told := label(message)):
                    chosen.append((message, told))
                    left = None if left is None else left - 1
            if dry_run:
                outcomes = [Outcome.LISTED] * len(chosen)
            else:
                outcomes = _move(source, target, [message for message, _ in chosen], pace)
            for (message, told), outcome in zip(chosen, outcomes, strict=True):
                if outcome is Outcome.MOVED:
                    moved.add(_digest(message))
                    del held[message.id]
                yield Redriven(told, outcome)
    finally:
        source.release(list(held.values()))


def _came_back(message: Received, began: datetime, moved: Collection[bytes]) -> bool:
    """Whether a message was sent since `began`.

    The queue tells that time without fractions. What was sent within that very second was mostly there before; it came
    back only if it is what was moved.
    """
    if message.sent_at >= began + timedelta(seconds=1):
        return True
    return message.sent_at >= began and _digest(message) in moved


def _digest(message: Received) -> bytes:
    return hashlib.sha256(message.body.encode("utf-8", "surrogatepass")).digest()


def _move(source: Queue, target: Queue, messages: Sequence[Received], pace: Pace) -> list[Outcome]:
    if not messages:
        return []
    pace.wait(len(messages))
    not_sent = target.send([message.body for message in messages])
    sent = [position for position in range(len(messages)) if position not in not_sent]
    not_deleted = source.delete([messages[position] for position in sent])
    outcomes = dict.fromkeys(range(len(messages)), Outcome.NOT_SENT)
    for place, position in enumerate(sent):
        outcomes[position] = Outcome.NOT_DELETED if place in not_deleted else Outcome.MOVED
    return [outcomes[position] for position in range(len(messages))]


def _reason(table: TicketTable, ticket: str) -> str:
    item = table.get(ticket)
    if item is None:
        return "ticket_unknown"
    if item.state in (TicketState.ARCHIVED, TicketState.ERASED):
        return item.state.value  # nothing is stuck any more
    return str(item.attributes.get("last_error") or item.state.value)
