"""A webhook as the vendor would post it, to try an installation."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import requests

from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem, TicketTable
from ticket_archive.webhook_credentials import WebhookCredentials, WebhookSecret
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_CONNECT_AND_READ = (5, 30)
_POLL = 1.0


class Event(StrEnum):
    """Which of the vendor's events."""

    COMPLETED = "completed"
    IN_PROGRESS = "in-progress"
    INVITATION = "invitation"


def event(kind: Event, ticket: str, mark: str) -> dict[str, Any]:
    """The event. `mark` makes it another one than any before, or a repeated trial would pass for a duplicate."""
    match kind:
        case Event.COMPLETED:
            said = {"event": "ticket.verification.completed", "flow_status": "ACCEPTED", "disposition": "PASSED"}
        case Event.IN_PROGRESS:
            said = {
                "event": "ticket.verification.in_progress",
                "sub_event": "verification.liveness",
                "flow_status": "IN_PROGRESS",
                "disposition": "PASSED",
            }
        case Event.INVITATION:
            said = {"id": mark, "invitation_state": "COMPLETED", "transaction_status": "ACCEPTED"}
    return {"ticket": ticket, **said, "data": {"trial": mark}}


def webhook_secret(client: "SecretsManagerClient", secret_id: str) -> bytes:
    """Return the current key. Raises ClientError, SettingsError."""
    return WebhookSecret.read(client.get_secret_value(SecretId=secret_id)["SecretString"]).key


def credentials(client: "SecretsManagerClient", secret_id: str) -> WebhookCredentials:
    """Return what a webhook must carry. Raises ClientError, SettingsError."""
    return WebhookCredentials.read(client.get_secret_value(SecretId=secret_id)["SecretString"])


def post(
    url: str,
    said: Mapping[str, Any],
    secret: bytes,
    carried: WebhookCredentials | None = None,
    ca_bundle: str | None = None,
) -> tuple[int, str]:
    """Encrypts and posts an event; returns the status and the answer. Raises requests' exceptions."""
    body, iv = encrypt_event(json.dumps(said).encode(), secret, secrets.token_bytes(16))
    headers = {"Content-Type": "text/plain", IV_HEADER: iv}
    if carried is not None:
        headers[carried.header] = carried.value.get_secret_value()
    answer = requests.post(
        url, data=body, headers=headers, timeout=_CONNECT_AND_READ, allow_redirects=False, verify=ca_bundle or True
    )
    return answer.status_code, answer.text[:500]


def wait(
    table: TicketTable,
    ticket: str,
    before: TicketItem | None,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TicketItem | None:
    """The ticket once it is archived by a fetch that was not there `before`; None where `seconds` do not suffice."""
    until = clock() + seconds
    known = before.fetched_at if before else None
    while True:
        item = table.get(ticket)
        if item is not None and item.state is TicketState.ARCHIVED and item.fetched_at != known:
            return item
        if clock() >= until:
            return None
        sleep(_POLL)
