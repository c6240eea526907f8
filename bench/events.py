"""Events as AWS hands them to the functions, and the context that comes with them."""

import itertools
import json
import os
import time
from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from local import ROOT

_numbers = itertools.count()
_SECRET = os.environ.get("BENCH_WEBHOOK_SECRET", "0" * 32).encode()


class Context(LambdaContext):
    """A Lambda context with this many seconds left."""

    def __init__(self, seconds: float = 600.0) -> None:
        self._function_name = "bench"
        self._function_version = "$LATEST"
        self._memory_limit_in_mb = 1024
        self._invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:bench"
        self._aws_request_id = f"00000000-0000-4000-8000-{next(_numbers):012d}"
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # Powertools' is static
        """As Lambda's."""
        return int((self._end - time.monotonic()) * 1000)


def queued(tickets: Iterable[str], *, force: bool = False) -> dict[str, Any]:
    """An SQS batch that asks for these tickets."""
    [template] = json.loads((ROOT / "events" / "queue_ticket_request.json").read_text())["Records"]
    records = []
    for ticket in tickets:
        number = f"00000000-0000-4000-8000-{next(_numbers):012d}"
        body = json.dumps({"v": 1, "ticket": ticket, "force": force})
        records.append({**template, "messageId": number, "receiptHandle": number, "body": body})
    return {"Records": records}


def completed(tickets: Iterable[str]) -> dict[str, Any]:
    """An SQS batch with the webhooks that say that these tickets are complete, in the vendor's encryption."""
    from ticket_archive.messages import Webhook, webhook_message
    from ticket_archive.webhook_encryption import encrypt_event

    batch = queued(tickets)
    for record in batch["Records"]:
        ticket = json.loads(record["body"])["ticket"]
        event = {"ticket": ticket, "event": "ticket.verification.completed", "n": next(_numbers)}
        body, iv = encrypt_event(json.dumps(event).encode(), _SECRET, os.urandom(16))
        record["body"] = webhook_message(
            Webhook(body=body, iv=iv, content_type="text/plain", received_at="2026-01-15T09:30:00.000000Z")
        )
    return batch


def request(name: str, **parameters: str) -> dict[str, Any]:
    """A proxy event of API Gateway's, from events/, with other path parameters."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    event["pathParameters"] = {**(event.get("pathParameters") or {}), **parameters}
    return event
