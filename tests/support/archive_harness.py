"""The ingest function's core among fakes, in simulated time, and the guarantees that always hold."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import pytest

from ingest.archiving.archiver import Archiver
from ingest.archiving.fetcher import Fetcher
from ingest.archiving.models import ArchiveRequest, ProcessingResult, Result
from ingest.archiving.processor import Message, MessageProcessor
from ingest.archiving.requeue import requeue
from ingest.dependencies import SqsDependencies
from ingest.files.decoding import InlineFile, LinkedFile
from ingest.handlers import sqs as sqs_handler
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import EventIdempotency
from ingest.threads import ContextThreadPool
from ingest.vendor.client import Preventor
from tests.support.effects import Effects
from tests.support.fakes import (
    AtOnce,
    FakeBucket,
    FakeClock,
    FakeContext,
    FakeIdempotencyTable,
    FakeQueue,
    FakeTickets,
    FakeVendor,
    details,
    picture,
)
from ticket_archive.clock import iso
from ticket_archive.details import Details
from ticket_archive.errors import RetryableError, TicketIncomplete
from ticket_archive.messages import Webhook, webhook_message
from ticket_archive.metrics import MetricBuffer
from ticket_archive.models import ImageType
from ticket_archive.webhook_encryption import encrypt_event

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
RECEIVED_AT = "2026-01-15T09:00:00.000000Z"
SECRET = b"0123456789abcdef0123456789abcdef"
COMPLETED = {"ticket": TICKET, "event": "ticket.verification.completed"}
RETRY_DELAY = 20.0
MAX_RECEIVES = 9

SELFIES, DOCUMENT = ImageType.SELF_PORTRAITS, ImageType.DOCUMENT
PORTRAIT, SIGNATURE = ImageType.DOCUMENT_PORTRAIT, ImageType.DOCUMENT_SIGNATURE
GHOST = ImageType.DOCUMENT_GHOST_PORTRAIT

Done = TypeVar("Done")
Pictures = Mapping[ImageType, Sequence[InlineFile | LinkedFile]]


def event(event_id: str = "e1", ticket: str = TICKET, received_at: str = RECEIVED_AT) -> ArchiveRequest:
    return ArchiveRequest(ticket, received_at, 60.0, event_id=event_id, event="ticket.verification.completed")


def request(ticket: str = TICKET, **options: Any) -> ArchiveRequest:
    return ArchiveRequest(ticket, RECEIVED_AT, 60.0, **options)


def webhook(
    event: object = COMPLETED, secret: bytes | None = SECRET, iv: bytes = bytes(16), received_at: str = RECEIVED_AT
) -> str:
    """Return the queue message of an encrypted webhook, or of one in clear if there is no secret."""
    text = json.dumps(event).encode()
    if secret is None:
        return webhook_message(Webhook(body=text, content_type="application/json", received_at=received_at))
    body, header = encrypt_event(text, secret, iv)
    return webhook_message(Webhook(body=body, iv=header, content_type="text/plain", received_at=received_at))


def handle_batch(*records: dict[str, Any], seconds: float = 60.0) -> list[str]:
    """Invoke the SQS handler with these records; return the identifiers of the failed messages."""
    answer = sqs_handler.handle({"Records": list(records)}, FakeContext(seconds))
    assert answer.keys() == {"batchItemFailures"}
    assert all(failure.keys() == {"itemIdentifier"} for failure in answer["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def pictures(mark: str = "") -> Pictures:
    """Return two selfies, two sides of a document, a portrait; signature and ghost portrait are absent."""
    return {
        SELFIES: [picture(f"selfie 0{mark}"), picture(f"selfie 1{mark}")],
        DOCUMENT: [picture(f"front{mark}"), picture(f"back{mark}")],
        PORTRAIT: [picture(f"portrait{mark}")],
    }


@dataclass
class ArchiveHarness:
    """`archive()` and `processor()` belong to one process; everything else outlives it."""

    image_types: Sequence[ImageType] = tuple(ImageType)
    retention_days: int = 0
    unknown_after: timedelta = timedelta(hours=1)
    max_age: timedelta = timedelta(days=7)
    settle_time: timedelta = timedelta(minutes=10)
    pool: Executor = field(default_factory=AtOnce)
    clock: FakeClock = field(default_factory=FakeClock)
    effects: Effects = field(default_factory=Effects)
    arrivals: dict[str, str] = field(default_factory=dict)
    follow_ups: list[ArchiveRequest] = field(default_factory=list)
    """Requests that pending tickets left."""
    broken: list[str] = field(default_factory=list)
    """Guarantees that were broken when a manifest appeared."""

    def __post_init__(self) -> None:
        self.table = FakeTickets(self.effects)
        self.bucket = FakeBucket(self.effects)
        self.vendor = FakeVendor(self.effects)
        self.queue = FakeQueue(self.effects)
        self.store = FakeIdempotencyTable(self.effects)
        self.idempotency = EventIdempotency(cast("Any", self.store), "idempotency")
        self.bucket.on_create = self._inspect

    def has(
        self, outcome: str = "ACCEPTED", images: Pictures | None = None, ticket: str = TICKET, **more: Any
    ) -> Details:
        """Set the vendor's ticket; return its details."""
        found = details(outcome, **more)
        self.vendor.becomes(ticket, found, pictures() if images is None else images)
        return found

    def answers(self, answers: Mapping[str, Any], ticket: str = TICKET) -> None:
        """Set the vendor's responses from now on, by "details" and image type; errors are raised, callables called."""
        for part, answer in answers.items():
            if part == "details":
                self.vendor.details_of[ticket] = answer
            else:
                self.vendor.images_of[ticket, ImageType(part)] = answer

    def archive(self, pool: Executor | None = None, vendor: Preventor | None = None) -> Archiver:
        return Archiver(
            fetcher=Fetcher(vendor or self.vendor, self.bucket, pool or self.pool),
            table=self.table,
            bucket=self.bucket,
            clock=self.clock,
            image_types=self.image_types,
            retention_days=self.retention_days,
            settle_time=self.settle_time,
            retry_delay=RETRY_DELAY,
            unknown_after=self.unknown_after,
            max_age=self.max_age,
        )

    def processor(
        self,
        pool: Executor | None = None,
        vendor: Preventor | None = None,
        secrets: Callable[[], Sequence[bytes]] = lambda: [SECRET],
        *,
        allow_plaintext: bool = False,
    ) -> MessageProcessor:
        self.idempotency.begin_invocation(FakeContext())
        return MessageProcessor(
            archiver=self.archive(pool, vendor),
            idempotency=self.idempotency,
            queue=self.queue,
            quarantine_queue=self.queue,
            webhook_secrets=secrets,
            allow_plaintext=allow_plaintext,
            retry_delay=RETRY_DELAY,
        )

    def sqs_dependencies(
        self,
        calls: ContextThreadPool,
        processor: MessageProcessor | None = None,
        metric_buffer: MetricBuffer | None = None,
    ) -> SqsDependencies:
        return SqsDependencies(processor or self.processor(calls), calls, MAX_RECEIVES, metric_buffer or MetricBuffer())

    def attempt(self, wanted: ArchiveRequest) -> ProcessingResult:
        """Process a request once, unchanged, and return the result."""
        return self.archive().archive(wanted, time.monotonic() + 5)

    def run(self, wanted: ArchiveRequest) -> Result:
        """Deliver a message once; return the result. An event arrives at its first delivery, 61 s after the last."""
        if wanted.event_id is not None:
            self.clock.pass_by(RETRY_DELAY if wanted.event_id in self.arrivals else 61)
            if wanted.event_id not in self.arrivals:
                self.arrivals[wanted.event_id] = iso(self.clock())
            wanted = wanted._replace(received_at=self.arrivals[wanted.event_id])
        result = self.attempt(wanted)
        if result.retry_in is not None:
            self.follow_ups.append(request(wanted.ticket, force=result.force))
        return result.result

    def fails(self, wanted: ArchiveRequest, **answers: Any) -> TicketIncomplete:
        """Deliver a message once, and give these answers first; return the error that leaves its ticket incomplete."""
        for part, answer in answers.items():
            self.vendor.next(part, answer)
        with pytest.raises(TicketIncomplete) as raised:
            self.run(wanted)
        return raised.value

    def deliver(self, wanted: ArchiveRequest, receives: int = MAX_RECEIVES) -> ProcessingResult:
        """Deliver a message and its follow-ups to the end, in simulated time; return the result, or raise its error."""
        for _ in range(200):
            result = self._retried(lambda times: self.attempt(wanted._replace(receives=times)), receives)  # noqa: B023
            if result.retry_in is None:
                return result
            self.clock.pass_by(result.retry_in)
            wanted = request(wanted.ticket, force=result.force)._replace(received_at=iso(self.clock()))
        raise AssertionError("the ticket never settles")

    def deliver_message(self, body: str, processor: MessageProcessor) -> ProcessingResult:
        """Deliver a queue message and those that it sends, in simulated time, to the end; return the result."""
        for _ in range(200):
            sent_at = iso(self.clock())
            message = partial(Message, body, sent_at)
            result = self._retried(lambda times: processor.process(message(times), time.monotonic() + 5))  # noqa: B023
            if not self.queue.sent:
                return result
            body, delay = self.queue.sent.pop(0)
            self.clock.pass_by(delay)
        raise AssertionError("the ticket never settles")

    def run_schedule(self) -> ProcessingResult:
        """Run the schedule, and deliver the message that it queues; return the result."""
        requeue(self.table, self.queue, self.clock(), self.max_age)
        return self.deliver_message(self.queue.sent.pop()[0], self.processor())

    def _retried(self, process: Callable[[int], Done], receives: int = MAX_RECEIVES) -> Done:
        for received in range(1, receives):
            try:
                return process(received)
            except RetryableError as error:
                self.clock.pass_by(pause_before_delivery(received, RETRY_DELAY, error.retry_after, 0.5))
        return process(receives)

    def outcomes(self) -> list[str]:
        """Return the outcome of each manifest, in the order of their events."""
        return [manifest["outcome"] for manifest in self.bucket.manifests(TICKET)]

    def check(self, ticket: str = TICKET) -> None:
        """Check the guarantees that hold while no attempt is in flight and no message waits."""
        assert self.broken == []
        manifests = self.bucket.manifests(ticket)
        versions = [manifest["version"] for manifest in manifests]
        assert versions == self.table.history.get(ticket, []), "one manifest for each state, in order"
        assert len(set(versions)) == len(versions)
        assert [manifest["previous"] for manifest in manifests] == [None, *versions][: len(versions)], "a chain"

    def _inspect(self, key: str, body: bytes) -> None:
        """When a manifest appears, everything that it names exists."""
        if "/manifests/" not in key:
            return
        manifest = json.loads(body)
        ticket, version = manifest["ticket"], manifest["version"]
        if version not in self.table.history.get(ticket, []):
            self.broken.append("a manifest before its item")
        if any(image["key"] not in self.bucket for image in manifest["images"]):
            self.broken.append("a manifest before its images")
        item = self.table[ticket]
        if item.version == version and item.attributes.get("details_key", key) not in {*self.bucket.objects, key}:
            self.broken.append("a manifest before its details")
