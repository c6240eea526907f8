"""The JSON of a webhook event: parse it and find its ticket."""

import json
from base64 import b64decode
from contextlib import suppress
from typing import Any

from ticket_archive.errors import InvalidRequest, Reason, UnreadableWebhook
from ticket_archive.json_text import as_utf8, json_in, unwrapped
from ticket_archive.models import TICKET_NAMES, bare_id, ticket_id

EVENT_ENVELOPES = ("data", "payload", "event", "events", "detail", "Message")
"""The last two are those of EventBridge and SNS. See `_with_decoded_data` for those of CloudEvents and Pub/Sub."""

MAX_EVENTS = 100
"""Limit per request: each event becomes a message, and anyone may post plaintext ones where they are allowed."""


def parse_event(text: bytes) -> dict[str, Any]:
    """Return the JSON object in `text`, with or without a byte order mark, in a list of one or in a JSON string.

    A list of several, or one on each line, becomes `{"events": [...]}`, which `split_events` takes apart.
    `text` is in UTF-8, UTF-16 or UTF-32, or else in Latin-1: some platforms encode a name so by default, and the ticket
    is ASCII. The last of several equal keys counts. NaN and Infinity are accepted, since some languages write them into
    JSON. Raises UnreadableWebhook.
    """
    try:
        value = _parse(as_utf8(text, "latin-1").decode("utf-8-sig"))
        found = {"events": value} if _lists_events(value) and len(value) > 1 else _object_in(value)
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
            return event, ticket_id(bare_id(ticket))
    return document, None


def split_events(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a document that lists several, at the top or in an envelope; otherwise none.

    Each has the scalars around its list. A ticket outside the lists is the first event; elements that name the same
    ticket, or none, are part of it. Raises UnreadableWebhook for more than MAX_EVENTS.
    """
    document = _with_decoded_data(document)
    holders = [document, *_envelopes_in(document)]
    rest = _without_lists({name: _without_lists(value) for name, value in document.items()})
    own = find_event(rest)[1]
    events: list[dict[str, Any]] = [] if own is None else [rest]
    for holder, name in ((holder, name) for holder in holders for name in EVENT_ENVELOPES):
        if not _lists_events(holder.get(name)):
            continue
        around = {
            key: value
            for key, value in {**document, **holder}.items()
            if not isinstance(value, dict | list) and _object_in(value) is None and key.lower() not in TICKET_NAMES
        }
        # A single event keeps the event id that it would have in a separate request.
        events += [
            each if isinstance(each, dict) and not around else {**around, name: each}
            for each in holder[name]
            if own is None or (isinstance(each, dict) and find_event(each)[1] not in (own, None))
        ]
    if len(events) > MAX_EVENTS:
        raise UnreadableWebhook(Reason.TOO_MANY_EVENTS)
    return events if len(events) > 1 else []


def _parse(text: str) -> Any:
    """Return the JSON value in a text, or the list of those on its lines (NDJSON)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines]


def _without_lists(value: Any) -> Any:
    return {name: each for name, each in value.items() if not _lists_events(each)} if isinstance(value, dict) else value


def _envelopes_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    document = _with_decoded_data(document)
    return [event for name in EVENT_ENVELOPES if (event := _object_in(document.get(name))) is not None]


def _with_decoded_data(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with what CloudEvents (`data_base64`) or Pub/Sub (`message.data`) encode as its `data`."""
    match document:
        case {"data_base64": str(text), **rest} | {"message": {"data": str(text)}, **rest}:
            with suppress(ValueError):
                return {"data": b64decode(text, validate=True).decode(), **rest}
    return document


def _lists_events(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) and find_event(each)[1] is not None for each in value)


def _object_in(value: Any) -> dict[str, Any] | None:
    """Return the object that a value is, or that a list of one or a JSON string holds."""
    value = unwrapped(json_in(value))
    return value if isinstance(value, dict) else None
