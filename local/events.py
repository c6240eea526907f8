"""Write the sample events in events/, for `sam local` and the tests: `python -m local.events`.

Webhooks are encrypted with the secret below. Each IV, which must be random, is derived from the case's name, so that
the files stay the same.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local import ROOT
from local.json_templates import render_json
from local.vendor import webhooks
from local.vendor.tickets import Outcome, State, Ticket
from local.vendor.webhooks import Form
from ticket_archive.messages import Webhook, ticket_message, webhook_message
from ticket_archive.models import ticket_id
from ticket_archive.webhook_encryption import IV_HEADER

FOLDER = ROOT / "events"

SECRET = "local-development-secret-only-32"  # noqa: S105  used by these files alone; the vendor asks for 32 characters
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"  # the ticket of the vendor's documentation
CUSTOMER = "C-1001"

_WRONG_SECRET = "another-secret-that-opens-nothin"  # noqa: S105
_SHA256 = hashlib.sha256(b"an image").hexdigest()
RECEIVED_AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)

Event = dict[str, Any]

CASES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""Of webhooks, how a case differs from an encrypted event of a completed ticket; of retrieval, the request.

`status` is the response's, by default 202 and 200.
"""


def events(
    secret: str = SECRET, ticket: str = TICKET, customer: str = CUSTOMER, at: datetime = RECEIVED_AT
) -> dict[str, Event]:
    """Return every event by file name. Raises SettingsError (secret) or InvalidRequest (ticket)."""
    samples = _Samples(secret, ticket_id(ticket), customer, at)
    made = {f"webhook_{name}.json": samples.webhook(name, case) for name, case in CASES["webhook"].items()}
    made |= samples.queue() | {"schedule_tick.json": {"source": "ticket-archive.schedule"}}
    gets = {name: samples.request("GET", **case) for name, case in CASES["retrieval"].items()}
    return made | {f"retrieval_{name}.json": event for name, event in gets.items()}


def write(folder: Path, made: Mapping[str, Event]) -> None:
    """Write the events into the folder, one file each."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, event in made.items():
        (folder / name).write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Samples:
    """The events about one ticket of one customer, received at one moment."""

    secret: str
    ticket: str
    customer: str
    at: datetime

    @property
    def milliseconds(self) -> int:
        """When they were received, since the epoch."""
        return int(self.at.timestamp() * 1000)

    def _event(self, form: str = Form.COMPLETED, outcome: str = Outcome.ACCEPTED) -> Event:
        """Return the vendor's event about the ticket."""
        ticket = Ticket(seed=1, index=0, ticket=self.ticket, state=State(outcome=Outcome(outcome)), scale=1.0)
        ticket.customer = self.customer
        return webhooks.event(Form(form), ticket)

    def _encrypted(self, name: str, event: Event, secret: str | None = None) -> webhooks.Webhook:
        return webhooks.encrypted(event, secret or self.secret, hashlib.sha256(name.encode()).digest()[:16])

    def webhook(self, name: str, case: Mapping[str, Any]) -> Event:
        """Return a request to the webhook endpoint. `case` is how it differs from an encrypted completed event."""
        event = self._event(*case.get("event", ())) | case.get("changed", {})
        sent = self._encrypted(f"webhook_{name}.json", event, _WRONG_SECRET if "wrong_key" in case else None)
        if "plaintext" in case:
            sent = webhooks.plaintext(event)
        headers = {header: text for header, text in (sent.headers | case.get("headers", {})).items() if text}
        binary, body = "binary" in case, case.get("body", sent.body.decode())
        body = b64encode(body.encode()).decode() if binary else body or None
        request = self.request("POST", "/webhooks/tickets", headers=headers, body=body, binary=binary)
        for header in case.get("repeated", ()):
            request["multiValueHeaders"][header] *= 2
        return request

    # SQS.

    def queue(self) -> dict[str, Event]:
        """Return batches of queue messages."""
        received_at = f"{self.at:%Y-%m-%dT%H:%M:%S.%fZ}"
        done = self._event(Form.COMPLETED)

        def message(name: str, event: Event, secret: str | None = None) -> str:
            sent = self._encrypted(name, event, secret)
            iv, content_type = sent.headers[IV_HEADER], sent.headers["Content-Type"]
            return webhook_message(Webhook(body=sent.body, iv=iv, content_type=content_type, received_at=received_at))

        return {
            "queue_completed_encrypted.json": self._batch(message("queue_completed_encrypted.json", done)),
            "queue_ticket_request.json": self._batch(ticket_message(self.ticket, kind="backfill")),
            "queue_batch_of_mixed.json": self._batch(
                message("mixed: good", done),
                "this is no message",
                message("mixed: wrong key", done, _WRONG_SECRET),
                message("mixed: in progress", self._event(Form.IN_PROGRESS)),
                ticket_message(self.ticket, kind="backfill", force=True),
            ),
        }

    def _batch(self, *bodies: str) -> Event:
        return render_json("batch.json.j2", bodies=bodies, sent=self.milliseconds, md5=_md5)

    def request(self, method: str, resource: str, ticket: str = "", query: Any = None, **sent: Any) -> Event:
        """Return the input of a proxy integration: a GET is signed by a role's session, a POST is the vendor's."""
        known = {"ticket": ticket or self.ticket, "customer": self.customer, "sha256": _SHA256}
        parameters = {name: text for name, text in known.items() if f"{{{name}}}" in resource}
        about = {"method": method, "resource": resource, "path": resource.format(**known), "query": query}
        return render_json("request.json.j2", **about, **sent, parameters=parameters, several=_several, received=self)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _several(texts: Mapping[str, str] | None) -> dict[str, list[str]] | None:
    return {name: [text] for name, text in texts.items()} if texts else None


if __name__ == "__main__":
    write(FOLDER, events())
