"""`backfill`: queue tickets whose webhooks never arrived, or that are to be archived again."""

from typing import Annotated

import typer

from ops.app import app, context_of, partial_results
from ops.arguments import DryRun, IdFile, Rate, Tickets, read_ids
from ops.errors import Exit, Failure
from ops.queues import Pace
from ticket_archive.messages import ticket_message


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
    """Fetch tickets whose webhooks never arrived."""
    context = context_of(ctx)
    ids = read_ids(tickets or (), file or ())
    for place in ids.invalid:
        context.note(f"{place}: not a ticket id", "yellow")
    if ids.invalid and not skip_invalid:
        raise Failure(
            f"{len(ids.invalid)} invalid ids; nothing was sent. Correct them, or use --skip-invalid", Exit.USAGE
        )
    if not ids.tickets:
        raise Failure("no ticket ids were given", Exit.USAGE)
    failed: list[str] = []
    rest = ids.tickets
    with partial_results() as failures, context.progress("Tickets", len(ids.tickets)) as advance:
        if not dry_run:
            queue, pace = context.stack.queue("QueueUrl"), Pace(rate)
            while rest:
                batch = rest[: pace.batch]
                pace.wait(len(batch))
                refused = queue.send([ticket_message(ticket, kind="backfill", force=force) for ticket in batch])
                failed += [batch[position] for position in sorted(refused)]
                rest = rest[len(batch) :]
                advance(len(batch))
    sent = len(ids.tickets) - len(rest) - len(failed)
    left = {"rest": len(rest), "next": rest[0] if rest else None}
    given = {"repeated": ids.repeated, "invalid": ids.invalid}
    text = f"{sent} of {len(ids.tickets)} tickets were sent" + (" (dry run)." if dry_run else ".")
    text += f" Repeated ids: {ids.repeated}." if ids.repeated else ""
    text += f" Continue with {rest[0]}; sending it twice is harmless." if failures and rest else ""
    context.print_result({"dry_run": dry_run, "sent": sent, "failed": failed, **left, **given}, text)
    if failures:
        raise failures[0]
    if failed:
        raise Failure(f"SQS did not take {len(failed)} tickets: {', '.join(failed)}; send them again")
