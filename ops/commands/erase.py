"""`erase`: the tombstone first, so that nothing new is stored, then every object version, then the events.

The customer's code goes last, after the receipt: an erasure by customer that was interrupted finds its tickets again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import typer
from rich.console import Group

from ops.app import app, context_of
from ops.arguments import Code, Customer, DrainSeconds, IdFile, Tickets, Yes, selected
from ops.bucket import Version
from ops.context import Rows, unknown
from ops.errors import Failure
from ops.parallel import DRAIN_SECONDS, Advance, Drain, Outcomes, for_each, in_two_passes
from ops.stack import Stack
from ticket_archive.clock import iso

Receipt = dict[str, Any]
"""What an erasure removed: counts, times and a digest, no personal data.

`sha256` is of the lines "key<tab>version<newline>" of all deleted object versions, sorted. `late_*` counts what the
second pass found. `refused` counts versions that S3 did not delete: the erasure is then not complete.
"""


@app.command()
def erase(
    ctx: typer.Context,
    tickets: Tickets = None,
    file: IdFile = None,
    customer: Customer = None,
    yes: Yes = False,
    reason_code: Code = None,
    drain_seconds: DrainSeconds = DRAIN_SECONDS,
) -> None:
    """Erase tickets permanently: all object versions, the item and its events. A tombstone and a receipt stay."""
    context = context_of(ctx)
    chosen = selected(context, tickets, file, customer)
    stack = context.stack
    with context.progress("Tickets", len(chosen)) as advance:
        plans = _plans(chosen, stack, advance)
    missing = [plan["ticket"] for plan in plans if not (plan["state"] or plan["object_versions"] or plan["events"])]
    held = [plan["ticket"] for plan in plans if plan["legal_hold"] is not None]
    erasable = [plan for plan in plans if plan["ticket"] not in {*missing, *held}]
    result: dict[str, Any] = {"dry_run": not yes, "unknown": missing, "held": held}
    if not erasable:
        context.print_result({**result, "receipts" if yes else "tickets": []}, "Nothing to erase.")
    elif not yes:
        result |= {"tickets": erasable, **_sums(erasable, "object_versions", "events")}
        counts = f"{result['object_versions']} object versions and {result['events']} event records"
        text = f"Would erase {len(erasable)} tickets, {counts}. Add --yes to do it."
        rows = map(itemgetter("ticket", "state", "object_versions", "events"), erasable)
        context.print_result(result, Group(Rows(["ticket", "state", "versions", "events"], rows), "", text))
    else:
        with context.drain(drain_seconds, len(erasable)) as drain:
            outcomes = erase_tickets([plan["ticket"] for plan in erasable], stack, drain)
        done, actions, records = outcomes.done, stack.actions, stack.table

        def end(ticket: str) -> None:
            if earlier := _earlier(done[ticket], stack):
                done[ticket] = earlier
            else:
                actions.write("erase", reason_code=reason_code, **done[ticket])
            if not done[ticket]["refused"]:
                records.forget_customer(ticket)

        recorded = for_each(end, done)
        receipts = list(done.values())
        result |= {"reason_code": reason_code, "receipts": receipts, "failed": outcomes.reasons}
        result |= _sums(receipts, "object_versions", "events", "refused")
        rows = map(itemgetter("ticket", "erased_at", "object_versions", "events", "sha256"), receipts)
        context.print_result(result, Rows(["ticket", "erased", "versions", "events", "sha256 of the versions"], rows))
        outcomes.check()
        recorded.check()
        if refused := result["refused"]:
            raise Failure(f"{refused} object versions could not be deleted; run the command again")
    if held:
        raise Failure(f"under a legal hold and not erased: {', '.join(held)}; see `release`")
    if missing:
        raise unknown(missing[0]) if len(missing) == 1 else Failure(f"not in the archive: {', '.join(missing)}")


def erase_tickets(tickets: Sequence[str], stack: Stack, drain: Drain) -> Outcomes[Receipt]:
    """Erase tickets. May be repeated.

    A second pass removes what invocations stored that were in flight when the tombstones were set. It begins when
    `drain.seconds` have passed since then, once for all tickets.
    """
    records, bucket = stack.table, stack.bucket

    def sweep(ticket: str) -> tuple[list[Version], int, int]:
        """Delete everything of the ticket; return deleted versions, and the number of refused ones and of events."""
        found, events = list(bucket.versions(ticket)), list(records.events(ticket))
        refused = set(bucket.delete(found))
        for event in events:
            records.delete_event(ticket, event["record"])
        return [version for version in found if version not in refused], len(refused), len(events)

    def first_pass(ticket: str) -> tuple[tuple[str, str, list[Version], int], datetime | None]:
        erased_at = records.erase(ticket, iso(drain.now()))  # raises InvalidRequest("legal_hold")
        deleted, _, events = sweep(ticket)
        return (ticket, erased_at, deleted, events), drain.end_of(erased_at)

    def second_pass(first: tuple[str, str, list[Version], int], _in_flight: bool) -> Receipt:
        ticket, erased_at, deleted, events = first
        late, refused, late_events = sweep(ticket)
        lines = sorted(f"{key}\t{version}\n" for key, version in [*deleted, *late])
        return {
            "ticket": ticket,
            "erased_at": erased_at,
            "finished_at": iso(drain.now()),
            "object_versions": len(lines),
            "events": events + late_events,
            "late_object_versions": len(late),
            "late_events": late_events,
            "refused": refused,
            "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        }

    return in_two_passes(first_pass, second_pass, tickets, drain)


def _earlier(receipt: Receipt, stack: Stack) -> Receipt | None:
    """Return the receipt that is stored of the same erasure, if it was complete and nothing was left to remove."""
    if receipt["object_versions"] or receipt["events"] or receipt["refused"]:
        return None
    for record in stack.actions.of_ticket(receipt["ticket"]):
        if record["command"] == "erase" and record["erased_at"] == receipt["erased_at"] and not record["refused"]:
            return {name: record[name] for name in receipt}
    return None


def _plans(tickets: Sequence[str], stack: Stack, advance: Advance) -> list[dict[str, Any]]:
    """Return what an erasure would remove. `state` is None if the table has no item."""
    records, bucket = stack.table, stack.bucket

    def plan(ticket: str) -> dict[str, Any]:
        item = records.without_content(ticket)
        found = {"state": item and item.state, "legal_hold": item and item.attributes.get("legal_hold")}
        counts = {"object_versions": len(list(bucket.versions(ticket))), "events": len(list(records.events(ticket)))}
        return {"ticket": ticket, **found, **counts}

    return for_each(plan, tickets, advance).check()


def _sums(results: Sequence[Mapping[str, int]], *names: str) -> dict[str, int]:
    return {name: sum(each[name] for each in results) for name in names}
