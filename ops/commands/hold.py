"""`hold` and `release`: a ticket under a legal hold never expires. Item, events and objects always agree."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer

from ops.app import app, context_of
from ops.arguments import Code, Customer, DrainSeconds, IdFile, Tickets, selected
from ops.commands.retention import apply, expiry_of, set_expiry
from ops.context import table, unknown
from ops.parallel import DRAIN_SECONDS, Drain, Outcomes, in_two_passes
from ops.stack import Stack
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem


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
    context.print_result(result, table(["ticket", "held since", "object versions", "events"], rows))
    outcomes.check()


@app.command()
def release(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    case: Code = None,
    drain_seconds: DrainSeconds = DRAIN_SECONDS,
) -> None:
    """Remove the legal hold of tickets: `RetentionDays` counts again from when they were received."""
    context = context_of(ctx)
    chosen = selected(context, tickets, file, customer)
    stack = context.stack
    with context.drain(drain_seconds, len(chosen)) as drain:
        outcomes = release_tickets(chosen, stack, drain, case)
    rows = [[ticket, "released" if was_held else "was not held"] for ticket, was_held in outcomes.done.items()]
    released = [{"ticket": ticket, "was_held": was_held} for ticket, was_held in outcomes.done.items()]
    context.print_result({"tickets": released, "failed": outcomes.reasons}, table(["ticket", ""], rows))
    outcomes.check()


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
        held = {"ticket": ticket, "since": item.attributes["legal_hold"], "object_versions": versions, "events": events}
        return held, end

    def first_pass(ticket: str) -> tuple[dict[str, Any], datetime | None]:
        held, end = put(ticket)
        actions.write("hold", ticket, case=case, since=held["since"])
        return held, end

    def again(held: dict[str, Any], in_flight: bool) -> dict[str, Any]:
        return put(held["ticket"])[0] if in_flight else held  # a new item may have replaced the old one meanwhile

    return in_two_passes(first_pass, again, tickets, drain)


def release_tickets(tickets: Sequence[str], stack: Stack, drain: Drain, case: str | None = None) -> Outcomes[bool]:
    """Remove the legal hold of tickets, which then expire by `RetentionDays` again; return which were held.

    It is recorded first: nothing of a hold is left in the item. The item is changed after its objects, so that what is
    still held is done again. Attempts that began under the hold are waited for as in `hold_tickets`.
    """
    records, bucket, actions, days = stack.table, stack.bucket, stack.actions, stack.retention_days

    def first_pass(ticket: str) -> tuple[tuple[TicketItem, bool], datetime | None]:
        item = records.without_content(ticket)
        if item is None:
            raise unknown(ticket)
        held = item.state is not TicketState.ERASED and "legal_hold" in item.attributes
        end = drain.end_of(item.attributes.get("attempted_at")) if held else None
        if held:
            actions.write("release", ticket, case=case)
            set_expiry(ticket, expiry_of(item, days), records, bucket)
        return (item, bool(records.release(ticket, expiry_of(item, days)))), end

    def second_pass(first: tuple[TicketItem, bool], in_flight: bool) -> bool:
        item, was_held = first
        if in_flight:
            apply({item.ticket: expiry_of(item, days)}, records, bucket, item.ticket)
        return was_held

    return in_two_passes(first_pass, second_pass, tickets, drain)
