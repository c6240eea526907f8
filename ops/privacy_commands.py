"""Commands for privacy requests and legal holds: `export`, `audit`, `erase`, `hold`, `release`, `retention`."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Group

from ops import audit as auditing
from ops import erase as erasing
from ops import export as exporting
from ops import retention as retaining
from ops.app import Code, Customer, IdFile, Ticket, Tickets, Yes, app, context_of, partial_results
from ops.context import Context, ProgressBar, table, unknown
from ops.errors import Exit, Failure
from ops.parallel import for_each
from ops.queue_commands import moment
from ops.ticket_ids import of_customer, selected
from ticket_archive.clock import now
from ticket_archive.models import TicketState

Drain = Annotated[
    float, typer.Option(min=0, max=900, help="Seconds after which no earlier attempt can still store anything.")
]
Result = TypeVar("Result")


@app.command()
def export(
    ctx: typer.Context,
    customer: Annotated[str, typer.Option(help="The customer's code.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="A new folder, or a new .zip file.")],
) -> None:
    """Export all tickets of a customer: JSON, images, manifests, earlier versions and an index page."""
    context = context_of(ctx)
    stack = context.stack
    tickets = list(dict.fromkeys(item.ticket for item in of_customer(stack.table, customer)))
    items = [item for ticket in tickets if (item := stack.table.get(ticket)) and item.state is not TicketState.ERASED]
    if not items:
        raise Failure("the archive has no tickets of this customer")
    faults: list[dict[str, Any]] = []
    bucket, actions = stack.bucket, stack.actions
    with exporting.target(output) as to, context.progress("Tickets", len(items)) as bar:
        for item in items:
            actions.write("export", item.ticket, version=item.version)
            faults += [
                {"ticket": item.ticket, "name": file.name, "fault": file.fault}
                for file in exporting.export_ticket(item, bucket, to)
            ]
            bar.advance()
        to.write("index.html", exporting.index_page(items))
    text = f"{len(items)} tickets are in {output}; open index.html there. Delete it when it is no longer needed."
    context.print_result({"tickets": [item.ticket for item in items], "path": str(output), "faults": faults}, text)
    if faults:
        raise Failure(f"{len(faults)} files are missing or differ from what was archived; --json names them")


@app.command()
def audit(
    ctx: typer.Context,
    ticket: Ticket,
    since: Annotated[str, typer.Option(help="How far back the API's log is read: ISO 8601, or 12h, 90d ago.")] = "90d",
) -> None:
    """Show who read a ticket: API callers and operators, by time; and how to ask S3's access log and CloudTrail."""
    context = context_of(ctx)
    stack = context.stack
    begin = moment(since) or now() - timedelta(days=90)
    log_group = stack.log_group(stack.output("RetrievalFunctionName"))
    with context.progress("Reading logs", None):
        found = [
            *auditing.api_accesses(stack.account.client("logs"), log_group, ticket, begin),
            *auditing.operator_accesses(stack.actions, ticket),
        ]
    found.sort(key=lambda access: access.at)
    others = auditing.other_sources(ticket, stack.output("BucketName"), stack.output("AccessLogsBucketName"))
    rows = [[each.at, each.source, each.by, each.what, each.result] for each in found]
    shown = Group(
        table(["time", "source", "by", "what", "result"], rows) if rows else "No access was recorded.",
        "",
        *(f"{name}: {command}" for name, command in others.items()),
    )
    context.print_result({"ticket": ticket, "accesses": [asdict(each) for each in found], "others": others}, shown)


@app.command()
def erase(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    yes: Yes = False,
    reason_code: Annotated[str | None, Code] = None,
    drain_seconds: Drain = erasing.DRAIN_SECONDS,
) -> None:
    """Erase tickets permanently: all object versions, the item and its events. A tombstone and a receipt stay."""
    context = context_of(ctx)
    stack = context.stack
    chosen = selected(stack.table, tickets or [], file, customer)
    records, objects, tickets_table = stack.records, stack.objects, stack.table
    with context.progress("Tickets", len(chosen)) as bar:
        plans = _successes(
            for_each(lambda ticket: erasing.plan(ticket, tickets_table, records, objects), chosen, bar.advance)
        )
    missing = [plan.ticket for plan in plans if plan.unknown]
    held = [plan.ticket for plan in plans if plan.legal_hold is not None]
    erasable = [plan for plan in plans if not plan.unknown and plan.legal_hold is None]
    result: dict[str, Any] = {"dry_run": not yes, "unknown": missing, "held": held}
    if not erasable:
        context.print_result({**result, "receipts" if yes else "tickets": []}, "Nothing to erase.")
    elif not yes:
        versions, events = (sum(getattr(plan, name) for plan in erasable) for name in ("object_versions", "events"))
        result |= {"tickets": [asdict(plan) for plan in erasable], "object_versions": versions, "events": events}
        text = f"Would erase {len(erasable)} tickets, {versions} object versions and {events} event records."
        context.print_result(result, f"{text} Add --yes to do it.")
    else:
        with _drained_progress(context, 2 * len(erasable)) as (bar, sleep), partial_results() as failures:
            outcomes = erasing.erase(
                [plan.ticket for plan in erasable],
                records,
                objects,
                drain_seconds=drain_seconds,
                now=now,
                sleep=sleep,
                done=bar.advance,
            )
        if failures:
            context.note("The erasure is not complete: run the command again.")
            raise failures[0]
        receipts = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
        actions = stack.actions
        for_each(lambda each: actions.write("erase", each.ticket, reason_code=reason_code, **_facts(each)), receipts)
        sums = {
            name: sum(getattr(each, name) for each in receipts) for name in ("object_versions", "events", "refused")
        }
        result |= {"reason_code": reason_code, "receipts": [asdict(each) for each in receipts], **sums}
        rows = [
            [each.ticket, each.erased_at, str(each.object_versions), str(each.events), each.sha256] for each in receipts
        ]
        context.print_result(result, table(["ticket", "erased", "versions", "events", "sha256 of the versions"], rows))
        _successes(outcomes)
        if sums["refused"]:
            raise Failure(f"{sums['refused']} object versions could not be deleted; run the command again")
    if held:
        raise Failure(f"under a legal hold and not erased: {', '.join(held)}; see `release`")
    if missing:
        raise unknown(missing[0]) if len(missing) == 1 else Failure(f"not in the archive: {', '.join(missing)}")


@app.command()
def hold(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    case: Annotated[str | None, Code] = None,
    drain_seconds: Drain = erasing.DRAIN_SECONDS,
) -> None:
    """Put tickets under a legal hold: neither `erase` nor `RetentionDays` removes them until `release`."""
    context = context_of(ctx)
    chosen = selected(context.stack.table, tickets or [], file, customer)
    by = context.stack.caller
    with _drained_progress(context, len(chosen)) as (bar, sleep):
        archive = _archive(context, drain_seconds, sleep, bar)
        outcomes = retaining.hold(chosen, archive, case=case, by=by)
    held = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    actions = context.stack.actions
    for_each(lambda each: actions.write("hold", each.ticket, case=case, since=each.since), held)
    rows = [[each.ticket, each.since, str(each.object_versions), str(each.events)] for each in held]
    context.print_result(
        {"case": case, "by": by, "tickets": [asdict(each) for each in held]},
        table(["ticket", "held since", "object versions", "events"], rows),
    )
    _successes(outcomes)


@app.command()
def release(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    case: Annotated[str | None, Code] = None,
    drain_seconds: Drain = erasing.DRAIN_SECONDS,
) -> None:
    """Remove the legal hold of tickets: `RetentionDays` counts again from when they were received."""
    context = context_of(ctx)
    chosen = selected(context.stack.table, tickets or [], file, customer)
    with _drained_progress(context, len(chosen)) as (bar, sleep):
        archive = _archive(context, drain_seconds, sleep, bar)
        outcomes = retaining.release(chosen, context.stack.retention_days, archive)
    released = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    actions = context.stack.actions
    for_each(
        lambda each: actions.write("release", each.ticket, case=case), [each for each in released if each.was_held]
    )
    rows = [[each.ticket, "released" if each.was_held else "was not held"] for each in released]
    context.print_result({"tickets": [asdict(each) for each in released]}, table(["ticket", ""], rows))
    _successes(outcomes)


@app.command()
def retention(ctx: typer.Context, yes: Yes = False) -> None:
    """Apply a changed `RetentionDays` to the tickets that exist. This is a scan of the whole table."""
    context = context_of(ctx)
    stack = context.stack
    days = stack.retention_days
    pages: list[retaining.AppliedPage] = []
    applying = retaining.apply_to_all(days, stack.records, stack.objects, now=now(), dry_run=not yes)
    with partial_results() as failures, context.progress("Items read", None) as bar, closing(applying):
        for page in applying:
            pages.append(page)
            bar.advance(page.scanned)
    tickets, held, over = (sum(getattr(page, name) for page in pages) for name in ("tickets", "held", "over"))
    end = f"expire {days} days after they were received, {over} of them at once" if days else "do not expire"
    text = f"{tickets} tickets {end if yes else 'would ' + end}; {held} are under a legal hold."
    context.print_result({"dry_run": not yes, "days": days, "tickets": tickets, "held": held, "over": over}, text)
    if failures:
        raise failures[0]


@contextmanager
def _drained_progress(context: Context, total: int) -> Iterator[tuple[ProgressBar, Callable[[float], None]]]:
    """Show a progress bar; the second value waits for attempts in flight and says so."""

    def sleep(seconds: float) -> None:
        context.note(f"Waiting {seconds:.0f} s for attempts that may still be in flight.")
        time.sleep(seconds)

    with context.progress("Tickets", total) as bar:
        yield bar, sleep


def _archive(
    context: Context, drain_seconds: float, sleep: Callable[[float], None], bar: ProgressBar
) -> retaining.Archive:
    stack = context.stack
    return retaining.Archive(stack.table, stack.records, stack.objects, now, drain_seconds, sleep, bar.advance)


def _successes(outcomes: Iterable[Result | Failure]) -> list[Result]:
    """Return the results. Raises the first failure, with the number of the others."""
    results: list[Result] = []
    failures: list[Failure] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            results.append(outcome)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise Failure(f"{failures[0]}{more}", Exit(failures[0].exit_code))
    return results


def _facts(receipt: erasing.Receipt) -> dict[str, Any]:
    return {name: value for name, value in asdict(receipt).items() if name != "ticket"}
