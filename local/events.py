"""Write the sample events in events/: `python -m local.events`.

One file per handler and case, `<handler>_<case>.json`, for `sam local` and the tests. Webhooks are encrypted with the
secret below. Each IV is derived from the case's name, so that the files stay the same. (A real IV is random and used
once.)
"""

import hashlib
import json
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local import ROOT

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers"))

from ticket_archive.messages import Webhook, ticket_message, webhook_message
from ticket_archive.models import ticket_id
from ticket_archive.webhook_encryption import IV_HEADER, check_secret, encrypt_event

FOLDER = ROOT / "events"

SECRET = "local-development-secret-only-32"  # noqa: S105  used by these files alone; the vendor asks for 32 characters
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"  # the ticket of the vendor's documentation
CUSTOMER = "C-1001"

_WRONG_SECRET = "another-secret-that-opens-nothin"  # noqa: S105
_SHA256 = hashlib.sha256(b"an image").hexdigest()
RECEIVED_AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "eu-central-1"

Event = dict[str, Any]


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

    # The vendor's events (docs.preventor.com).

    def _completed(self, ticket: str = "") -> Event:
        return {
            "ticket": ticket or self.ticket,
            "event": "ticket.verification.completed",
            "flow_status": "ACCEPTED",
            "disposition": "PASSED",
            "risk_code": "LOW",
            "confidence_score": 0.97,
            "data": {"cifcode": self.customer},
        }

    def _in_progress(self) -> Event:
        return {
            "ticket": self.ticket,
            "event": "ticket.verification.in_progress",
            "sub_event": "verification.liveness",
            "flow_status": "IN_PROGRESS",
            "disposition": "PASSED",
            "remaining_attempts": 3,
            "data": {},
        }

    def _invitation(self) -> Event:
        return {
            "id": "6d2f9c1e-8f0a-4f6e-9d6b-2b1f5a7c9e10",
            "invitation_state": "COMPLETED",
            "cifcod": self.customer,
            "full_name": "Zoë Пример",
            "ticket": self.ticket,
            "transaction_status": "ACCEPTED",
            "attempts": 1,
        }

    def _older(self, event: str, status: str) -> Event:
        created = 1_641_600_622_454
        times = {"created": created, "processed": created + 2_098}
        return {"ticket": self.ticket, **times, "event": event, "status": status}

    # POST /webhooks/tickets: a REST API's proxy integration.

    def webhooks(self) -> dict[str, Event]:
        """Return requests to the webhook endpoint."""
        done = self._completed()

        def encrypted(name: str, event: Event, secret: str = self.secret, content_type: str = "text/plain") -> Event:
            body, iv = _encrypt(f"webhook_{name}.json", event, secret)
            return self._post(body, {"Content-Type": content_type, IV_HEADER: iv})

        text = {"Content-Type": "text/plain"}
        body, iv = _encrypt("webhook_binary.json", done, self.secret)
        expired = {"ticket": self.ticket, "event": "ticket.verification.expired"}
        cases = {
            "completed_encrypted": encrypted("completed_encrypted", done),
            "completed_plaintext": self._post(_json(done), {"Content-Type": "application/json"}),
            "in_progress_encrypted": encrypted("in_progress_encrypted", self._in_progress()),
            "invitation_encrypted": encrypted("invitation_encrypted", self._invitation()),
            "older_generation": encrypted("older_generation", self._older("verification.completed", "VERIFIED")),
            "onboarding_awaiting": encrypted("onboarding_awaiting", self._older("onboarding.completed", "AWAITING")),
            "unrecognized_event": encrypted("unrecognized_event", expired),
            "envelope": encrypted("envelope", {"data": done}),
            "no_ticket": encrypted("no_ticket", {"event": "ticket.verification.completed"}),
            "malformed_ticket": encrypted("malformed_ticket", self._completed("../../another")),
            "odd_content_type": encrypted("odd_content_type", done, content_type="application/json; charset=utf-8"),
            "wrong_key": encrypted("wrong_key", done, _WRONG_SECRET),
            "missing_iv": self._post(body, text),
            "malformed_iv": self._post(body, text | {IV_HEADER: "not base64!"}),
            "repeated_iv": self._post(body, text | {IV_HEADER: iv}, repeated=IV_HEADER),
            "junk": self._post(b"hello", text | {IV_HEADER: iv}),
            "empty": self._post(b"", text | {IV_HEADER: iv}),
            "other_content_type": self._post(body, {"Content-Type": "application/xml", IV_HEADER: iv}),
            "no_content_type": self._post(body, {IV_HEADER: iv}),
            "binary": self._post(body, text | {IV_HEADER: iv}, binary=True),
        }
        return {f"webhook_{name}.json": event for name, event in cases.items()}

    def _post(self, body: bytes, headers: Mapping[str, str], *, binary: bool = False, repeated: str = "") -> Event:
        event = self._request("POST", "/webhooks/tickets", headers=headers, user_agent="axios/1.7.9", caller=None)
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

        def message(name: str, event: Event, secret: str = self.secret) -> str:
            body, iv = _encrypt(name, event, secret)
            return webhook_message(Webhook(body=body, iv=iv, content_type="text/plain", received_at=received_at))

        backfill = ticket_message(self.ticket, kind="backfill")
        return {
            "queue_completed_encrypted.json": self._batch(message("queue_completed_encrypted.json", self._completed())),
            "queue_ticket_request.json": self._batch(backfill),
            "queue_batch_of_mixed.json": self._batch(
                message("mixed: good", self._completed()),
                "this is no message",
                message("mixed: wrong key", self._completed(), _WRONG_SECRET),
                message("mixed: in progress", self._in_progress()),
                ticket_message(self.ticket, kind="backfill", force=True),
            ),
        }

    def _batch(self, *bodies: str) -> Event:
        return {"Records": [self._record(number, body) for number, body in enumerate(bodies, start=1)]}

    def _record(self, number: int, body: str) -> Event:
        sent_at = _epoch_milliseconds(self.at)
        return {
            "messageId": f"00000000-0000-4000-8000-{number:012}",
            "receiptHandle": f"receipt-{number}",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(sent_at),
                "SenderId": "AROAEXAMPLE:ingest",
                "ApproximateFirstReceiveTimestamp": str(sent_at + 5),
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:ticket-queue",
            "awsRegion": REGION,
        }

    # GET: a REST API's proxy integration with AWS_IAM.

    def retrieval(self) -> dict[str, Event]:
        """Return requests to the retrieval API."""

        def get(resource: str, path: Mapping[str, str] | None = None, **query: str) -> Event:
            return self._request("GET", resource, path={"ticket": self.ticket} | dict(path or {}), query=query)

        images, customers = "/tickets/{ticket}/images", "/customers/{customer}/tickets"

        def by_customer(**query: str) -> Event:
            return self._request("GET", customers, path={"customer": self.customer}, query=query)

        cases = {
            "ticket": get("/tickets/{ticket}"),
            "malformed_ticket": get("/tickets/{ticket}", {"ticket": "-not-a-ticket"}),
            "details": get("/tickets/{ticket}/details"),
            "images": get(images),
            "images_by_type": get(images, type="SELF_PORTRAITS,DOCUMENT", expires_in="120"),
            "bad_type": get(images, type="PASSPORT"),
            "bad_expiry": get(images, expires_in="86400"),
            "image_by_sha256": get("/tickets/{ticket}/images/{sha256}", {"sha256": _SHA256}),
            "customer_tickets": by_customer(limit="20"),
            "bad_cursor": by_customer(cursor="not-a-cursor"),
        }
        return {f"retrieval_{name}.json": event for name, event in cases.items()}

    def _request(
        self,
        method: str,
        resource: str,
        *,
        caller: str | None = "reviewer",
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        user_agent: str = "Boto3/1.40",
    ) -> Event:
        """Return the input of a Lambda proxy integration.

        Source: docs.aws.amazon.com/apigateway, set-up-lambda-proxy-integrations.
        """
        values = dict(path or {})
        target = resource.format(**values)
        sent = {"Accept": "*/*", "Host": f"example.execute-api.{REGION}.amazonaws.com", "User-Agent": user_agent}
        sent |= {"X-Forwarded-For": "192.0.2.10", "X-Forwarded-Proto": "https", **(headers or {})}
        return {
            "resource": resource,
            "path": target,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": _in_lists(sent),
            "queryStringParameters": dict(query) if query else None,
            "multiValueQueryStringParameters": _in_lists(query) if query else None,
            "pathParameters": values or None,
            "stageVariables": None,
            "requestContext": {
                "resourceId": "abc123",
                "resourcePath": resource,
                "httpMethod": method,
                "path": f"/v1{target}",
                "accountId": ACCOUNT,
                "apiId": "example",
                "stage": "v1",
                "protocol": "HTTP/1.1",
                "domainName": f"example.execute-api.{REGION}.amazonaws.com",
                "domainPrefix": "example",
                "extendedRequestId": "AbCdEfGhIjKlMnO=",
                "requestId": "11111111-2222-4333-8444-555555555555",
                "requestTime": f"{self.at:%d/%b/%Y:%H:%M:%S} +0000",
                "requestTimeEpoch": _epoch_milliseconds(self.at),
                "identity": _identity(caller, user_agent),
            },
            "body": None,
            "isBase64Encoded": False,
        }


def _json(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _encrypt(name: str, event: Event, secret: str) -> tuple[bytes, str]:
    return encrypt_event(_json(event), check_secret(secret), hashlib.sha256(name.encode()).digest()[:16])


def _epoch_milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _identity(caller: str | None, user_agent: str) -> Event:
    """Return the identity of a session of an IAM role, or of an unauthenticated caller."""
    session = {
        "accessKey": "ASIAEXAMPLE",
        "accountId": ACCOUNT,
        "caller": f"AROAEXAMPLE:{caller}",
        "user": f"AROAEXAMPLE:{caller}",
        "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{caller}/session",
    }
    cognito = ("AuthenticationProvider", "AuthenticationType", "IdentityId", "IdentityPoolId")
    return {
        **(session if caller else dict.fromkeys(session)),
        **dict.fromkeys(f"cognito{name}" for name in cognito),
        "principalOrgId": None,
        "sourceIp": "192.0.2.10",
        "userAgent": user_agent,
    }


def _in_lists(values: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items()}


if __name__ == "__main__":
    write(FOLDER, events())
