"""Move dead letters and quarantined webhooks back to the ticket queue, or discard them.

SQS has a task for this (StartMessageMoveTask), but it takes no filter, reports no ids, and works only for queues that a
redrive policy names, which the quarantine is not.
"""

import hashlib
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ops.queues import Pace, Queue, Received
from ops.table import OperatorTable
from ticket_archive.errors import UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message
from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem
from ticket_archive.webhook_event import find_event

_EMPTY_RECEIVES = 2
"""How many empty answers in a row mean that the queue is empty: SQS is distributed, and one may be wrong."""


class Outcome(StrEnum):
    """What happened to a message."""

    LISTED = "listed"
    MOVED = "moved"
    DISCARDED = "discarded"
    NOT_SENT = "not_sent"  # still in its queue
    NOT_DELETED = "not_deleted"  # moved, but still in its queue too; a duplicate is harmless


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """What is shown of a message: ids, codes and times, no content.

    `reason` is the last error that the archive recorded for the ticket, or why the message could not be read. `state`
    and `attempts` are the ticket's, None if the archive does not know it. `queued_at` is when it was first queued.
    """

    id: str
    reason: str
    queued_at: datetime
    ticket: str | None = None
    kind: str | None = None
    state: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Redriven:
    """A message and what happened to it."""

    message: MessageInfo
    outcome: Outcome


OpenWebhook = Callable[[Webhook], dict[str, Any]]
"""Decrypts a webhook; returns its event. Raises UnreadableWebhook."""


def dead_letter(records: OperatorTable, open_webhook: OpenWebhook | None = None) -> Callable[[Received], MessageInfo]:
    """Return a function that describes dead letters.

    A webhook names its ticket only when it is decrypted: without `open_webhook` its reason is `webhook_not_opened`.
    """

    def describe(message: Received) -> MessageInfo:
        info = MessageInfo(message.id, "", message.sent_at)
        ticket: str | None
        kind: str | None
        try:
            content = read_message(message.body)
            if isinstance(content, TicketRequest):
                ticket, kind = content.ticket, content.kind
            elif open_webhook is None:
                return replace(info, reason="webhook_not_opened", kind="webhook")
            else:
                _, ticket = find_event(open_webhook(content))
                kind = "webhook"
        except UnreadableWebhook as error:
            return replace(info, reason=error.detail)
        if ticket is None:
            return replace(info, reason="no_ticket", kind=kind)
        item = records.without_content(ticket)
        return replace(
            info,
            reason=_reason(item),
            ticket=ticket,
            kind=kind,
            state=item.state.value if item else None,
            attempts=item.attempts if item else None,
        )

    return describe


def quarantined(message: Received) -> MessageInfo:
    """Describe a quarantined message by the reason that it carries."""
    return MessageInfo(message.id, message.reason or "none_given", message.sent_at)


def redrive(
    source: Queue,
    target: Queue,
    describe: Callable[[Received], MessageInfo],
    *,
    wanted: Callable[[MessageInfo], bool],
    limit: int | None,
    dry_run: bool,
    pace: Pace,
    discard: bool = False,
) -> Generator[Redriven, None, None]:
    """Go through `source` once; move or discard the messages that are `wanted`.

    Messages are sent before they are deleted: a crash in between duplicates one and loses none. Other messages stay
    hidden while this runs, so that they are not received again and again, and are made visible at the end. A message
    that comes back while this runs (the secret is still wrong) is left alone.
    """
    _, began = source.look()
    moved: set[bytes] = set()
    hidden: dict[str, Received] = {}
    left = limit
    empty = 0
    try:
        while empty < _EMPTY_RECEIVES and left != 0:
            batch = source.receive(pace.batch)
            empty = 0 if batch else empty + 1
            chosen: list[tuple[Received, MessageInfo]] = []
            for message in batch:
                known = message.id in hidden
                hidden[message.id] = replace(message, body="")  # only the receipt is needed, and there may be many
                if known or _came_back(message, began, moved) or left == 0:
                    continue
                if wanted(info := describe(message)):
                    chosen.append((message, info))
                    left = None if left is None else left - 1
            messages = [message for message, _ in chosen]
            if dry_run:
                outcomes = [Outcome.LISTED] * len(chosen)
            elif discard:
                outcomes = _discard(source, messages)
            else:
                outcomes = _move(source, target, messages, pace)
            for (message, info), outcome in zip(chosen, outcomes, strict=True):
                if outcome in (Outcome.MOVED, Outcome.DISCARDED):
                    moved.add(_digest(message))
                    del hidden[message.id]
                yield Redriven(info, outcome)
    finally:
        source.release(list(hidden.values()))


def _came_back(message: Received, began: datetime, moved: Collection[bytes]) -> bool:
    """Return whether a message was sent since `began`.

    SQS's clock has whole seconds. A message of that very second was probably there before; it came back only if it is
    one that was moved.
    """
    if message.sent_at >= began + timedelta(seconds=1):
        return True
    return message.sent_at >= began and _digest(message) in moved


def _digest(message: Received) -> bytes:
    return hashlib.sha256(message.body.encode("utf-8", "surrogatepass")).digest()


def _discard(source: Queue, messages: Sequence[Received]) -> list[Outcome]:
    failed = source.delete(messages)
    return [Outcome.NOT_DELETED if position in failed else Outcome.DISCARDED for position in range(len(messages))]


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


def _reason(item: TicketItem | None) -> str:
    if item is None:
        return "ticket_unknown"
    if item.state in (TicketState.ARCHIVED, TicketState.ERASED):
        return item.state.value  # somebody else archived or erased it meanwhile
    return str(item.attributes.get("last_error") or item.state.value)
