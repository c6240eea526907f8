"""An archiver among fakes, in simulated time, and the guarantees that hold for it whatever happens."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.archiving.archiver import Archiver, ArchiveRequest, ArchiveResult, Result
from ingest.archiving.fetcher import Fetcher
from ingest.files.parsing import InlineFile, LinkedFile
from ingest.messaging.backoff import pause_before_delivery
from tests.support.fakes import AtOnce, Effects, FakeBucket, FakeClock, FakeTickets, FakeVendor, details, picture
from ticket_archive.clock import iso
from ticket_archive.details import Details
from ticket_archive.errors import RetryableError
from ticket_archive.models import ImageType

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
RECEIVED_AT = "2026-01-15T09:00:00.000000Z"

SELFIES, DOCUMENT, PORTRAIT, SIGNATURE, GHOST = ImageType

Pictures = Mapping[ImageType, Sequence[InlineFile | LinkedFile]]


def event(event_id: str = "e1", ticket: str = TICKET, received_at: str = RECEIVED_AT) -> ArchiveRequest:
    return ArchiveRequest(ticket, received_at, 60.0, event_id=event_id, event="ticket.verification.completed")


def request(ticket: str = TICKET, **options: Any) -> ArchiveRequest:
    return ArchiveRequest(ticket, RECEIVED_AT, 60.0, **options)


def pictures(mark: str = "") -> Pictures:
    """Two selfies, two sides of a document, a portrait; signature and ghost portrait are absent."""
    return {
        SELFIES: [picture(f"selfie 0{mark}"), picture(f"selfie 1{mark}")],
        DOCUMENT: [picture(f"front{mark}"), picture(f"back{mark}")],
        PORTRAIT: [picture(f"portrait{mark}")],
    }


@dataclass
class ArchiveHarness:
    """`archive()` belongs to one process; table, bucket and vendor outlive it."""

    image_types: Sequence[ImageType] = tuple(ImageType)
    retention_days: int = 0
    pool: Executor = field(default_factory=AtOnce)
    clock: FakeClock = field(default_factory=FakeClock)
    effects: Effects = field(default_factory=Effects)
    arrivals: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """Guarantees that were broken when a manifest appeared."""

    def __post_init__(self) -> None:
        self.table = FakeTickets(self.effects)
        self.bucket = FakeBucket(self.effects)
        self.vendor = FakeVendor(self.effects)
        self.bucket.on_create = self._inspect

    def has(
        self, outcome: str = "ACCEPTED", images: Pictures | None = None, ticket: str = TICKET, **more: Any
    ) -> Details:
        """Set the vendor's ticket."""
        found = details(outcome, **more)
        self.vendor.becomes(ticket, found, pictures() if images is None else images)
        return found

    def archive(self, pool: Executor | None = None) -> Archiver:
        pool = pool or self.pool
        return Archiver(
            fetcher=Fetcher(self.vendor, self.bucket, pool),
            table=self.table,
            bucket=self.bucket,
            clock=self.clock,
            image_types=self.image_types,
            retention_days=self.retention_days,
        )

    def new_event(self, event_id: str = "e1") -> ArchiveRequest:
        """An event that arrives now, and more than a minute after the last fetch."""
        self.clock.pass_by(61)
        return event(event_id, received_at=iso(self.clock()))

    def attempt(self, wanted: ArchiveRequest, seconds: float = 5.0) -> ArchiveResult:
        return self.archive().archive(wanted, time.monotonic() + seconds)

    def run(self, wanted: ArchiveRequest) -> Result:
        """Deliver a message once. An event arrives when it is first delivered, over a minute after anything before."""
        if wanted.event_id is not None:
            if wanted.event_id not in self.arrivals:
                self.clock.pass_by(61)
                self.arrivals[wanted.event_id] = iso(self.clock())
            wanted = replace(wanted, received_at=self.arrivals[wanted.event_id])
        return self.attempt(wanted).result

    def deliver(self, wanted: ArchiveRequest, receives: int = 9) -> ArchiveResult:
        """Deliver a message as the queue does, in simulated time, until it and its follow-ups are done.

        Raises the last error if the message is received `receives` times.
        """
        received = 0
        for _ in range(200):
            received += 1
            try:
                result = self.attempt(wanted)
            except RetryableError as error:
                if received == receives:
                    raise
                self.clock.pass_by(pause_before_delivery(received, 20.0, error.retry_after, 0.5))
                continue
            if result.retry_in is None:
                return result
            self.clock.pass_by(result.retry_in)
            wanted = replace(request(wanted.ticket, force=result.force), received_at=iso(self.clock()))
            received = 0
        raise AssertionError("the ticket never settles")

    def outcomes(self, ticket: str = TICKET) -> list[str]:
        """The outcome of each manifest, in the order of their events."""
        return [manifest["outcome"] for manifest in self.bucket.manifests(ticket)]

    def check(self, ticket: str = TICKET) -> None:
        """Check what holds whenever no attempt is in flight and no message waits."""
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
