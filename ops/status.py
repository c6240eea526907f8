"""What the archive knows of one ticket, in states, times and counts: no content, no URL."""

from typing import Any

from rich.table import Table
from rich.text import Text

from ops.objects import Objects
from ops.records import Records
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.keys import manifest_key
from ticket_archive.retention import is_limited
from ticket_archive.table import TicketItem, TicketTable

_PLACES = {"details": "map", "details_packed": "compressed", "details_key": "bucket"}
_TEXTS = (
    "disposition",
    "erased_at",
    "legal_hold",
    "attempted_at",
    "retry_at",
    "last_error",
)  # attributes of the item that TicketItem has no field for


def status(ticket: str, table: TicketTable, records: Records, objects: Objects) -> dict[str, Any] | None:
    """A ticket's status as `--json` prints it; None where the ticket is unknown."""
    item = table.get(ticket)
    if item is None:
        return None
    return {
        "ticket": item.ticket,
        "state": item.state.value,
        "outcome": item.outcome,
        "received_at": item.received_at,
        "fetched_at": item.fetched_at,
        "archived_at": item.archived_at,
        **{name: item.attributes.get(name) for name in _TEXTS},
        "expires_at": item.expires_at if is_limited(item.expires_at) else None,
        "attempts": item.attempts,
        "requeues": item.requeues,
        "version": item.version,
        "previous": item.previous,
        "manifest": None if item.version is None else objects.exists(manifest_key(ticket, item.version)),
        "types": {kind.value: state.value for kind, state in item.types.items()},
        "images": [_without_key(image.as_dict()) for image in item.images],
        "details": _details(item),
        "events": [{"event": event.name, "received_at": event.received_at} for event in records.events(ticket)],
    }


def render(found: dict[str, Any]) -> Table:
    """The same for a person: what is not there is not shown."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in found.items():
        if name == "manifest" and value is not None:
            table.add_row("manifest", "written" if value else Text("missing: ask for the ticket again", "red"))
        elif name == "types":
            for kind, state in value.items():
                table.add_row(kind, _type(kind, state, found["images"]))
        elif name == "details" and value is not None:
            table.add_row("details", f"{value['bytes']:,} bytes, kept as {value['kept_as']}")
        elif name == "events":
            for number, event in enumerate(value):
                table.add_row("" if number else "events", Text(f"{event['received_at']}  {event['event']}"))
        elif name not in ("images", "details") and value is not None:
            table.add_row(name, Text(str(value)))
    return table


def _type(kind: str, state: str, images: list[dict[str, Any]]) -> str:
    sizes = [f"{image['bytes']:,} bytes {image['content_type']}" for image in images if image["type"] == kind]
    return ", ".join([state, *sizes])


def _details(item: TicketItem) -> dict[str, Any] | None:
    kept = next((name for name in DETAILS_ATTRIBUTES if name in item.attributes), None)
    if kept is None:
        return None
    return {"bytes": item.details_bytes, "sha256": item.details_sha256, "kept_as": _PLACES[kept]}


def _without_key(image: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in image.items() if name != "key"}
