"""`redrive`: move dead letters and quarantined webhooks back to the ticket queue, or discard them.

SQS has a task for this (StartMessageMoveTask), but it takes no filter, reports no ids, and works only for queues that a
redrive policy names, which the quarantine is not.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Annotated, Any, Literal

import typer
from botocore.exceptions import ClientError
from rich.console import Group

from ops.action_log import QUEUES
from ops.app import app, context_of, partial_results
from ops.arguments import DryRun, Rate, code, moment, ticket_option
from ops.context import Rows
from ops.errors import Exit, Failure
from ops.queues import Pace, Queue, Received
from ops.table import OperatorTable
from ticket_archive.errors import SettingsError, UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.webhook_encryption import decrypt_event
from ticket_archive.webhook_event import find_event, parse_event, split_events

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
    A request with several events has the reason `several_events`, and their tickets in `ticket`, joined by blanks.
    """

    id: str
    reason: str
    queued_at: datetime
    ticket: str | None = None
    kind: str | None = None
    state: str | None = None
    attempts: int | None = None
    outcome: Outcome = Outcome.LISTED


@app.command()
def redrive(
    ctx: typer.Context,
    source: Annotated[Literal["dead-letters", "quarantine"], typer.Argument(help="The queue.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Only messages with this reason.")] = None,
    ticket: Annotated[str | None, ticket_option("Only messages about this ticket.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only messages queued since then: ISO 8601, or 2h, 3d ago.", parser=moment)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only messages queued before then: ISO 8601, or 2h, 3d ago.", parser=moment)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of messages at most.")] = None,
    discard: Annotated[
        str | None, typer.Option(help="Delete the messages. The value is recorded: a code, no free text.", parser=code)
    ] = None,
    dry_run: DryRun = False,
    rate: Rate = 10,
) -> None:
    """List dead letters or quarantined webhooks with --dry-run; else move them back, or delete them with --discard."""
    context = context_of(ctx)
    dead_letters = source == "dead-letters"
    if ticket is not None and not dead_letters:
        raise Failure("quarantined webhooks could not be read: they have no ticket to filter by", Exit.USAGE)

    def wanted(message: MessageInfo) -> bool:
        return (
            reason in (None, message.reason)
            and (ticket in (None, message.ticket) or (discard is None and ticket in (message.ticket or "").split()))
            and (since is None or message.queued_at >= since)
            and (until is None or message.queued_at < until)
        )

    stack = context.stack
    origin = stack.queue("DeadLetterQueueUrl" if dead_letters else "QuarantineQueueUrl")
    depth = origin.depth()
    describe, secrets = quarantined, []
    if dead_letters:
        try:
            secrets = stack.webhook_secrets()
        except (ClientError, SettingsError):
            context.note("The webhook secret could not be read: webhooks are listed without their tickets.", "yellow")
        describe = partial(dead_letter, stack.table, secrets)
    if discard is not None and not dry_run:  # recorded before anything is deleted
        filters = {"only_reason": reason, "only_ticket": ticket, "since": since, "until": until}
        stack.actions.write("discard", QUEUES, queue=source, reason=discard, **filters)
    found: list[MessageInfo] = []
    target = None if discard else stack.queue("QueueUrl")
    moving = redrive_messages(origin, target, describe, wanted=wanted, limit=limit, dry_run=dry_run, pace=Pace(rate))
    with partial_results() as failures, context.progress("Messages", depth.visible) as advance, closing(moving):
        for message in moving:
            found.append(message)
            advance()
    if discarded := [asdict(each) for each in found if each.outcome is Outcome.DISCARDED]:
        stack.actions.write("discarded", QUEUES, queue=source, reason=discard, messages=discarded)
    counts = Counter((each.reason, each.outcome.value) for each in found).most_common()
    by_reason = [{"reason": why, "outcome": outcome, "messages": many} for (why, outcome), many in counts]
    result = {"source": source, "dry_run": dry_run, "messages": [asdict(each) for each in found]}
    context.print_result({**result, "by_reason": by_reason}, _render(found, by_reason) if found else "No messages.")
    if depth.in_flight:
        context.note(
            f"{depth.in_flight} messages were in flight when this began: of another redrive, or one that was killed. "
            "Those that stay are visible again within 15 minutes.",
            "yellow",
        )
    if failures:
        raise failures[0]
    if lost := sum(each.outcome is Outcome.NOT_SENT for each in found):
        raise Failure(f"{lost} messages could not be sent and are still in their queue; try again")
    if discard and (kept := sum(each.outcome is Outcome.NOT_DELETED for each in found)):
        raise Failure(f"{kept} messages could not be deleted; try again")


def _render(found: Sequence[MessageInfo], by_reason: Sequence[dict[str, Any]]) -> Group:
    rows = [
        [m.ticket or m.id, m.kind, m.reason, m.state, m.attempts, f"{m.queued_at:%Y-%m-%d %H:%M:%SZ}", m.outcome.value]
        for m in found
    ]
    messages = Rows(["ticket or message", "kind", "reason", "state", "attempts", "queued", "outcome"], rows)
    return Group(messages, "", Rows(["reason", "outcome", "messages"], [list(each.values()) for each in by_reason]))


def dead_letter(tickets: OperatorTable, webhook_secrets: Sequence[bytes], message: Received) -> MessageInfo:
    """Describe a dead letter. Without a secret, a webhook names no ticket, and its reason is `webhook_not_opened`."""
    info = MessageInfo(message.id, "webhook_not_opened", message.sent_at, kind="webhook")
    try:
        content = read_message(message.body)
        if isinstance(content, TicketRequest):
            about, info = [content.ticket], replace(info, kind=content.kind)
        elif webhook_secrets:
            about = _tickets_of(content, webhook_secrets)
        else:
            return info
    except UnreadableWebhook as error:
        return replace(info, reason=error.detail, kind=None)
    if len(about) != 1:
        return replace(info, reason="several_events" if about else "no_ticket", ticket=" ".join(about) or None)
    item = tickets.without_content(about[0])
    info = replace(info, reason=_reason(item), ticket=about[0])
    return replace(info, state=item.state.value, attempts=item.attempts) if item else info


def _tickets_of(webhook: Webhook, secrets: Sequence[bytes]) -> list[str]:
    """Return the tickets of a request's events. Raises UnreadableWebhook."""
    iv, body = webhook.iv, webhook.body
    document = parse_event(body) if iv is None else decrypt_event(body, iv, secrets)
    events = [] if webhook.split else split_events(document)
    found = (find_event(each)[1] for each in events or [document])
    return list(dict.fromkeys(ticket for ticket in found if ticket is not None))


def quarantined(message: Received) -> MessageInfo:
    """Describe a quarantined message by the reason that it carries."""
    return MessageInfo(message.id, message.reason or "none_given", message.sent_at)


def redrive_messages(
    source: Queue,
    target: Queue | None,
    describe: Callable[[Received], MessageInfo],
    *,
    wanted: Callable[[MessageInfo], bool],
    limit: int | None,
    dry_run: bool,
    pace: Pace,
) -> Generator[MessageInfo, None, None]:
    """Go through `source` once; move the messages that are `wanted` to `target`, or discard them if it is None.

    Messages are sent before they are deleted: a crash in between duplicates one and loses none. Other messages stay
    hidden while this runs, so that they are not received again and again, and are made visible at the end. A message
    that comes back while this runs (the secret is still wrong) is left alone.
    """
    began = source.depth().now
    moved: set[bytes] = set()
    hidden: dict[str, Received] = {}
    left = limit
    empty = 0
    try:
        while empty < _EMPTY_RECEIVES and left != 0:
            batch = {message.id: message for message in source.receive(pace.batch)}
            empty = 0 if batch else empty + 1
            new = [message for message in batch.values() if message.id not in hidden]
            # Only the receipt is needed, and there may be many.
            hidden |= {message.id: replace(message, body="") for message in batch.values()}
            described = ((message, describe(message)) for message in new if not _came_back(message, began, moved))
            chosen = list(islice(((message, info) for message, info in described if wanted(info)), left))
            left = None if left is None else left - len(chosen)
            outcomes = [Outcome.LISTED] * len(chosen)
            if chosen and not dry_run:
                outcomes = _process(source, [message for message, _ in chosen], target, pace)
            for (message, info), outcome in zip(chosen, outcomes, strict=True):
                if outcome in (Outcome.MOVED, Outcome.DISCARDED):
                    moved.add(_digest(message))
                    del hidden[message.id]
                yield replace(info, outcome=outcome)
    finally:
        source.release(list(hidden.values()))


def _came_back(message: Received, began: datetime, moved: Collection[bytes]) -> bool:
    """Return whether a message was sent since `began`.

    SQS's clock has whole seconds. A message of the same second was probably there before; it came back only if it is
    one that was moved.
    """
    later = message.sent_at >= began + timedelta(seconds=1)
    return later or (message.sent_at >= began and _digest(message) in moved)


def _digest(message: Received) -> bytes:
    return hashlib.sha256(message.body.encode("utf-8", "surrogatepass")).digest()


def _process(source: Queue, messages: Sequence[Received], target: Queue | None, pace: Pace) -> list[Outcome]:
    """Send the messages to `target`, if there is one, and delete those that it took."""
    outcomes = [Outcome.MOVED if target is not None else Outcome.DISCARDED] * len(messages)
    if target is not None:
        pace.wait(len(messages))
        for position in target.send([message.body for message in messages]):
            outcomes[position] = Outcome.NOT_SENT
    taken = [position for position, outcome in enumerate(outcomes) if outcome is not Outcome.NOT_SENT]
    for place in source.delete([messages[position] for position in taken]):
        outcomes[taken[place]] = Outcome.NOT_DELETED
    return outcomes


def _reason(item: TicketItem | None) -> str:
    if item is None:
        return "ticket_unknown"
    if item.state in (TicketState.ARCHIVED, TicketState.ERASED):
        return item.state.value  # archived or erased since
    return str(item.attributes.get("last_error") or item.state.value)
