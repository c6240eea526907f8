"""The vendor's webhooks: every known form of event, encrypted or in plaintext, and how to post it.

Source: docs.preventor.com (server/webhooks, idv-tickets, invitations-link) and its sister platform's webhooks page.
"""

import json
import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import requests

from local.json_templates import render_json
from local.vendor.tickets import Ticket
from ticket_archive.webhook_encryption import IV_HEADER, check_secret, encrypt_event


class Form(StrEnum):
    """The kinds of event."""

    COMPLETED = "completed"
    IN_PROGRESS = "in_progress"
    INVITATION = "invitation"  # a completion without an `event` field
    VERIFICATION = "verification"  # the older generation's completion
    ONBOARDING = "onboarding"  # the older generation's other completion
    EXPIRED = "expired"  # an event name that is not documented
    RENAMED = "renamed"  # a completion under a name that is not documented
    ENVELOPE = "envelope"  # a completion inside {"data": {…}}
    NO_TICKET = "no_ticket"  # an event without a ticket id


@dataclass(frozen=True)
class Webhook:
    """A webhook request's body and headers."""

    body: bytes = field(repr=False)
    headers: dict[str, str]


def event(form: Form, ticket: Ticket) -> dict[str, Any]:
    """Return the event's JSON, before encryption."""
    events = render_json("vendor_events.json.j2", ticket=ticket)
    return {"data": events[Form.COMPLETED]} if form is Form.ENVELOPE else events[form]


def plaintext(content: dict[str, Any]) -> Webhook:
    """Return the request that the vendor posts if no secret is configured."""
    return Webhook(_json(content), {"Content-Type": "application/json"})


def encrypted(content: dict[str, Any], secret: str, iv: bytes | None = None) -> Webhook:
    """Return the event encrypted as the vendor does. Raises SettingsError unless the secret has 32 bytes."""
    body, vector = encrypt_event(_json(content), check_secret(secret), iv or os.urandom(16))
    return Webhook(body, {"Content-Type": "text/plain", IV_HEADER: vector})


def post(url: str, webhook: Webhook, ca_bundle: str | None = None, timeout: float = 90) -> int:
    """Post once, as the vendor does, and return the status. Raises requests.RequestException without a response.

    The emulator unpacks functions one after the other: 16 that start at the same time take 35 s on a slow machine.
    """
    with requests.Session() as session:
        session.trust_env = False
        headers = {"User-Agent": "preventor-webhooks", **webhook.headers}
        response = session.post(
            url, data=webhook.body, headers=headers, verify=ca_bundle or True, timeout=timeout, allow_redirects=False
        )
        return response.status_code


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
