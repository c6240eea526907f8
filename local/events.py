"""Write the sample events in events/: `python -m local.events`.

One file per handler and case, `<handler>_<case>.json`, for `sam local` and the tests. Webhooks are encrypted with the
secret below. Each IV is derived from the case's name, so that the files stay the same. (A real IV is random and used
once.)
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
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

TEMPLATES: dict[str, Event] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""What the events have in common; null is what an event sets. `request` is a REST API's proxy integration's, `caller`
the identity of a signed one, `record` SQS's.

Source: docs.aws.amazon.com/apigateway, set-up-lambda-proxy-integrations; docs.aws.amazon.com/lambda, with-sqs.
"""


def events(
    secret: str = SECRET, ticket: str = TICKET, customer: str = CUSTOMER, at: datetime = RECEIVED_AT
) -> dict[str, Event]:
    """Return every event by file name. Raises SettingsError (secret) or InvalidRequest (ticket)."""
    samples = _Samples(secret, ticket_id(ticket), customer, at)
    schedule = {"schedule_tick.json": {"source": "ticket-archive.schedule"}}
    return {**samples.webhooks(), **samples.queue(), **schedule, **samples.retrieval()}


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

    def _event(self, form: Form, outcome: Outcome = Outcome.ACCEPTED) -> Event:
        """Return the vendor's event about the ticket."""
        ticket = Ticket(seed=1, index=0, ticket=self.ticket, state=State(outcome=outcome), scale=1.0)
        ticket.customer = self.customer
        return webhooks.event(form, ticket)

    def _encrypted(self, name: str, event: Event, secret: str | None = None) -> webhooks.Webhook:
        return webhooks.encrypted(event, secret or self.secret, hashlib.sha256(name.encode()).digest()[:16])

    # POST /webhooks/tickets: a REST API's proxy integration.

    def webhooks(self) -> dict[str, Event]:
        """Return requests to the webhook endpoint."""
        done = self._event(Form.COMPLETED)
        encrypted = {
            "completed_encrypted": done,
            "in_progress_encrypted": self._event(Form.IN_PROGRESS),
            "invitation_encrypted": self._event(Form.INVITATION),
            "older_generation": self._event(Form.VERIFICATION),
            "onboarding_awaiting": self._event(Form.ONBOARDING, Outcome.REJECTED),
            "unrecognized_event": self._event(Form.EXPIRED),
            "envelope": self._event(Form.ENVELOPE),
            "no_ticket": self._event(Form.NO_TICKET),
            "malformed_ticket": {**done, "ticket": "../../another"},
        }
        sent = {name: self._encrypted(f"webhook_{name}.json", event) for name, event in encrypted.items()}
        sent["wrong_key"] = self._encrypted("webhook_wrong_key.json", done, _WRONG_SECRET)
        sent["completed_plaintext"] = webhooks.plaintext(done)
        binary = self._encrypted("webhook_binary.json", done)
        body, text, iv = binary.body, {"Content-Type": "text/plain"}, {IV_HEADER: binary.headers[IV_HEADER]}
        cases = {name: self._post(each.body, each.headers) for name, each in sent.items()} | {
            "odd_content_type": self._post(body, {"Content-Type": "application/json; charset=utf-8"} | iv),
            "missing_iv": self._post(body, text),
            "malformed_iv": self._post(body, text | {IV_HEADER: "not base64!"}),
            "repeated_iv": self._post(body, text | iv, repeated=IV_HEADER),
            "junk": self._post(b"hello", text | iv),
            "empty": self._post(b"", text | iv),
            "other_content_type": self._post(body, {"Content-Type": "application/xml"} | iv),
            "no_content_type": self._post(body, iv),
            "binary": self._post(body, text | iv, binary=True),
        }
        return {f"webhook_{name}.json": event for name, event in cases.items()}

    def _post(self, body: bytes, headers: Mapping[str, str], *, binary: bool = False, repeated: str = "") -> Event:
        event = self._request("POST", "/webhooks/tickets", headers=headers, user_agent="axios/1.7.9", signed=False)
        if repeated:
            event["multiValueHeaders"][repeated] *= 2
        if body:
            event["body"] = b64encode(body).decode() if binary else body.decode()
        event["isBase64Encoded"] = binary
        return event

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

    # GET: a REST API's proxy integration with AWS_IAM.

    def retrieval(self) -> dict[str, Event]:
        """Return requests to the retrieval API."""
        get = partial(self._request, "GET")
        images, customers = "/tickets/{ticket}/images", "/customers/{customer}/tickets"
        cases = {
            "ticket": get("/tickets/{ticket}"),
            "malformed_ticket": get("/tickets/{ticket}", ticket="-not-a-ticket"),
            "details": get("/tickets/{ticket}/details"),
            "images": get(images),
            "images_by_type": get(images, query={"type": "SELF_PORTRAITS,DOCUMENT", "expires_in": "120"}),
            "bad_type": get(images, query={"type": "PASSPORT"}),
            "bad_expiry": get(images, query={"expires_in": "86400"}),
            "image_by_sha256": get("/tickets/{ticket}/images/{sha256}"),
            "customer_tickets": get(customers, query={"limit": "20"}),
            "bad_cursor": get(customers, query={"cursor": "not-a-cursor"}),
        }
        return {f"retrieval_{name}.json": event for name, event in cases.items()}

    def _request(
        self,
        method: str,
        resource: str,
        *,
        ticket: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        user_agent: str = "Boto3/1.40",
        signed: bool = True,
    ) -> Event:
        """Return the input of a Lambda proxy integration, signed by a role's session or not signed."""
        template, context = TEMPLATES["request"], TEMPLATES["request"]["requestContext"]
        known = {"ticket": ticket or self.ticket, "customer": self.customer, "sha256": _SHA256}
        target = resource.format(**known)
        sent = template["headers"] | {"User-Agent": user_agent} | dict(headers or {})
        identity = context["identity"] | (TEMPLATES["caller"] if signed else {}) | {"userAgent": user_agent}
        return template | {
            "resource": resource,
            "path": target,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [text] for name, text in sent.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [text] for name, text in query.items()} if query else None,
            "pathParameters": {name: text for name, text in known.items() if f"{{{name}}}" in resource} or None,
            "requestContext": context
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
