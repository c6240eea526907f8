"""The JSON of a webhook event: parse it and find its ticket."""

import json
from contextlib import suppress
from typing import Any

from ticket_archive.errors import InvalidRequest, Reason, UnreadableWebhook
from ticket_archive.json_text import as_utf8, unwrapped
from ticket_archive.models import TICKET_NAMES, ticket_id

ENVELOPES = ("data", "payload", "event", "events")

MAX_EVENTS = 100
"""In one request. Each becomes a message, and anyone may post in plaintext where that is allowed."""


def parse_event(text: bytes) -> dict[str, Any]:
    """Return the JSON object in `text`, with or without a byte order mark, in a list of one or in a JSON string.

    A list of several becomes `{"events": [...]}`, which `split_events` takes apart.
    `text` is in UTF-8, UTF-16 or UTF-32, or else in Latin-1: some platforms encode a name so by default, and the ticket
    is ASCII. The last of several equal keys counts. NaN and Infinity are accepted, since some languages write them into
    JSON. Raises UnreadableWebhook.
    """
    try:
        value = json.loads(as_utf8(text, "latin-1").decode("utf-8-sig"))
        found = {"events": value} if _is_several(value) else _object_in(value)
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
    events = [document, *_envelopes_in(document)]
    documented = [(event, event.get("ticket")) for event in events]
    others = [(event, value) for event in events for name, value in event.items() if name.lower() in TICKET_NAMES[1:]]
    for event, ticket in documented + others:
        with suppress(InvalidRequest):
            return event, ticket_id(ticket.strip() if isinstance(ticket, str) else ticket)
    return document, None


def split_events(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a document that lists several, each with what stands beside the list; otherwise none.

    Where a ticket stands beside the list, it is an event of its own, unless the list has no other ticket. Raises
    UnreadableWebhook for more than MAX_EVENTS.
    """
    lists = ((holder, name) for holder in (document, *_envelopes_in(document)) for name in ENVELOPES)
    holder, name = next(((holder, name) for holder, name in lists if _is_several(holder.get(name))), ({}, ""))
    if not name:
        return []
    events, around = holder[name], {other: value for other, value in holder.items() if other != name}
    if len(events) > MAX_EVENTS:
        raise UnreadableWebhook(Reason.TOO_MANY_EVENTS)
    if (own := find_event(around)[1]) is None:
        # Alone, an event has the id that it has in a request of its own.
        return [each if isinstance(each, dict) and not around else {**around, name: each} for each in events]
    others = [each for each in events if isinstance(each, dict) and find_event(each)[1] not in (own, None)]
    return [around, *others] if others else []


def _envelopes_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for name in ENVELOPES if (event := _object_in(document.get(name))) is not None]


def _is_several(value: Any) -> bool:
    """Return whether a value is a list of several of which at least one is an event with a ticket."""
    if not isinstance(value, list) or len(value) < 2:
        return False
    return any(isinstance(each, dict) and find_event(each)[1] is not None for each in value)


def _object_in(value: Any) -> dict[str, Any] | None:
    """Return the object that a value is, or that a list of one or a JSON string holds."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    value = unwrapped(value)
    return value if isinstance(value, dict) else None
