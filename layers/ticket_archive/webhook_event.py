"""The JSON of a webhook event: parse it and find its ticket."""

import json
import math
from contextlib import suppress
from typing import Any, NoReturn

from ticket_archive.errors import InvalidRequest, Reason, UnreadableWebhook
from ticket_archive.models import TICKET_NAMES, ticket_id

ENVELOPES = ("data", "payload", "event")


def parse_event(text: bytes) -> dict[str, Any]:
    """Return the JSON object in UTF-8 `text`, with or without a byte order mark.

    The bytes are decoded first because `json.loads` guesses their encoding and so accepts UTF-16. The last of several
    equal keys counts. Raises UnreadableWebhook.
    """
    try:
        parsed = json.loads(text.decode("utf-8-sig"), parse_float=_finite, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        reason = Reason.NOT_UTF8
    except ValueError:
        reason = Reason.NOT_JSON
    except RecursionError:
        reason = Reason.TOO_DEEP
    else:
        if isinstance(parsed, dict):
            return parsed
        reason = Reason.NOT_AN_OBJECT
    # Raised outside the handlers: the parser's errors hold the text, and must not become this error's context.
    raise UnreadableWebhook(reason)


def find_event(document: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the object that holds a valid ticket id, and the id: the document or one of its envelopes.

    The vendor's names have changed before, so where none has a `ticket`, the other TICKET_NAMES count, in capitals or
    not. `Ticket` does not: one bit of a recorded webhook's IV makes it of `ticket`. Returns the document and None where
    there is no such object.
    """
    events = [event for event in (document, *map(document.get, ENVELOPES)) if isinstance(event, dict)]
    documented = [(event, event.get("ticket")) for event in events]
    others = [(event, value) for event in events for name, value in event.items() if name.lower() in TICKET_NAMES[1:]]
    for event, ticket in documented + others:
        with suppress(InvalidRequest):
            return event, ticket_id(ticket)
    return document, None


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a double")
    return number


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")
