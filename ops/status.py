"""What the archive knows about one ticket: states, times, counts and codes, no content and no URL."""

from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from ops.contents import history
from ops.listing import missing_parts
from ops.objects import Objects
from ops.table import OperatorTable
from ticket_archive.bucket import Bucket
from ticket_archive.keys import manifest_key
from ticket_archive.retention import is_limited
from ticket_archive.table import TicketItem

_ATTRIBUTES = (
    "complete",
    "disposition",
    "erased_at",
    "legal_hold",
    "legal_hold_case",
    "legal_hold_by",
    "attempted_at",
    "retry_at",
    "last_error",
)


def status(ticket: str, records: OperatorTable, objects: Objects, bucket: Bucket) -> dict[str, Any] | None:
    """Return a ticket's status as `--json` prints it, or None if there is no such ticket."""
    item = records.without_content(ticket)
    if item is None:
        return None
    return {
        "ticket": item.ticket,
        "state": item.state.value,
        "outcome": item.outcome,
        "received_at": item.received_at,
        "fetched_at": item.fetched_at,
        "archived_at": item.archived_at,
        **{name: item.attributes.get(name) for name in _ATTRIBUTES},
        "expires_at": item.expires_at if is_limited(item.expires_at) else None,
        "attempts": item.attempts,
        "requeues": item.requeues,
        "version": item.version,
        "versions": _versions(item, bucket),
        "manifest": None if item.version is None else objects.exists(manifest_key(ticket, item.version)),
        "types": {kind.value: state.value for kind, state in item.types.items()},
        "missing": missing_parts(item),
        "images": [_without_key(asdict(image)) for image in item.images],
        "unrecognized": [_without_key(each) for each in item.attributes.get("unrecognized", ())],
        "details": _details(item),
        "events": [{"event": event.name, "received_at": event.received_at} for event in records.events(ticket)],
    }


def render(found: dict[str, Any]) -> Table:
    """Return the status as a table, without what is empty."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.items():
        if name == "manifest" and value is not None:
            table.add_row("manifest", "written" if value else Text("missing; `backfill` writes it", "red"))
        elif name == "types":
            for kind, state in value.items():
                table.add_row(kind, _type(kind, state, found))
        elif name == "details" and value is not None:
            table.add_row("details", f"{value['bytes']:,} bytes, stored in the {value['stored_in']}")
        elif name == "events":
            for number, event in enumerate(value):
                table.add_row("" if number else "events", Text(f"{event['received_at']}  {event['event']}"))
        elif name == "versions":
            for number, each in enumerate(value):
                text = f"{each['version'][:12]}  {each['archived_at']}  {each['outcome']}"
                table.add_row("" if number else "versions", Text(text))
        elif name not in ("images", "details", "missing", "unrecognized", "version") and value is not None:
            table.add_row(name, Text(str(value)))
    return table


def _type(kind: str, state: str, found: dict[str, Any]) -> str:
    sizes = [f"{image['bytes']:,} bytes {image['content_type']}" for image in found["images"] if image["type"] == kind]
    kept = [f"{body['bytes']:,} bytes not recognized" for body in found["unrecognized"] if body["type"] == kind]
    reason = found["missing"].get(kind)
    return ", ".join([state, *([reason] if reason not in (None, state) else []), *sizes, *kept])


def _versions(item: TicketItem, bucket: Bucket) -> list[dict[str, Any]]:
    if item.previous is None:
        return []  # the current version is all there is
    return [{name: each[name] for name in ("version", "archived_at", "outcome")} for each in history(item, bucket)]


def _details(item: TicketItem) -> dict[str, Any] | None:
    if item.details_sha256 is None:
        return None
    place = "bucket" if "details_key" in item.attributes else "table"
    return {"bytes": item.details_bytes, "sha256": item.details_sha256, "stored_in": place}


def _without_key(image: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in image.items() if name != "key"}
