"""`retention`: when tickets expire. Item, events and objects always agree."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import typer

from ops.app import app, context_of, partial_results
from ops.arguments import Yes
from ops.bucket import OperatorBucket
from ops.parallel import for_each
from ops.table import OperatorTable
from ticket_archive.clock import iso, now
from ticket_archive.models import TicketState
from ticket_archive.retention import end_of, expires, is_over
from ticket_archive.table import TicketItem


@app.command()
def retention(ctx: typer.Context, yes: Yes = False) -> None:
    """Apply a changed `RetentionDays` to existing tickets. This scans the whole table."""
    context = context_of(ctx)
    records, bucket, days = context.stack.table, context.stack.bucket, context.stack.retention_days

    counts = Counter(tickets=0, held=0, over=0)
    with partial_results() as failures, context.progress("Items read", None) as advance:
        for page in records.scan():
            items = [item for item in page.items if not _has_its_own_end(item)]
            free = {item.ticket: expiry_of(item, days) for item in items if "legal_hold" not in item.attributes}
            if yes:
                for_each(partial(apply, free, records, bucket), free).check()
            over = sum(is_over(expires_at, now()) for expires_at in free.values())
            counts.update(tickets=len(free), held=len(items) - len(free), over=over)
            advance(page.scanned)
    end = f"expire {days} days after they were received, {counts['over']} of them now" if days else "never expire"
    text = f"{counts['tickets']} tickets {end if yes else 'would ' + end}; {counts['held']} are under a legal hold."
    context.print_result({"dry_run": not yes, "days": days, **counts}, text)
    if failures:
        raise failures[0]


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
        records.set_event_expiry(ticket, event.record, expires_at)
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
        return end_of(iso(now()), days=1)
    return end_of(item.received_at, days) if item.received_at is not None else None
