"""The webhook handler, a fake queue and the SQS handler, with the real vendor client over a fake HTTP client."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import pytest
from requests.structures import CaseInsensitiveDict

from ingest import dependencies
from ingest.handlers import sqs as sqs_handler
from ingest.handlers import webhook as webhook_handler
from ingest.threads import ContextThreadPool
from ingest.vendor.client import Preventor
from ingest.vendor.http import Response
from ingest.vendor.metrics import record_call
from tests.support.archive_harness import SECRET, ArchiveHarness, handle_batch
from tests.support.fakes import sqs_record
from ticket_archive.metrics import MetricBuffer
from ticket_archive.secrets import VendorCredential
from ticket_archive.telemetry import logger
from ticket_archive.webhook_encryption import encrypt_event

CREDENTIAL = VendorCredential(api_key="key", secret="secret")
# The smallest JPEG that is whole: a frame header (one pixel), a scan, the end.
JPEG = bytes.fromhex("ffd8 ffc0 000b 08 0001 0001 01 01 11 00 ffda 0008 01 01 00 00 3f 00 ff00 ffd9")
IMAGES = {"images": ["data:image/jpeg;base64," + base64.b64encode(JPEG).decode()]}


def answer(status: int = 200, body: object = None, **headers: str) -> Response:
    """Return a response with a body of bytes or JSON; `_` in a header's name stands for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, raw, "application/json")


class VendorApi:
    """The vendor's HTTP API, in place of `HttpClient`. Tickets in `throttled` receive 429."""

    def __init__(self) -> None:
        self.throttled: set[str] = set()

    def send(self, method: str, url: str, **_: Any) -> Response:
        if url.endswith("/token"):
            return answer(201, {"token": "t", "expires_in": 1200})
        ticket = url.partition("/transactions/")[2].partition("/")[0]
        if ticket in self.throttled:
            return answer(429, {}, Retry_After="60")
        return answer(200, IMAGES if "/images?" in url else {"flow_status": "ACCEPTED", "ticket": ticket})


class IngestPipeline:
    """Posts webhooks to the webhook handler, and delivers the queued messages to the SQS handler."""

    def __init__(self, calls: ContextThreadPool) -> None:
        self.vendor_api = VendorApi()
        self.harness = ArchiveHarness(pool=calls)
        self.store = self.harness.store
        buffer = MetricBuffer()
        vendor = Preventor(
            "https://api.preventor.com",
            lambda *, fresh=False: CREDENTIAL,
            cast("Any", self.vendor_api),
            observe=partial(record_call, buffer),
        )
        self.sqs = self.harness.sqs_dependencies(calls, self.harness.processor(calls, vendor), buffer)

    def post(self, ticket: str, secret: bytes = SECRET) -> None:
        event = json.dumps({"ticket": ticket, "event": "ticket.verification.completed"}).encode()
        body, iv = encrypt_event(event, secret, bytes(16))
        request = {
            "body": body.decode(),
            "headers": {"Content-Type": "text/plain", "x-pvt-cipher-iv": iv},
            "requestContext": {"requestId": "chosen by the sender", "extendedRequestId": f"request-{ticket}"},
        }
        assert webhook_handler.handle(request)["statusCode"] == 202

    def deliver(self) -> None:
        sent = enumerate(self.harness.queue.sent, 1)
        handle_batch(*(sqs_record(body, message_id=f"message-{number}") for number, (body, _) in sent))


@contextmanager
def running_pipeline(monkeypatch: pytest.MonkeyPatch, at_once: int) -> Iterator[IngestPipeline]:
    """Give the handlers a pipeline's dependencies; yield the pipeline."""
    with ContextThreadPool(16, "call") as calls:
        pipeline = IngestPipeline(calls)
        monkeypatch.setattr(sqs_handler, "MAX_CONCURRENT_TICKETS", at_once)
        monkeypatch.setattr(dependencies, "sqs", lambda: pipeline.sqs)
        monkeypatch.setattr(dependencies, "webhook", lambda: (pipeline.harness.queue, lambda: None))
        logger.clear_state()
        yield pipeline
