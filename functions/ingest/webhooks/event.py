"""Open a webhook request: decrypt or parse its event, and classify it.

Anyone can post, and CBC has no MAC, so an event only says which ticket to ask the vendor about.

Sources: docs.preventor.com, pages server/webhooks, server/webhooks/idv-tickets, server/webhooks/invitations-link.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from ticket_archive.errors import Reason, UnreadableWebhook
from ticket_archive.json_text import without_bom
from ticket_archive.messages import Webhook
from ticket_archive.models import Model
from ticket_archive.webhook_encryption import decrypt_event, encrypt_event
from ticket_archive.webhook_event import find_event, parse_event, split_events

MAX_EVENT_BYTES = 512 * 1024
"""Limit of one of several events in a request. Encrypted again, and in base64 twice, it still fits into a message."""


class EventKind(StrEnum):
    """What an event says about its ticket."""

    COMPLETED = "completed"
    IN_PROGRESS = "in_progress"
    UNRECOGNIZED = "unrecognized"


class TicketEvent(NamedTuple):
    """An opened event.

    `event_id` is the SHA-256 of its canonical JSON in hexadecimal, which does not change with the IV. `name` is one of
    a closed set, so that it may be a metric's dimension.
    """

    ticket: str
    kind: EventKind
    event_id: str
    received_at: str
    encrypted: bool
    name: str


class _Event(Model):
    """The documented fields of every generation of events; others are ignored, and values may have any type."""

    event: object = None
    status: object = None
    flow_status: object = None
    invitation_state: object = None

    def classify(self) -> tuple[str, EventKind]:
        """Return the event's name and kind.

        A name that ends in `.completed` is a completion unless the vendor's pages say otherwise: a completion that
        comes too early costs one call, and one that is missed costs a ticket.
        """
        match self.event:
            case "ticket.verification.completed" | "verification.completed" as name:
                return name, EventKind.COMPLETED
            case "ticket.verification.in_progress" as name:
                final = self.flow_status in ("ACCEPTED", "REJECTED")  # which a completion has, so the vendor is asked
                return name, EventKind.UNRECOGNIZED if final else EventKind.IN_PROGRESS
            case "onboarding.completed" as name:
                # By the page server/webhooks, AWAITING is an onboarding that did not pass and may be corrected.
                return name, EventKind.IN_PROGRESS if self.status == "AWAITING" else EventKind.COMPLETED
            case str(name) if name.endswith(".completed"):
                return "other", EventKind.COMPLETED
        if self.invitation_state is not None:
            done = self.invitation_state == "COMPLETED"
            return "invitation", EventKind.COMPLETED if done else EventKind.UNRECOGNIZED
        in_progress = self.flow_status == "IN_PROGRESS"
        return "other", EventKind.IN_PROGRESS if in_progress else EventKind.UNRECOGNIZED


def open_webhook(webhook: Webhook, *, secrets: Iterable[bytes], allow_plaintext: bool) -> TicketEvent | list[bytes]:
    """Return the event in a request, or where it holds several, the JSON of each.

    `secrets` are the live keys, two of them during a rotation. A request with an IV is encrypted; one without an IV
    must be plaintext JSON. Raises UnreadableWebhook.
    """
    if webhook.iv is not None:
        document = decrypt_event(webhook.body, webhook.iv, secrets)
    elif not _is_json(webhook.body):
        raise UnreadableWebhook(Reason.IV_MISSING)
    elif not allow_plaintext:
        raise UnreadableWebhook(Reason.PLAINTEXT_REFUSED)
    else:
        document = parse_event(webhook.body)
    if not webhook.split and (events := split_events(document)):
        return [json.dumps(each).encode() for each in events]
    event, ticket = find_event(document)
    if ticket is None:
        raise UnreadableWebhook(Reason.NO_TICKET)
    # The event's name may be outside the envelope: {"event": "….completed", "data": {"ticket": …}}.
    name, kind = _Event.model_validate({**document, **event}).classify()
    return TicketEvent(
        ticket=ticket,
        kind=kind,
        event_id=_event_id(document),
        received_at=webhook.received_at,
        encrypted=webhook.iv is not None,
        name=name,
    )


def request_for(event: bytes, webhook: Webhook, secrets: Iterable[bytes]) -> Webhook:
    """Return a request with one of the events in `webhook`, encrypted with the first secret if that was encrypted."""
    body, iv = (event, None) if webhook.iv is None else encrypt_event(event, next(iter(secrets)), os.urandom(16))
    return webhook.model_copy(update={"body": body, "iv": iv, "quarantined": False, "split": True})


def _is_json(body: bytes) -> bool:
    """Return whether a body is plaintext JSON, also in a JSON string, and not base64: by its first character."""
    return without_bom(body.strip()).lstrip().removeprefix(b'"')[:1] in (b"{", b"[")


def _event_id(event: dict[str, Any]) -> str:
    canonical = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
