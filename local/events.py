"""The sample events in events/, written anew: `python -m local.events [--secret …] [--ticket …] [--check]`.

One file per door and case, `<door>_<what>.json`, for `sam local invoke` and for the tests. The encrypted ones open with
the secret of local development below; `--secret` writes them for another one, as the local stack makes its own. The
same arguments write the same bytes: each IV is derived from the case's name. A real IV is random, and used once.
"""

import argparse
import hashlib
import json
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local import ROOT

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers"))

from ticket_archive.errors import ArchiveError
from ticket_archive.messages import Webhook, ticket_message, webhook_message
from ticket_archive.models import ticket_id
from ticket_archive.webhook_encryption import IV_HEADER, check_secret, encrypt_event

FOLDER = ROOT / "events"

SECRET = "local-development-secret-only-32"  # noqa: S105  for this folder alone: 32 characters, as the vendor wants them
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"  # the one of the vendor's own examples
CUSTOMER = "C-1001"

_WRONG_SECRET = "another-secret-that-opens-nothin"  # noqa: S105
_SHA256 = hashlib.sha256(b"an image").hexdigest()
_RECEIVED_AT = "2026-01-15T09:30:00.000000Z"
_EPOCH_MS = 1_768_469_400_000  # the same instant
_ACCOUNT, _REGION = "123456789012", "eu-central-1"

Event = dict[str, Any]


def events(secret: str = SECRET, ticket: str = TICKET) -> dict[str, Event]:
    """Every event by its file's name. Raises SettingsError or InvalidRequest where an argument cannot be one."""
    ticket_id(ticket)
    return {**_webhook_door(secret, ticket), **_queue_door(secret, ticket), **_schedule_door(), **_retrieval(ticket)}


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Writes the files, or with --check only compares, and returns 1 where one is missing or differs."""
    parser = argparse.ArgumentParser(prog="python -m local.events", description=__doc__.splitlines()[0])
    parser.add_argument("--secret", default=SECRET, help="the webhooks' secret, 32 characters")
    parser.add_argument("--ticket", default=TICKET, help="the ticket that the events are about (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is not current")
    options = parser.parse_args(arguments)
    try:
        wanted = {folder / name: _text(event) for name, event in events(options.secret, options.ticket).items()}
    except ArchiveError as error:
        parser.error(str(error))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not options.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        print(f"{'not current' if options.check else 'written'}: {path.name}")
    return int(options.check and bool(stale))


def _text(event: Event) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"


# ─── What the vendor sends ──────────────────────────────────────────────────────────────────────────────────────────


def _completed(ticket: str) -> Event:
    return {
        "ticket": ticket,
        "event": "ticket.verification.completed",
        "flow_status": "ACCEPTED",
        "disposition": "PASSED",
        "risk_code": "LOW",
        "confidence_score": 0.97,
        "data": {"cifcode": CUSTOMER},
    }


def _in_progress(ticket: str) -> Event:
    return {
        "ticket": ticket,
        "event": "ticket.verification.in_progress",
        "sub_event": "verification.liveness",
        "flow_status": "IN_PROGRESS",
        "disposition": "PASSED",
        "remaining_attempts": 3,
        "data": {},
    }


def _invitation(ticket: str) -> Event:
    return {
        "id": "6d2f9c1e-8f0a-4f6e-9d6b-2b1f5a7c9e10",
        "invitation_state": "COMPLETED",
        "cifcod": CUSTOMER,
        "full_name": "Zoë Пример",
        "ticket": ticket,
        "transaction_status": "ACCEPTED",
        "attempts": 1,
    }


def _older(ticket: str, event: str, status: str) -> Event:
    created = 1_641_600_622_454
    return {"ticket": ticket, "created": created, "processed": created + 2_098, "event": event, "status": status}


def _bytes(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _sealed(name: str, event: Event, secret: str) -> tuple[bytes, str]:
    return encrypt_event(_bytes(event), check_secret(secret), hashlib.sha256(name.encode()).digest()[:16])


# ─── The webhook door: API Gateway, REST, proxy integration ─────────────────────────────────────────────────────────


def _webhook_door(secret: str, ticket: str) -> dict[str, Event]:
    def encrypted(name: str, event: Event, *, with_secret: str = secret, content_type: str = "text/plain") -> Event:
        body, iv = _sealed(name, event, with_secret)
        return _posted(body, {"Content-Type": content_type, IV_HEADER: iv})

    text = {"Content-Type": "text/plain"}
    done = _completed(ticket)
    body, iv = _sealed("webhook_binary.json", done, secret)
    cases = {
        "completed_encrypted": encrypted("webhook_completed_encrypted.json", done),
        "completed_plaintext": _posted(_bytes(done), {"Content-Type": "application/json"}),
        "in_progress_encrypted": encrypted("webhook_in_progress_encrypted.json", _in_progress(ticket)),
        "invitation_encrypted": encrypted("webhook_invitation_encrypted.json", _invitation(ticket)),
        "older_generation": encrypted(
            "webhook_older_generation.json", _older(ticket, "verification.completed", "VERIFIED")
        ),
        "onboarding_awaiting": encrypted(
            "webhook_onboarding_awaiting.json", _older(ticket, "onboarding.completed", "AWAITING")
        ),
        "unrecognized_event": encrypted(
            "webhook_unrecognized_event.json", {"ticket": ticket, "event": "ticket.verification.expired"}
        ),
        "envelope": encrypted("webhook_envelope.json", {"data": done}),
        "no_ticket": encrypted("webhook_no_ticket.json", {"event": "ticket.verification.completed"}),
        "malformed_ticket": encrypted("webhook_malformed_ticket.json", _completed("../../another")),
        "odd_content_type": encrypted(
            "webhook_odd_content_type.json", done, content_type="application/json; charset=utf-8"
        ),
        "wrong_key": encrypted("webhook_wrong_key.json", done, with_secret=_WRONG_SECRET),
        "missing_iv": _posted(body, text),
        "malformed_iv": _posted(body, text | {IV_HEADER: "not base64!"}),
        "repeated_iv": _posted(body, text | {IV_HEADER: iv}, repeated=IV_HEADER),
        "junk": _posted(b"hello", text | {IV_HEADER: iv}),
        "empty": _posted(b"", text | {IV_HEADER: iv}),
        "other_content_type": _posted(body, {"Content-Type": "application/xml", IV_HEADER: iv}),
        "no_content_type": _posted(body, {IV_HEADER: iv}),
        "binary": _posted(body, text | {IV_HEADER: iv}, binary=True),
    }
    return {f"webhook_{what}.json": event for what, event in cases.items()}


def _posted(body: bytes, headers: Mapping[str, str], *, binary: bool = False, repeated: str = "") -> Event:
    event = _request("POST", "/webhooks/tickets", headers=headers, user_agent="axios/1.7.9", caller=None)
    if repeated:
        event["multiValueHeaders"][repeated] *= 2
    if body:
        event["body"] = b64encode(body).decode() if binary else body.decode()
    event["isBase64Encoded"] = binary
    return event


# ─── The queue door: SQS ────────────────────────────────────────────────────────────────────────────────────────────


def _queue_door(secret: str, ticket: str) -> dict[str, Event]:
    def message(name: str, event: Event, with_secret: str = secret) -> str:
        body, iv = _sealed(name, event, with_secret)
        return webhook_message(Webhook(body=body, iv=iv, content_type="text/plain", received_at=_RECEIVED_AT))

    return {
        "queue_completed_encrypted.json": _batch(message("queue_completed_encrypted.json", _completed(ticket))),
        "queue_ticket_request.json": _batch(ticket_message(ticket, kind="backfill")),
        "queue_batch_of_mixed.json": _batch(
            message("mixed: good", _completed(ticket)),
            "this is no message",
            message("mixed: wrong key", _completed(ticket), _WRONG_SECRET),
            message("mixed: in progress", _in_progress(ticket)),
            ticket_message(ticket, kind="backfill", force=True),
        ),
    }


def _batch(*bodies: str) -> Event:
    return {"Records": [_record(number, body) for number, body in enumerate(bodies, start=1)]}


def _record(number: int, body: str) -> Event:
    return {
        "messageId": f"00000000-0000-4000-8000-{number:012}",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(_EPOCH_MS),
            "SenderId": "AROAEXAMPLE:ingest",
            "ApproximateFirstReceiveTimestamp": str(_EPOCH_MS + 5),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:ticket-queue",
        "awsRegion": _REGION,
    }


# ─── The schedule door: EventBridge Scheduler sends what the template tells it to ───────────────────────────────────


def _schedule_door() -> dict[str, Event]:
    return {"schedule_tick.json": {"source": "ticket-archive.schedule"}}


# ─── Retrieval: API Gateway, REST, proxy integration, AWS_IAM ───────────────────────────────────────────────────────


def _retrieval(ticket: str) -> dict[str, Event]:
    one = {"ticket": ticket}

    def get(resource: str, path: Mapping[str, str] = one, **query: str) -> Event:
        return _request("GET", resource, path=path, query=query, caller="reviewer")

    images = "/tickets/{ticket}/images"
    cases = {
        "ticket": get("/tickets/{ticket}"),
        "malformed_ticket": get("/tickets/{ticket}", {"ticket": "-not-a-ticket"}),
        "details": get("/tickets/{ticket}/details"),
        "images": get(images),
        "images_by_type": get(images, type="SELF_PORTRAITS,DOCUMENT", expires_in="120"),
        "bad_type": get(images, type="PASSPORT"),
        "bad_expiry": get(images, expires_in="86400"),
        "image_by_sha256": get("/tickets/{ticket}/images/{sha256}", {**one, "sha256": _SHA256}),
        "customer_tickets": get("/customers/{customer}/tickets", {"customer": CUSTOMER}, limit="20"),
        "bad_cursor": get("/customers/{customer}/tickets", {"customer": CUSTOMER}, cursor="not-a-cursor"),
    }
    return {f"retrieval_{what}.json": event for what, event in cases.items()}


def _request(
    method: str,
    resource: str,
    *,
    caller: str | None,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    user_agent: str = "Boto3/1.40",
) -> Event:
    """Input of a Lambda proxy integration: docs.aws.amazon.com/apigateway, set-up-lambda-proxy-integrations."""
    parts = dict(path or {})
    where = resource.format(**parts)
    sent = {"Accept": "*/*", "Host": f"example.execute-api.{_REGION}.amazonaws.com", "User-Agent": user_agent}
    sent |= {"X-Forwarded-For": "192.0.2.10", "X-Forwarded-Proto": "https", **(headers or {})}
    return {
        "resource": resource,
        "path": where,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": _each_in_a_list(sent),
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": _each_in_a_list(query) if query else None,
        "pathParameters": parts or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "abc123",
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/v1{where}",
            "accountId": _ACCOUNT,
            "apiId": "example",
            "stage": "v1",
            "protocol": "HTTP/1.1",
            "domainName": f"example.execute-api.{_REGION}.amazonaws.com",
            "domainPrefix": "example",
            "extendedRequestId": "AbCdEfGhIjKlMnO=",
            "requestId": "11111111-2222-4333-8444-555555555555",
            "requestTime": "15/Jan/2026:09:30:00 +0000",
            "requestTimeEpoch": _EPOCH_MS,
            "identity": _identity(caller, user_agent),
        },
        "body": None,
        "isBase64Encoded": False,
    }


def _identity(caller: str | None, user_agent: str) -> Event:
    """Who calls: an IAM role's session, or nobody that API Gateway knows."""
    signed = caller is not None
    return {
        "accessKey": "ASIAEXAMPLE" if signed else None,
        "accountId": _ACCOUNT if signed else None,
        "caller": f"AROAEXAMPLE:{caller}" if signed else None,
        "user": f"AROAEXAMPLE:{caller}" if signed else None,
        "userArn": f"arn:aws:sts::{_ACCOUNT}:assumed-role/{caller}/session" if signed else None,
        "cognitoAuthenticationProvider": None,
        "cognitoAuthenticationType": None,
        "cognitoIdentityId": None,
        "cognitoIdentityPoolId": None,
        "principalOrgId": None,
        "sourceIp": "192.0.2.10",
        "userAgent": user_agent,
    }


def _each_in_a_list(values: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
