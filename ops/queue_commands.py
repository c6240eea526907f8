"""Commands that send messages to the ticket queue: `backfill`, `settle`, `redrive`."""

import re
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich.console import Group

from ops import backfill as backfilling
from ops import redrive as redriving
from ops.action_log import QUEUES
from ops.app import Code, DryRun, IdFile, Rate, Ticket, Tickets, app, context_of, partial_results
from ops.context import Context, table
from ops.errors import Exit, Failure
from ops.queues import Pace
from ops.test_webhook import webhook_opener
from ops.ticket_ids import read_ids
from ticket_archive.clock import now
from ticket_archive.errors import SettingsError
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType, TicketState, ticket_id

_ROWS = 100
_AGO = re.compile(r"(\d{1,4})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Source(StrEnum):
    """The queues that can be redriven."""

    DEAD_LETTERS = "dead-letters"
    QUARANTINE = "quarantine"


@app.command()
def backfill(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    force: Annotated[bool, typer.Option("--force", help="Archive again what is archived already.")] = False,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Send the valid ids if some are not.")] = False,
    dry_run: DryRun = False,
    rate: Rate = 10,
) -> None:
    """Fetch tickets whose webhooks never came."""
    context = context_of(ctx)
    ids = read_ids(tickets or [], file or [])
    for place in ids.invalid:
        context.note(f"{place}: not a ticket id", "yellow")
    if ids.invalid and not skip_invalid:
        raise Failure(
            f"{len(ids.invalid)} invalid ids; nothing was sent. Correct them, or use --skip-invalid", Exit.USAGE
        )
    if not ids.tickets:
        raise Failure("no ticket ids were given", Exit.USAGE)
    sent: list[str] = []
    failed: list[str] = []
    with partial_results() as failures:
        if not dry_run:
            queue = context.stack.queue("QueueUrl")
            with context.progress("Tickets", len(ids.tickets)) as bar:
                for batch in backfilling.send(queue, ids.tickets, force=force, pace=Pace(rate)):
                    sent += batch.sent
                    failed += batch.failed
                    bar.advance(len(batch.sent) + len(batch.failed))
    rest = ids.tickets[len(sent) + len(failed) :]
    result = {
        "dry_run": dry_run,
        "sent": len(sent),
        "failed": failed,
        "rest": len(rest),
        "next": rest[0] if rest else None,
        "repeated": ids.repeated,
        "invalid": list(ids.invalid),
    }
    text = f"{len(sent)} of {len(ids.tickets)} tickets were sent" + (" (dry run)." if dry_run else ".")
    text += f" Repeated ids: {ids.repeated}." if ids.repeated else ""
    text += f" Continue with {rest[0]}; sending it twice is harmless." if failures and rest else ""
    context.print_result(result, text)
    if failures:
        raise failures[0]
    if failed:
        raise Failure(f"SQS did not take {len(failed)} tickets: {', '.join(failed)}")


@app.command()
def settle(
    ctx: typer.Context,
    ticket: Ticket,
    without: Annotated[
        list[ImageType] | None, typer.Option(help="Archive without this image type. May be repeated.")
    ] = None,
) -> None:
    """Archive an incomplete ticket now: the vendor's next answer is final, and the manifest lists what is missing."""
    context = context_of(ctx)
    item = context.existing_ticket(ticket, content=False)
    if item.state is TicketState.ARCHIVED:
        raise Failure(f"ticket {ticket} is archived already; `status {ticket}` shows what it has")
    types = without or list(ImageType)
    names = [kind.value for kind in types]
    context.stack.actions.write("settle", ticket, types=names)
    if context.stack.queue("QueueUrl").send([ticket_message(ticket, kind="settle", settle=types)]):
        raise Failure("SQS did not take the message; try again")
    context.print_result(
        {"ticket": ticket, "settle": names},
        f"Queued. The vendor is asked once more; what it answers for {', '.join(names)} is final.",
    )


@app.command()
def redrive(
    ctx: typer.Context,
    source: Annotated[Source, typer.Argument(help="The queue.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Only messages with this reason.")] = None,
    ticket: Annotated[str | None, typer.Option(help="Only messages about this ticket.")] = None,
    since: Annotated[str | None, typer.Option(help="Only messages queued since then: ISO 8601, or 2h, 3d ago.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Only messages queued before then: ISO 8601, or 2h, 3d ago.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Number of messages at most.")] = None,
    discard: Annotated[str | None, Code] = None,
    dry_run: DryRun = False,
    rate: Rate = 10,
) -> None:
    """List dead letters or quarantined webhooks with --dry-run; else move them back, or delete them with --discard."""
    context = context_of(ctx)
    if ticket is not None:
        ticket_id(ticket)
        if source is Source.QUARANTINE:
            raise Failure("quarantined webhooks could not be read: they have no ticket to filter by", Exit.USAGE)
    begin, end = moment(since), moment(until)

    def wanted(message: redriving.MessageInfo) -> bool:
        return (
            reason in (None, message.reason)
            and ticket in (None, message.ticket)
            and (begin is None or message.queued_at >= begin)
            and (end is None or message.queued_at < end)
        )

    stack = context.stack
    dead_letters = source is Source.DEAD_LETTERS
    origin = stack.queue("DeadLetterQueueUrl" if dead_letters else "QuarantineQueueUrl")
    waiting, _ = origin.look()
    if discard is not None and not dry_run:  # recorded before anything is deleted
        filters = {"only_reason": reason, "only_ticket": ticket, "since": since, "until": until}
        stack.actions.write("discard", QUEUES, queue=source.value, reason=discard, **filters)
    found: list[redriving.Redriven] = []
    moving = redriving.redrive(
        origin,
        stack.queue("QueueUrl"),
        redriving.dead_letter(stack.records, _opener(context)) if dead_letters else redriving.quarantined,
        wanted=wanted,
        limit=limit,
        dry_run=dry_run,
        discard=discard is not None,
        pace=Pace(rate),
    )
    with partial_results() as failures, context.progress("Messages", waiting) as bar, closing(moving):
        for redriven in moving:
            found.append(redriven)
            bar.advance()
    messages = [{**asdict(each.message), "outcome": each.outcome.value} for each in found]
    counts = Counter((each.message.reason, each.outcome.value) for each in found)
    by_reason = [{"reason": why, "outcome": what, "messages": many} for (why, what), many in counts.most_common()]
    discarded = [each.message for each in found if each.outcome is redriving.Outcome.DISCARDED]
    if discarded:
        stack.actions.write(
            "discarded", QUEUES, queue=source.value, reason=discard, messages=[asdict(each) for each in discarded]
        )
    context.print_result(
        {"source": source.value, "dry_run": dry_run, "messages": messages, "by_reason": by_reason},
        _render(found, counts) if found else "No messages.",
    )
    if failures:
        raise failures[0]
    if lost := sum(each.outcome is redriving.Outcome.NOT_SENT for each in found):
        raise Failure(f"{lost} messages could not be sent and are still in their queue; try again")


def moment(text: str | None) -> datetime | None:
    """Return a moment from ISO 8601, or from an age such as `90m`, `2h`, `3d`. Raises Failure."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure("not a time: use ISO 8601 (2026-01-31T12:00Z), or 90m, 2h, 3d", Exit.USAGE) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _opener(context: Context) -> redriving.OpenWebhook | None:
    try:
        return webhook_opener(context.stack.secrets, context.stack.output("WebhookSecretArn"))
    except (ClientError, SettingsError):
        context.note("The webhook secret could not be read: webhooks are listed without their tickets.", "yellow")
        return None


def _render(found: list[redriving.Redriven], counts: Counter[tuple[str, str]]) -> Group:
    rows = [
        [
            each.message.ticket or each.message.id,
            each.message.kind or "",
            each.message.reason,
            each.message.state or "",
            "" if each.message.attempts is None else str(each.message.attempts),
            each.message.queued_at.strftime("%Y-%m-%d %H:%M:%SZ"),
            each.outcome.value,
        ]
        for each in found[:_ROWS]
    ]
    if len(found) > _ROWS:
        rows.append([f"… and {len(found) - _ROWS} more; --json shows all", "", "", "", "", "", ""])
    sums = [[why, what, str(many)] for (why, what), many in counts.most_common()]
    return Group(
        table(["ticket or message", "kind", "reason", "state", "attempts", "queued", "outcome"], rows),
        "",
        table(["reason", "outcome", "messages"], sums),
    )
