"""The commands that change something: in the queues, in the table, in the bucket."""

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from ops import backfill as backfilling
from ops import erase as erasing
from ops import redrive as redriving
from ops import retention as retaining
from ops import test_webhook
from ops.commands import Ticket, app, desk_of
from ops.context import Desk, table, unknown
from ops.errors import Exit, Failure, explain
from ops.queues import Pace
from ticket_archive.clock import now
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import ticket_id

_ROWS = 100
_REASON_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="Messages per second, at the most.")]
Settle = Annotated[
    float, typer.Option(min=0, max=900, help="Seconds for which an attempt at the ticket may be under way.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")]


class Source(StrEnum):
    """The queues that are redriven."""

    DEAD_LETTERS = "dead-letters"
    QUARANTINE = "quarantine"


@app.command()
def backfill(
    ctx: typer.Context,
    tickets: Annotated[list[str] | None, typer.Argument(help="Ids of tickets.", show_default=False)] = None,
    file: Annotated[typer.FileText | None, typer.Option(help="A file with one id per line; - is stdin.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Archive again what is archived.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-invalid", help="Send the others where some ids are bad.")] = False,
    dry_run: DryRun = False,
    rate: Rate = 10,
) -> None:
    """Ask for tickets whose webhooks never came."""
    desk = desk_of(ctx)
    wanted = backfilling.read(tickets or [], file or [])
    for place in wanted.bad:
        desk.remark(f"{place}: not a ticket id", "yellow")
    if wanted.bad and not skip_bad:
        raise Failure(f"{len(wanted.bad)} bad ids, so nothing was sent: mend them, or say --skip-invalid", Exit.USAGE)
    if not wanted.tickets:
        raise Failure("no ticket ids were given", Exit.USAGE)
    sent: list[str] = []
    failed: list[str] = []
    with _as_far_as_it_goes() as stopped:
        if not dry_run:
            queue = desk.stack.queue("QueueUrl")
            with desk.progress("Tickets", len(wanted.tickets)) as bar:
                for portion in backfilling.send(queue, wanted.tickets, force=force, pace=Pace(rate)):
                    sent += portion.sent
                    failed += portion.failed
                    bar.advance(len(portion.sent) + len(portion.failed))
    rest = wanted.tickets[len(sent) + len(failed) :]
    result = {
        "dry_run": dry_run,
        "sent": len(sent),
        "failed": failed,
        "rest": len(rest),
        "next": rest[0] if rest else None,
        "repeated": wanted.repeated,
        "bad": list(wanted.bad),
    }
    told = f"{len(sent)} of {len(wanted.tickets)} tickets were sent" + (" (dry run)." if dry_run else ".")
    told += f" Repeated ids: {wanted.repeated}." if wanted.repeated else ""
    told += f" Go on with {rest[0]}: it may have been sent, which does no harm." if stopped and rest else ""
    desk.tell(result, told)
    if stopped:
        raise stopped[0]
    if failed:
        raise Failure(f"SQS did not take {len(failed)} tickets: {', '.join(failed)}")


@app.command()
def redrive(
    ctx: typer.Context,
    source: Annotated[Source, typer.Argument(help="The queue to empty.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Only messages with this reason.")] = None,
    ticket: Annotated[str | None, typer.Option(help="Only dead letters that name this ticket.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages, at the most.")] = None,
    dry_run: DryRun = False,
    rate: Rate = 10,
) -> None:
    """List dead letters or quarantined webhooks by reason, and move them back to the ticket queue. No content shown."""
    desk = desk_of(ctx)
    if ticket is not None:
        ticket_id(ticket)
        if source is Source.QUARANTINE:
            raise Failure("quarantined webhooks could not be read, so they name no ticket", Exit.USAGE)
    stack = desk.stack
    origin = stack.queue("DeadLetterQueueUrl" if source is Source.DEAD_LETTERS else "QuarantineQueueUrl")
    waiting, _ = origin.look()
    found: list[redriving.Redriven] = []
    moving = redriving.redrive(
        origin,
        stack.queue("QueueUrl"),
        redriving.dead_letter(stack.table) if source is Source.DEAD_LETTERS else redriving.quarantined,
        wanted=lambda label: reason in (None, label.reason) and ticket in (None, label.ticket),
        limit=limit,
        dry_run=dry_run,
        pace=Pace(rate),
    )
    with _as_far_as_it_goes() as stopped, desk.progress("Messages", waiting) as bar, closing(moving):
        for redriven in moving:
            found.append(redriven)
            bar.advance()
    counts = Counter((each.label.reason, each.outcome.value) for each in found)
    messages = [{**asdict(each.label), "outcome": each.outcome.value} for each in found]
    by_reason = [{"reason": why, "outcome": what, "messages": many} for (why, what), many in counts.most_common()]
    rows = [[each.label.ticket or each.label.id, each.label.reason, each.outcome.value] for each in found[:_ROWS]]
    if len(messages) > _ROWS:
        rows.append([f"… and {len(messages) - _ROWS} more: --json tells all", "", ""])
    sums = [[why, what, str(many)] for (why, what), many in counts.most_common()]
    shown = Group(
        table(["ticket or message", "reason", "outcome"], rows), "", table(["reason", "outcome", "messages"], sums)
    )
    desk.tell(
        {"source": source.value, "dry_run": dry_run, "messages": messages, "by_reason": by_reason},
        shown if found else "No messages.",
    )
    if stopped:
        raise stopped[0]
    if lost := sum(each.outcome is redriving.Outcome.NOT_SENT for each in found):
        raise Failure(f"{lost} messages could not be sent and are still where they were: try again")


@app.command()
def erase(
    ctx: typer.Context,
    ticket: Ticket,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: without this, it is only told what would go.")] = False,
    reason_code: Annotated[str | None, typer.Option(help="For the receipt: a code of your own, no name.")] = None,
    drain_seconds: Annotated[
        float, typer.Option(min=0, max=900, help="Seconds until the second look, for what was under way.")
    ] = erasing.SETTLE,
) -> None:
    """Erase a ticket for good: every version of every object, the item, its events. A tombstone stays."""
    desk = desk_of(ctx)
    if reason_code is not None and not _REASON_CODE.fullmatch(reason_code):
        raise Failure("--reason-code takes 1 to 64 of A-Z a-z 0-9 _ . -", Exit.USAGE)
    stack = desk.stack
    plan = erasing.plan(ticket, stack.table, stack.records, stack.objects)
    if plan.unknown:
        raise unknown(ticket)
    if plan.legal_hold is not None:
        raise InvalidRequest("legal_hold")
    if not yes:
        told = (
            f"Would erase {plan.object_versions} object versions and {plan.events} event records. Say --yes to do it."
        )
        desk.tell({"dry_run": True, **asdict(plan)}, told)
        return
    desk.remark(
        f"Erasing. An archive that was under way may still write: up to {drain_seconds:g} s until the second look."
    )
    try:
        receipt = erasing.erase(ticket, stack.records, stack.objects, settle=drain_seconds, now=now)
    except KeyboardInterrupt:
        desk.remark("The tombstone is set, so nothing new comes; what is there may not all be gone. Say it again.")
        raise
    result = {"reason_code": reason_code, **asdict(receipt)}
    desk.tell(result, table(["receipt", ""], [[name, str(value)] for name, value in result.items() if value != ""]))
    if receipt.refused:
        raise Failure(f"{receipt.refused} object versions could not be deleted: the erasure is not complete")


@app.command()
def hold(ctx: typer.Context, ticket: Ticket, drain_seconds: Settle = erasing.SETTLE) -> None:
    """Put a legal hold on a ticket: neither `erase` nor `RetentionDays` ends it until `release`."""
    desk = desk_of(ctx)
    stack = desk.stack
    found = retaining.hold(
        ticket, stack.table, stack.records, stack.objects, settle=drain_seconds, now=now, sleep=_second_look(desk)
    )
    if found is None:
        raise unknown(ticket)
    told = f"{ticket} is under a legal hold since {found.since}: {found.object_versions} object versions do not end."
    result = {"ticket": ticket, "legal_hold": found.since, "object_versions": found.object_versions}
    desk.tell({**result, "events": found.events}, told)


@app.command()
def release(ctx: typer.Context, ticket: Ticket, drain_seconds: Settle = erasing.SETTLE) -> None:
    """Take the legal hold off a ticket: `RetentionDays` counts again, from when it was received."""
    desk = desk_of(ctx)
    stack = desk.stack
    was = retaining.release(
        ticket,
        stack.retention_days,
        stack.table,
        stack.records,
        stack.objects,
        settle=drain_seconds,
        now=now,
        sleep=_second_look(desk),
    )
    if was is None:
        raise unknown(ticket)
    told = "is no longer under a legal hold" if was else "was not under a legal hold"
    desk.tell({"ticket": ticket, "legal_hold": None, "was_held": was}, f"{ticket} {told}.")


@app.command()
def retention(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do it: without this, it is only counted.")] = False,
) -> None:
    """Make the tickets that are there end as `RetentionDays` says now: once after it was changed. A scan."""
    desk = desk_of(ctx)
    stack = desk.stack
    days = stack.retention_days
    pages: list[retaining.Ended] = []
    applying = retaining.apply_to_all(days, stack.records, stack.objects, now=now(), dry_run=not yes)
    with _as_far_as_it_goes() as stopped, desk.progress("Items read", None) as bar, closing(applying):
        for page in applying:
            pages.append(page)
            bar.advance(page.scanned)
    tickets, held, over = (sum(getattr(page, name) for page in pages) for name in ("tickets", "held", "over"))
    end = f"end {days} days after they were received, {over} of them at once" if days else "do not end"
    told = f"{tickets} tickets {end if yes else 'would ' + end}; {held} are held."
    desk.tell({"dry_run": not yes, "days": days, "tickets": tickets, "held": held, "over": over}, told)
    if stopped:
        raise stopped[0]


@app.command("send-test-webhook")
def send_test_webhook(
    ctx: typer.Context,
    ticket: Annotated[str | None, typer.Option(help="A ticket that the vendor knows.")] = None,
    event: Annotated[
        test_webhook.Event | None,
        typer.Option(help="completed if a ticket is given, else in-progress.", show_default=False),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until the ticket is archived.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait.")] = 120,
) -> None:
    """Post a webhook as the vendor would, encrypted with the stack's own secret: the way to try an installation."""
    desk = desk_of(ctx)
    kind = event or (test_webhook.Event.COMPLETED if ticket else test_webhook.Event.IN_PROGRESS)
    if kind is not test_webhook.Event.IN_PROGRESS and ticket is None:
        raise Failure("say --ticket: a made-up one that completes would end as a dead letter", Exit.USAGE)
    if kind is test_webhook.Event.IN_PROGRESS and wait:
        raise Failure("--wait needs an event that completes a ticket: nothing is archived before", Exit.USAGE)
    mark = secrets.token_hex(8)
    about = ticket_id(ticket) if ticket else f"trial-{mark}"
    stack = desk.stack
    secret = test_webhook.webhook_secret(stack.secrets, stack.output("WebhookSecretArn"))
    carried_in = stack.parameters.get("WebhookCredentialsSecretArn")
    carried = test_webhook.credentials(stack.secrets, carried_in) if carried_in else None
    before = stack.table.get(about) if wait else None
    began = time.monotonic()
    code, answer = test_webhook.post(
        stack.webhook_url, test_webhook.event(kind, about, mark), secret, carried, stack.account.ca_bundle
    )
    archived = None
    if code == 202 and wait:
        desk.remark("Accepted; waiting for the archive.")
        archived = test_webhook.wait(stack.table, about, before, timeout)
    seconds = round(time.monotonic() - began, 1)
    result: dict[str, Any] = {"ticket": about, "event": kind.value, "status": code, "answer": answer}
    told = f"{code} {answer}  ({about}, {kind.value})"
    if archived is not None:
        result |= {"state": archived.state.value, "outcome": archived.outcome, "seconds": seconds}
        told += f"\n{archived.state.value}, {archived.outcome}, {len(archived.images)} images, after {seconds} s"
    desk.tell(result, Text(told))
    if code != 202:
        raise Failure(f"the webhook was not accepted: {code}")
    if wait and archived is None:
        raise Failure(f"not archived within {timeout:g} s: see `status {about}` and `redrive quarantine --dry-run`")


def _second_look(desk: Desk) -> Callable[[float], None]:
    """Waits for what is under way, and says so."""

    def wait(seconds: float) -> None:
        desk.remark(f"An archive of it may be under way: {seconds:.0f} s until the second look.")
        time.sleep(seconds)

    return wait


@contextmanager
def _as_far_as_it_goes() -> Iterator[list[Failure]]:
    """Ends the block at whatever stops it, and tells of it, so that what was done until then can be told first."""
    stopped: list[Failure] = []
    try:
        yield stopped
    except KeyboardInterrupt:
        stopped.append(Failure("interrupted", Exit.INTERRUPTED))
    except Exception as error:  # noqa: BLE001 - explained, and raised again by the caller
        stopped.append(explain(error))
