"""The product and its baselines behind one call, and the events that they get, as AWS delivers them."""

import gc
import itertools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from bench.harness import ROOT
from bench.stand_in import ARCHIVED

BASELINES = {
    "tutorial": "bench.baselines.tutorial",
    "threads": "bench.baselines.threads",
    "asyncio": "bench.baselines.asynchronous",
}
_numbers = itertools.count()


def context() -> Any:
    """Return a Lambda context with ten minutes left."""
    return SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:bench",
        aws_request_id=str(uuid.uuid4()),
        get_remaining_time_in_millis=lambda: 600_000,
    )


def tickets(count: int) -> list[str]:
    """Return new ids."""
    return [str(uuid.uuid4()) for _ in range(count)]


def queued(bodies: Iterable[str]) -> dict[str, Any]:
    """Return an SQS batch with these message bodies."""
    [template] = json.loads((ROOT / "events" / "queue_ticket_request.json").read_text())["Records"]
    return {"Records": [{**template, "messageId": str(uuid.uuid4()), "body": body} for body in bodies]}


def requested(ids: Iterable[str]) -> dict[str, Any]:
    """Return a batch of ticket requests, which any other sender may queue."""
    return queued(json.dumps({"v": 1, "ticket": ticket}) for ticket in ids)


def completed(ids: Iterable[str]) -> dict[str, Any]:
    """Return a batch of webhooks that report these tickets as completed, encrypted as the vendor does."""
    from ticket_archive.messages import Webhook, webhook_message  # the asyncio baseline has no cryptography
    from ticket_archive.webhook_encryption import encrypt_event

    def message(ticket: str) -> str:
        event = {"ticket": ticket, "event": "ticket.verification.completed", "n": next(_numbers)}
        body, iv = encrypt_event(json.dumps(event).encode(), b"0" * 32, os.urandom(16))
        received_at = "2026-01-15T09:30:00.000000Z"
        return webhook_message(Webhook(body=body, iv=iv, content_type="text/plain", received_at=received_at))

    return queued(map(message, ids))


def request(name: str, **parameters: str) -> dict[str, Any]:
    """Return an API Gateway proxy event from events/, with other path parameters."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    event["pathParameters"] = {**(event.get("pathParameters") or {}), **parameters}
    event["path"] = event["resource"].format(**event["pathParameters"])
    return event


def images_request(images: int) -> dict[str, Any]:
    """Return a request for the URLs of a ticket that has this many images."""
    return request("retrieval_images", ticket=f"{ARCHIVED}{images:03d}")


def first_events(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first event of a function that starts, and the same for a baseline, which gets tickets in clear."""
    if kind == "first archive":
        ids = tickets(1)
        return completed(ids), requested(ids)
    event = images_request(8) if kind == "retrieval" else request("webhook_completed_encrypted")
    return event, event


def prepare(target: str, ids: Sequence[str]) -> Callable[[], None]:
    """Return the invocation that archives these tickets. A baseline gets their ids in clear, not encrypted webhooks."""
    handler = import_module(BASELINES.get(target, "ingest.app")).lambda_handler
    event = completed(ids) if target == "product" else requested(ids)

    def invoke() -> None:
        if handler(event, context())["batchItemFailures"]:
            raise RuntimeError(f"{target} did not archive every ticket")

    return invoke


def measure(target: str, batches: int, size: int) -> dict[str, list[float]]:
    """Return wall and CPU seconds of each batch in a warm process; CPU is user and system, of all threads."""
    for _ in range(2):
        prepare(target, tickets(1))()
    found: dict[str, list[float]] = {"seconds": [], "cpu": []}
    for _ in range(batches):
        invoke = prepare(target, tickets(size))
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        invoke()
        found["seconds"].append(time.perf_counter() - began)
        found["cpu"].append(time.process_time() - cpu)
    return found
