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
Texts = Mapping[str, str] | None

TEMPLATES: dict[str, Event] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""What the events have in common, with null for what an event sets: `request` is a REST API's proxy integration's,
`caller` the identity of a signed one, `record` SQS's. And the cases of webhooks and of retrieval, by name.

Source: docs.aws.amazon.com/apigateway, set-up-lambda-proxy-integrations; docs.aws.amazon.com/lambda, with-sqs.
"""


def events(
    secret: str = SECRET, ticket: str = TICKET, customer: str = CUSTOMER, at: datetime = RECEIVED_AT
) -> dict[str, Event]:
    """Return every event by file name. Raises SettingsError (secret) or InvalidRequest (ticket)."""
    samples = _Samples(secret, ticket_id(ticket), customer, at)
    made = {f"webhook_{name}.json": samples.webhook(name, case) for name, case in TEMPLATES["webhooks"].items()}
    made |= samples.queue() | {"schedule_tick.json": {"source": "ticket-archive.schedule"}}
    gets = {name: samples.request("GET", **case) for name, case in TEMPLATES["retrieval"].items()}
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
        request = self.request("POST", "/webhooks/tickets", headers=headers)
        for header in case.get("repeated", ()):
            request["multiValueHeaders"][header] *= 2
        request["isBase64Encoded"] = binary = "binary" in case
        body = case.get("body", sent.body.decode())
        request["body"] = (b64encode(body.encode()).decode() if binary else body) or None
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
        sent, received = str(self.milliseconds), str(self.milliseconds + 5)
        times = {"SentTimestamp": sent, "ApproximateFirstReceiveTimestamp": received}
        template = TEMPLATES["record"] | {"attributes": TEMPLATES["record"]["attributes"] | times}
        records = [
            template
            | {
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            }
            for number, body in enumerate(bodies, start=1)
        ]
        return {"Records": records}

    def request(
        self, method: str, resource: str, *, ticket: str = "", query: Texts = None, headers: Texts = None
    ) -> Event:
        """Return the input of a proxy integration: a GET is signed by a role's session, a POST is the vendor's."""
        agent, caller = ("Boto3/1.40", TEMPLATES["caller"]) if method == "GET" else ("axios/1.7.9", {})
        known = {"ticket": ticket or self.ticket, "customer": self.customer, "sha256": _SHA256}
        target = resource.format(**known)
        sent = TEMPLATES["request"]["headers"] | {"User-Agent": agent} | dict(headers or {})
        identity = TEMPLATES["request"]["requestContext"]["identity"] | caller | {"userAgent": agent}
        return TEMPLATES["request"] | {
            "resource": resource,
            "path": target,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [text] for name, text in sent.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [text] for name, text in query.items()} if query else None,
            "pathParameters": {name: text for name, text in known.items() if f"{{{name}}}" in resource} or None,
            "requestContext": TEMPLATES["request"]["requestContext"]
            | {
                "resourcePath": resource,
                "httpMethod": method,
                "path": f"/v1{target}",
                "requestTime": f"{self.at:%d/%b/%Y:%H:%M:%S} +0000",
                "requestTimeEpoch": self.milliseconds,
                "identity": identity,
            },
        }


if __name__ == "__main__":
    write(FOLDER, events())
