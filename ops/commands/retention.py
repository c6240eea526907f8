"""`hold`, `release` and `retention`: when tickets expire. Item, events and objects always agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import typer

from ops.app import app, context_of, partial_results
from ops.arguments import Code, Customer, DrainSeconds, HeldCase, IdFile, Tickets, Yes, selected
from ops.bucket import OperatorBucket
from ops.context import Rows, unknown
from ops.errors import Failure
from ops.parallel import DRAIN_SECONDS, Drain, Outcomes, for_each, in_two_passes
from ops.stack import Stack
from ops.table import OperatorTable
from ticket_archive.clock import iso, now
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.retention import expires, expiry, is_expired


@app.command()
def hold(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    case: Code = None,
    drain_seconds: DrainSeconds = DRAIN_SECONDS,
) -> None:
    """Put tickets under a legal hold: neither `erase` nor `RetentionDays` removes them until `release`."""
    context = context_of(ctx)
    chosen = selected(context, tickets, file, customer)
    stack = context.stack
    with context.drain(drain_seconds, len(chosen)) as drain:
        outcomes = hold_tickets(chosen, stack, drain, case)
    held = list(outcomes.done.values())
    rows = [list(each.values()) for each in held]
    result = {"case": case, "by": stack.caller, "tickets": held, "failed": outcomes.reasons}
    context.print_result(result, Rows(["ticket", "held since", "case", "object versions", "events"], rows))
    if other := [each["ticket"] for each in held if each["case"] != case]:
        context.note(f"Held for an earlier case, which stays: {', '.join(other)}", "yellow")
    outcomes.check()


@app.command()
def release(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    case: HeldCase = None,
    drain_seconds: DrainSeconds = DRAIN_SECONDS,
) -> None:
    """Remove the legal hold of tickets, with --case of that case alone: `RetentionDays` counts again from receipt."""
    context = context_of(ctx)
    chosen = selected(context, tickets, file, customer)
    stack = context.stack
    with context.drain(drain_seconds, len(chosen)) as drain:
        outcomes = release_tickets(chosen, stack, drain, case)
    rows = [[ticket, "released" if was_held else "was not held"] for ticket, was_held in outcomes.done.items()]
    released = [{"ticket": ticket, "was_held": was_held} for ticket, was_held in outcomes.done.items()]
    context.print_result({"tickets": released, "failed": outcomes.reasons}, Rows(["ticket", ""], rows))
    outcomes.check()


@app.command()
def retention(ctx: typer.Context, yes: Yes = False) -> None:
    """Apply a changed `RetentionDays` to existing tickets. This scans the whole table."""
    context = context_of(ctx)
    records, bucket, days = context.stack.table, context.stack.bucket, context.stack.retention_days

    counts = Counter(tickets=0, held=0, over=0)
    with partial_results() as failures, context.progress("Items read", None) as advance:
        for found, scanned, _ in records.scan():
            items = [item for item in found if not _has_its_own_end(item)]
            free = {item.ticket: expiry_of(item, days) for item in items if "legal_hold" not in item.attributes}
            if yes:
                for_each(partial(apply, free, records, bucket), free).check()
            over = sum(is_expired(expires_at, now()) for expires_at in free.values())
            counts.update(tickets=len(free), held=len(items) - len(free), over=over)
            advance(scanned)
    end = f"expire {days} days after they were received, {counts['over']} of them now" if days else "never expire"
    text = "Not all items were read. " if failures else ""
    text += f"{counts['tickets']} tickets {end if yes else 'would ' + end}; {counts['held']} are under a legal hold."
    context.print_result({"dry_run": not yes, "days": days, **counts}, text)
    if failures:
        raise failures[0]


def hold_tickets(tickets: Sequence[str], stack: Stack, drain: Drain, case: str | None) -> Outcomes[dict[str, Any]]:
    """Put a legal hold on tickets; return since when each is held, and what that covers. May be repeated.

    The item is changed first: attempts that begin afterwards store objects that do not expire. An attempt that began
    less than `drain.seconds` before may still store objects that do, so those tickets are done again when it has ended.
    """
    records, bucket, actions, by = stack.table, stack.bucket, stack.actions, stack.caller

    def put(ticket: str) -> tuple[dict[str, Any], datetime | None]:
        item = records.hold(ticket, iso(drain.now()), case, by)
        if item is None:
            raise unknown(ticket)
        end = drain.end_of(item.attributes.get("attempted_at"))
        versions, events = set_expiry(ticket, None, records, bucket)
        first = {"since": item.attributes["legal_hold"], "case": item.attributes.get("legal_hold_case")}
        return {"ticket": ticket, **first, "object_versions": versions, "events": events}, end

    def first_pass(ticket: str) -> tuple[dict[str, Any], datetime | None]:
        held, end = put(ticket)
        actions.write("hold", ticket, case=case, since=held["since"])
        return held, end

    def again(held: dict[str, Any], in_flight: bool) -> dict[str, Any]:
        return put(held["ticket"])[0] if in_flight else held  # a new item may have replaced the old one meanwhile

    return in_two_passes(first_pass, again, tickets, drain)


def release_tickets(tickets: Sequence[str], stack: Stack, drain: Drain, case: str | None = None) -> Outcomes[bool]:
    """Remove the legal hold of tickets, which then expire by `RetentionDays` again; return which were held.

    A ticket that is held for another case than `case` is an error: it may be needed there.
    It is recorded first: nothing of a hold is left in the item. The item is changed after its objects, so that what is
    still held is done again. Attempts that began under the hold are waited for as in `hold_tickets`.
    """
    records, bucket, actions, days = stack.table, stack.bucket, stack.actions, stack.retention_days

    def first_pass(ticket: str) -> tuple[tuple[TicketItem, bool], datetime | None]:
        item = records.without_content(ticket)
        if item is None:
            raise unknown(ticket)
        held = item.state is not TicketState.ERASED and "legal_hold" in item.attributes
        holding = item.attributes.get("legal_hold_case")
        if held and case not in (None, holding):
            raise Failure(f"held for {holding or 'no case'}, not for {case}: not released")
        end = drain.end_of(item.attributes.get("attempted_at")) if held else None
        if held:
            actions.write("release", ticket, case=case)
            set_expiry(ticket, expiry_of(item, days), records, bucket)
        return (item, records.release(ticket, expiry_of(item, days))), end

    def second_pass(first: tuple[TicketItem, bool], in_flight: bool) -> bool:
        item, was_held = first
        if in_flight:
            apply({item.ticket: expiry_of(item, days)}, records, bucket, item.ticket)
        return was_held

    return in_two_passes(first_pass, second_pass, tickets, drain)


def apply(free: Mapping[str, int | None], records: OperatorTable, bucket: OperatorBucket, ticket: str) -> None:
    """Set the ticket's expiry, which `free` has, on its objects, its events and its item.

    The item comes last: once it has expired, the objects that an interrupted run left would not be found. If the ticket
    was put under a legal hold since it was read, nothing of it expires.
    """
    set_expiry(ticket, free[ticket], records, bucket)
    if not records.set_ticket_expiry(ticket, free[ticket]) and records.is_held(ticket):
        set_expiry(ticket, None, records, bucket)


def set_expiry(ticket: str, expires_at: int | None, records: OperatorTable, bucket: OperatorBucket) -> tuple[int, int]:
    """Set the expiry of the ticket's events and of every version of its objects; return how many there are."""
    versions = sum(
        bucket.set_expiring(version, expiring=expires(expires_at))
        for version in bucket.versions(ticket, delete_markers=False)
    )
    events = list(records.events(ticket))
    for event in events:
        records.set_event_expiry(ticket, event["record"], expires_at)
    return versions, len(events)


def _has_its_own_end(item: TicketItem) -> bool:
    """Return whether a ticket is a tombstone, which stays, or given up because the vendor does not know it."""
    given_up = item.state is TicketState.INCOMPLETE and "retry_at" not in item.attributes
    return given_up or item.state is TicketState.ERASED


def expiry_of(item: TicketItem, days: int) -> int | None:
    """Return when the ticket expires by `RetentionDays`, in epoch seconds; None if it does not.

    One that was given up because the vendor does not know it, and of which nothing is stored, expires in a day.
    """
    unknown = _has_its_own_end(item) and item.attributes.get("last_error") == "ticket_not_found"
    if unknown and not (item.details_sha256 or item.images):
        return expiry(iso(now()), days=1)
    return expiry(item.received_at, days) if item.received_at is not None else None
