"""An archive among fakes, and the promises that hold for it whatever happens."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from ingest.archiving.archiver import Archive, ArchiveRequest, Result
from ingest.archiving.fetcher import Fetcher
from ingest.files.parsing import InlineImage, LinkedImage
from tests.support.fakes import AtOnce, Effects, FakeBucket, FakeClock, FakeTickets, FakeVendor, details, picture
from ticket_archive.details import Details
from ticket_archive.models import ImageType

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
RECEIVED_AT = "2026-01-15T09:00:00.000000Z"

SELFIES, DOCUMENT, PORTRAIT, SIGNATURE, GHOST = ImageType

Pictures = Mapping[ImageType, Sequence[InlineImage | LinkedImage]]


def event(event_id: str = "e1", ticket: str = TICKET) -> ArchiveRequest:
    return ArchiveRequest(ticket, RECEIVED_AT, 60.0, event_id=event_id, event="ticket.verification.completed")


def request(ticket: str = TICKET, *, force: bool = False) -> ArchiveRequest:
    return ArchiveRequest(ticket, RECEIVED_AT, 60.0, force=force)


def pictures(mark: str = "") -> Pictures:
    """Two selfies, two sides of a document, a portrait; signature and ghost portrait are absent."""
    return {
        SELFIES: [picture(f"selfie 0{mark}"), picture(f"selfie 1{mark}")],
        DOCUMENT: [picture(f"front{mark}"), picture(f"back{mark}")],
        PORTRAIT: [picture(f"portrait{mark}")],
    }


@dataclass
class ArchiveHarness:
    """`archive()` is one process's archive; table, bucket and vendor outlive it."""

    image_types: Sequence[ImageType] = tuple(ImageType)
    retention_days: int = 0
    pool: Executor = field(default_factory=AtOnce)
    clock: FakeClock = field(default_factory=FakeClock)
    effects: Effects = field(default_factory=Effects)
    broken: list[str] = field(default_factory=list)
    """Promises that were broken at the moment when a manifest appeared."""

    def __post_init__(self) -> None:
        self.table = FakeTickets(self.effects)
        self.bucket = FakeBucket(self.effects)
        self.vendor = FakeVendor(self.effects)
        self.bucket.on_create = self._look_at

    def has(
        self, outcome: str = "ACCEPTED", images: Pictures | None = None, ticket: str = TICKET, **more: Any
    ) -> Details:
        """The vendor's ticket is so from now on."""
        found = details(outcome, **more)
        self.vendor.becomes(ticket, found, pictures() if images is None else images)
        return found

    def archive(self, pool: Executor | None = None) -> Archive:
        pool = pool or self.pool
        return Archive(
            fetcher=Fetcher(self.vendor, self.bucket, pool),
            table=self.table,
            bucket=self.bucket,
            pool=pool,
            clock=self.clock,
            image_types=self.image_types,
            retention_days=self.retention_days,
        )

    def run(self, wanted: ArchiveRequest, seconds: float = 5.0) -> Result:
        return self.archive().archive(wanted, time.monotonic() + seconds)

    def outcomes(self, ticket: str = TICKET) -> list[str]:
        """Of each manifest, in the order of their events."""
        return [manifest["outcome"] for manifest in self.bucket.manifests(ticket)]

    def check(self, ticket: str = TICKET) -> None:
        """What has to be true at every moment that nobody is at work on the ticket and nothing waits for it."""
        assert self.broken == []
        manifests = self.bucket.manifests(ticket)
        versions = [manifest["version"] for manifest in manifests]
        assert versions == self.table.history.get(ticket, []), "each state has its manifest, once, in their order"
        assert len(set(versions)) == len(versions)
        assert [manifest["previous"] for manifest in manifests] == [None, *versions][: len(versions)], "a chain"

    def _look_at(self, key: str, body: bytes) -> None:
        """When a manifest appears, everything that it speaks of is there."""
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
