"""The JSON of a webhook event: parse it and find its ticket."""

import json
from contextlib import suppress
from typing import Any

from ticket_archive.errors import InvalidRequest, Reason, UnreadableWebhook
from ticket_archive.json_text import as_utf8, unwrapped
from ticket_archive.models import TICKET_NAMES, ticket_id

ENVELOPES = ("data", "payload", "event")


def parse_event(text: bytes) -> dict[str, Any]:
    """Return the JSON object in `text`, with or without a byte order mark, in a list of one or in a JSON string.

    `text` is in UTF-8, UTF-16 or UTF-32, or else in Latin-1: some platforms encode a name so by default, and the ticket
    is ASCII. The last of several equal keys counts. NaN and Infinity are accepted, since some languages write them into
    JSON. Raises UnreadableWebhook.
    """
    try:
        found = _object_in(json.loads(as_utf8(text, "latin-1").decode("utf-8-sig")))
    except UnicodeDecodeError:
        reason = Reason.NOT_UTF8
    except ValueError:
        reason = Reason.NOT_JSON
    except RecursionError:
        reason = Reason.TOO_DEEP
    else:
        if found is not None:
            return found
        reason = Reason.NOT_AN_OBJECT
    # Raised outside the handlers: the parser's errors hold the text, and must not become this error's context.
    raise UnreadableWebhook(reason)


def find_event(document: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the object that holds a valid ticket id, and the id: the document or one of its envelopes.

    The vendor's names have changed before, so where none has a `ticket`, the other TICKET_NAMES count, in capitals or
    not. `Ticket` does not: one bit of a recorded webhook's IV makes it of `ticket`. Returns the document and None where
    there is no such object.
    """
    envelopes = (_object_in(document.get(name)) for name in ENVELOPES)
    events = [document, *(event for event in envelopes if event is not None)]
    documented = [(event, event.get("ticket")) for event in events]
    others = [(event, value) for event in events for name, value in event.items() if name.lower() in TICKET_NAMES[1:]]
    for event, ticket in documented + others:
        with suppress(InvalidRequest):
            return event, ticket_id(ticket.strip() if isinstance(ticket, str) else ticket)
    return document, None


def _object_in(value: Any) -> dict[str, Any] | None:
    """Return the object that a value is, or that a list of one or a JSON string holds."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    value = unwrapped(value)
    return value if isinstance(value, dict) else None
