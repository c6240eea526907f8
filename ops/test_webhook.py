"""Post a webhook as the vendor would, to test an installation; read the secrets that this needs."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import requests
from botocore.exceptions import ClientError

from ops.redrive import OpenWebhook
from ops.stack import Stack
from ticket_archive.errors import SettingsError
from ticket_archive.messages import Webhook
from ticket_archive.models import TicketState
from ticket_archive.table import TicketItem, TicketTable
from ticket_archive.webhook_credentials import VendorCredential, WebhookCredentials, WebhookSecret
from ticket_archive.webhook_encryption import IV_HEADER, decrypt_event, encrypt_event
from ticket_archive.webhook_event import parse_event

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_TIMEOUTS = (5, 30)  # seconds to connect and to read
_POLL = 1.0


class Event(StrEnum):
    """The vendor's events that can be sent."""

    COMPLETED = "completed"
    IN_PROGRESS = "in-progress"
    INVITATION = "invitation"


def event(kind: Event, ticket: str, mark: str) -> dict[str, Any]:
    """Return an event. `mark` makes it differ from earlier ones, which would make it a duplicate."""
    match kind:
        case Event.COMPLETED:
            content = {"event": "ticket.verification.completed", "flow_status": "ACCEPTED", "disposition": "PASSED"}
        case Event.IN_PROGRESS:
            content = {
                "event": "ticket.verification.in_progress",
                "sub_event": "verification.liveness",
                "flow_status": "IN_PROGRESS",
                "disposition": "PASSED",
            }
        case Event.INVITATION:
            content = {"id": mark, "invitation_state": "COMPLETED", "transaction_status": "ACCEPTED"}
    return {"ticket": ticket, **content, "data": {"trial": mark}}


def webhook_secrets(client: "SecretsManagerClient", secret_id: str) -> list[bytes]:
    """Return the live webhook secrets, the current one first. Raises SettingsError, ClientError."""
    current = WebhookSecret.read(_secret(client, secret_id)).key
    try:
        previous = WebhookSecret.read(_secret(client, secret_id, "AWSPREVIOUS")).key
    except (ClientError, SettingsError):
        return [current]  # never changed, or no webhook secret before
    return [current, previous]


def vendor_credential(client: "SecretsManagerClient", secret_id: str) -> VendorCredential:
    """Return the vendor's credential. Raises SettingsError, ClientError."""
    return VendorCredential.read(_secret(client, secret_id))


def request_credentials(client: "SecretsManagerClient", secret_id: str) -> WebhookCredentials:
    """Return the credentials that webhooks must carry. Raises SettingsError, ClientError."""
    return WebhookCredentials.read(_secret(client, secret_id))


def _secret(client: "SecretsManagerClient", secret_id: str, stage: str = "AWSCURRENT") -> str:
    return client.get_secret_value(SecretId=secret_id, VersionStage=stage)["SecretString"]


def webhook_opener(client: "SecretsManagerClient", secret_id: str) -> OpenWebhook:
    """Return a function that decrypts webhooks with the live secrets. Raises SettingsError, ClientError."""
    live = webhook_secrets(client, secret_id)

    def open_webhook(webhook: Webhook) -> dict[str, Any]:
        if webhook.iv is None:
            return parse_event(webhook.body)
        return decrypt_event(webhook.body, webhook.iv, live)

    return open_webhook


def post(
    url: str,
    content: Mapping[str, Any],
    secret: bytes,
    credentials: WebhookCredentials | None = None,
    ca_bundle: str | None = None,
) -> tuple[int, str]:
    """Encrypt and post an event; return the status and the body. Raises requests' exceptions."""
    body, iv = encrypt_event(json.dumps(content).encode(), secret, secrets.token_bytes(16))
    headers = {"Content-Type": "text/plain", IV_HEADER: iv}
    if credentials is not None:
        headers[credentials.header] = credentials.value.get_secret_value()
    response = requests.post(
        url, data=body, headers=headers, timeout=_TIMEOUTS, allow_redirects=False, verify=ca_bundle or True
    )
    return response.status_code, response.text[:500]


def send(stack: Stack, content: Mapping[str, Any]) -> tuple[int, str]:
    """Post an event to the stack's endpoint with its secret and its webhook credentials; see `post`."""
    secret = webhook_secrets(stack.secrets, stack.output("WebhookSecretArn"))[0]
    credentials_arn = stack.parameters.get("WebhookCredentialsSecretArn")
    credentials = request_credentials(stack.secrets, credentials_arn) if credentials_arn else None
    return post(stack.webhook_url, content, secret, credentials, stack.account.ca_bundle)


def wait(
    table: TicketTable,
    ticket: str,
    before: TicketItem | None,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TicketItem | None:
    """Wait until the ticket is archived by a newer fetch than `before`; return it, or None after `seconds`."""
    until = clock() + seconds
    known = before.fetched_at if before else None
    while True:
        item = table.get(ticket)
        if item is not None and item.state is TicketState.ARCHIVED and item.fetched_at != known:
            return item
        if clock() >= until:
            return None
        sleep(_POLL)
