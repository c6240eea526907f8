"""What the ticket queue carries, to text and back: a kept webhook request, or the wish to have a ticket archived.

`{"v": 1, "webhook": {"body": "<base64>", "iv": "…", "content_type": "…", "received_at": "…"}}`: from the webhook door.
`{"ticket": "…", "kind": "backfill", "force": true}`: from anyone whom IAM lets send. `kind` (who asks: a short code for
metrics) and `force` (archive again what is archived) may be missing, and so may `v`.

Keys beyond these are ignored, so that a newer sender is understood. docs/queue-message.schema.json says the same.
"""

import binascii
import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.webhooks.event import Reason, Webhook, parse_object
from ticket_archive.errors import InvalidRequest, UnreadableWebhook
from ticket_archive.models import ticket_id

VERSION = 1

_KIND = re.compile(r"[a-z_]{1,32}")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """Somebody wants a ticket archived. `force`: again, even if it is."""

    ticket: str
    kind: str | None = None
    force: bool = False


def webhook_message(webhook: Webhook) -> str:
    """The body goes as base64: SQS takes no control characters, and a request may hold any byte."""
    kept = {
        "body": b64encode(webhook.body).decode(),
        "iv": webhook.iv,
        "content_type": webhook.content_type,
        "received_at": webhook.received_at,
    }
    return json.dumps({"v": VERSION, "webhook": kept}, separators=(",", ":"))


def ticket_message(ticket: str, *, kind: str | None = None, force: bool = False) -> str:
    """Raises InvalidRequest unless `ticket` can be a ticket's id and `kind` is 1 to 32 of a-z and _."""
    if kind is not None and not _KIND.fullmatch(kind):
        raise InvalidRequest("kind")
    message: dict[str, Any] = {"v": VERSION, "ticket": ticket_id(ticket)}
    if kind is not None:
        message["kind"] = kind
    if force:
        message["force"] = True
    return json.dumps(message, separators=(",", ":"))


def read_message(text: str) -> Webhook | TicketRequest:
    """The inverse of both. Raises UnreadableWebhook: message_version, message_malformed or ticket_malformed."""
    message = _object(text)
    version = message.get("v", VERSION)
    if type(version) is not int or version != VERSION:
        raise UnreadableWebhook(Reason.MESSAGE_VERSION)
    match message:
        case {"webhook": _, "ticket": _}:
            raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)
        case {"webhook": dict(kept), "v": _}:
            return _webhook(kept)
        case {"ticket": ticket}:
            return _ticket_request(ticket, message)
    raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)


def _object(text: str) -> dict[str, Any]:
    try:
        return parse_object(text)
    except UnreadableWebhook:
        pass
    raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)


def _webhook(kept: dict[str, Any]) -> Webhook:
    match kept:
        case {"body": str(body), "content_type": str(content_type), "received_at": str(received_at)}:
            iv = kept.get("iv")
            if (iv is None or isinstance(iv, str)) and _is_utc(received_at):
                return Webhook(_bytes(body), iv, content_type, received_at)
    raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)


def _ticket_request(ticket: object, message: dict[str, Any]) -> TicketRequest:
    kind, force = message.get("kind"), message.get("force", False)
    known = kind is None or (isinstance(kind, str) and _KIND.fullmatch(kind))
    if not known or not isinstance(force, bool):
        raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)
    try:
        return TicketRequest(ticket_id(ticket), kind, force)
    except InvalidRequest:
        pass
    raise UnreadableWebhook(Reason.TICKET_MALFORMED)


def _bytes(body: str) -> bytes:
    try:
        return b64decode(body.encode("utf-8", "surrogatepass"), validate=True)
    except binascii.Error:
        pass
    raise UnreadableWebhook(Reason.MESSAGE_MALFORMED)


def _is_utc(text: str) -> bool:
    # One form only, since it becomes part of a key: `fromisoformat` alone also takes weeks and ordinal days.
    if not _UTC.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
