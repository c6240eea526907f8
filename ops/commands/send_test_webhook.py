"""`send-test-webhook`: post a webhook as the vendor would, to test an installation."""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from ops.app import app, context_of
from ops.arguments import ticket_option
from ops.errors import Exit, Failure
from ops.stack import Stack
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.table import TicketTable
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

_TIMEOUTS = (5, 30)  # seconds to connect and to read
_POLL = 1.0

Event = Literal["completed", "in-progress", "invitation"]


@app.command("send-test-webhook")
def send_test_webhook(
    ctx: typer.Context,
    ticket: Annotated[str | None, ticket_option("A ticket that the vendor knows.")] = None,
    event: Annotated[
        Event | None, typer.Option(help="completed if a ticket is given, else in-progress.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the ticket is archived.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait.")] = 120,
) -> None:
    """Post a webhook encrypted with this stack's secret. It does not prove that the vendor has the same secret."""
    context = context_of(ctx)
    kind = event or ("completed" if ticket else "in-progress")
    if kind != "in-progress" and ticket is None:
        raise Failure("use --ticket: only a ticket that the vendor knows can be archived", Exit.USAGE)
    if kind == "in-progress" and wait:
        raise Failure("--wait needs a completed ticket: nothing is archived before", Exit.USAGE)
    nonce = secrets.token_hex(8)
    about = ticket or f"test-{nonce}"
    stack = context.stack
    before = stack.table.get(about) if wait else None
    began = time.monotonic()
    code, body = send(stack, event_of(kind, about, nonce))
    archived = None
    if code == 202 and wait:
        context.note("Accepted. Waiting until the ticket is archived.")
        archived = wait_until_archived(stack.table, about, before, timeout)
    seconds = round(time.monotonic() - began, 1)
    result: dict[str, Any] = {"ticket": about, "event": kind, "status": code, "answer": body}
    text = f"{code} {body}  ({about}, {kind})"
    if archived is not None:
        result |= {"state": archived.state.value, "outcome": archived.outcome, "seconds": seconds}
        text += f"\n{archived.state.value}, {archived.outcome}, {len(archived.images)} images, after {seconds} s"
    context.note("Not tested: whether the vendor has this secret and this URL. Compare the secret at the vendor.")
    context.print_result(result, Text(text))
    if code != 202:
        raise Failure(f"webhook not accepted ({code}); see Webhook4xxAlarm and Webhook5xxAlarm in docs/operations.md")
    if wait and archived is None:
        raise Failure(f"not archived within {timeout:g} s; see `status {about}` and `redrive quarantine --dry-run`")


def event_of(kind: Event, ticket: str, nonce: str) -> dict[str, Any]:
    """Return an event. `nonce` makes it differ from earlier ones, of which it would be a duplicate."""
    content = {"event": "ticket.verification.completed", "flow_status": "ACCEPTED", "disposition": "PASSED"}
    if kind == "in-progress":
        content |= {"event": "ticket.verification.in_progress", "flow_status": "IN_PROGRESS"}
        content |= {"sub_event": "verification.liveness"}
    if kind == "invitation":
        content = {"id": nonce, "invitation_state": "COMPLETED", "transaction_status": "ACCEPTED"}
    return {"ticket": ticket, **content, "data": {"test": nonce}}


def send(stack: Stack, event: Mapping[str, Any]) -> tuple[int, str]:
    """Post an event as the vendor does; return status and body. Raises RequestException, SettingsError, ClientError."""
    body, iv = encrypt_event(json.dumps(event).encode(), stack.webhook_secrets()[0], secrets.token_bytes(16))
    headers = {"Content-Type": "text/plain", IV_HEADER: iv}
    if (credentials := stack.webhook_credentials()) is not None:
        headers[credentials.header] = credentials.value.get_secret_value()
    url = stack.output("WebhookUrl")
    with stack.http() as http:
        http.auth = lambda request: request  # without it, an entry in ~/.netrc would replace HTTP Basic credentials
        response = http.post(url, body, headers=headers, timeout=_TIMEOUTS, allow_redirects=False)
    return response.status_code, response.text[:500]


def wait_until_archived(
    table: TicketTable, ticket: str, before: TicketItem | None, seconds: float
) -> TicketItem | None:
    """Wait until the ticket is archived by a newer fetch than `before`; return it, or None after `seconds`."""
    until = time.monotonic() + seconds
    known = before.fetched_at if before else None
    while True:
        item = table.get(ticket)
        if item is not None and item.state is TicketState.ARCHIVED and item.fetched_at != known:
            return item
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL)
