"""`status`: what the archive knows about one ticket: states, times, counts and codes, no content and no URL."""

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from ops.app import app, context_of
from ops.arguments import Ticket
from ops.context import pairs, unknown
from ops.stack import Stack
from ops.ticket_files import history, missing_parts
from ticket_archive.models import TicketItem
from ticket_archive.retention import expires

_FIELDS = {
    "ticket", "state", "outcome", "disposition", "received_at", "fetched_at", "archived_at", "attempts", "requeues",
    "version", "types", "images", "unrecognized",
}  # fmt: skip
_ATTRIBUTES = (
    "complete", "erased_at", "legal_hold", "legal_hold_case", "legal_hold_by", "attempted_at", "retry_at", "last_error",
)  # fmt: skip
_WITHOUT_KEYS = {name: {"__all__": {"key"}} for name in ("images", "unrecognized")}


@app.command()
def status(ctx: typer.Context, ticket: Ticket) -> None:
    """Show a ticket's state, times, attempts, image types, versions and events, and why something is missing."""
    context = context_of(ctx)
    item = context.stack.table.without_content(ticket)
    if item is None:
        raise unknown(ticket)
    found = status_of(item, context.stack)
    if found["missing"] or found["last_error"]:
        context.note(f'The log says more: Logs Insights on the ingest log group, `filter ticket = "{ticket}"`.')
    context.print_result(found, _render(found))


def status_of(item: TicketItem, stack: Stack) -> dict[str, Any]:
    """Return a ticket's status as `--json` prints it."""
    details = {
        "bytes": item.details_bytes,
        "sha256": item.details_sha256,
        "stored_in": "bucket" if "details_key" in item.attributes else "table",
    }
    versions = [each.model_dump(include={"version", "archived_at", "outcome"}) for each in history(item, stack.bucket)]
    return {
        **item.model_dump(mode="json", include=_FIELDS, exclude=_WITHOUT_KEYS),
        **{name: item.attributes.get(name) for name in _ATTRIBUTES},
        "expires_at": item.expires_at if expires(item.expires_at) else None,
        "versions": versions if item.previous else [],
        "manifest": bool(versions) if item.version else None,
        "missing": missing_parts(item),
        "details": details if item.details_sha256 else None,
        "events": [
            {"event": each["event"], "received_at": each["received_at"]} for each in stack.table.events(item.ticket)
        ],
    }


def _render(found: dict[str, Any]) -> Table:
    """Return the status as a table, without what is empty."""
    rows: dict[str, Any] = {
        name: value for name, value in found.items() if isinstance(value, str | int) and name != "version"
    }
    if found["manifest"] is not None:
        rows["manifest"] = "written" if found["manifest"] else Text("missing; `backfill` writes it", "red")
    rows |= {kind: _type(kind, state, found) for kind, state in found["types"].items()}
    if details := found["details"]:
        rows["details"] = f"{details['bytes']:,} bytes, stored in the {details['stored_in']}"
    if events := found["events"]:
        rows["events"] = "\n".join(f"{each['received_at']}  {each['event']}" for each in events)
    if versions := found["versions"]:
        lines = (f"{each['version'][:12]}  {each['archived_at']}  {each['outcome']}" for each in versions)
        rows["versions"] = "\n".join(lines)
    return pairs(rows.items())


def _type(kind: str, state: str, found: dict[str, Any]) -> str:
    reason = found["missing"].get(kind)
    sizes = [f"{image['bytes']:,} bytes {image['content_type']}" for image in found["images"] if image["type"] == kind]
    kept = [f"{body['bytes']:,} bytes not recognized" for body in found["unrecognized"] if body["type"] == kind]
    return ", ".join([state, *([reason] if reason not in (None, state) else []), *sizes, *kept])
