"""The use case: make the archive hold a ticket's newest state, and say so exactly once per state.

The order is what keeps it safe against crashes: images, then the item, then the manifest. Each step may be repeated.
Whoever finds a state in the item may write its manifest, which is the same bytes under the same name each time.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from ingest.archiving.fetcher import Fetched, Fetcher, Store
from ingest.messaging.backoff import pause_before_requeue
from ticket_archive.bucket import ExpiringBucket
from ticket_archive.clock import iso
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import Placement, place
from ticket_archive.errors import ArchiveError, RetryableError, TicketIncomplete, TicketInProgress, WriteConflict
from ticket_archive.keys import manifest_key
from ticket_archive.manifest import version_of, write_manifest
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState
from ticket_archive.retention import end_of, is_limited, is_over
from ticket_archive.summary import Summary, summarise
from ticket_archive.table import TicketItem
from ticket_archive.telemetry import describe, logger

_ROUNDS = 3
"""How often a lost race is looked at again before the message goes back to the queue."""

_OF_DETAILS = (
    "outcome",
    "disposition",
    "confidence_score",
    "risk_code",
    "customer",
    "details_sha256",
    "details_bytes",
    *DETAILS_ATTRIBUTES,
)


class Result(StrEnum):
    """How an archive that did not fail ended."""

    ARCHIVED = "archived"
    UNCHANGED = "unchanged"
    ALREADY_ARCHIVED = "already_archived"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A ticket to archive. `event_id` and `event` are None where no event but a person or a schedule asked.

    `patience` is for how many seconds the queue goes on by itself if this attempt leaves the ticket incomplete: the
    schedule door waits at least that long.
    """

    ticket: str
    received_at: str
    patience: float
    event_id: str | None = None
    event: str | None = None
    force: bool = False


class Tickets(Protocol):
    """The table, as far as the use case needs it: `ticket_archive.table.TicketTable`."""

    def register(self, ticket: str, now: str, expires_at: int | None) -> TicketItem:
        """Counts an attempt and returns the ticket."""
        ...

    def put_event(self, ticket: str, event_id: str, received_at: str, name: str, expires_at: int | None) -> None:
        """Remembers an event."""
        ...

    def archive(self, item: TicketItem, changes: Mapping[str, Any]) -> None:
        """Moves the ticket to an archived state."""
        ...

    def mark_incomplete(self, ticket: str, changes: Mapping[str, Any], retry_at: str) -> None:
        """Keeps what came of an unfinished ticket."""
        ...

    def get(self, ticket: str) -> TicketItem | None:
        """The ticket as it is now."""
        ...


class Objects(Store, Protocol):
    """The bucket: `ticket_archive.bucket.Bucket`."""

    def create(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, limited: bool = False
    ) -> bool:
        """Stores an object unless its key is taken; `limited` says that it ends."""
        ...

    def overwrite(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> None:
        """Stores an object that ends over itself."""
        ...


@dataclass(frozen=True, slots=True)
class _Content:
    """A ticket's whole content, be it fetched now or partly kept from an earlier attempt."""

    outcome: str | None
    details_sha256: str
    details_bytes: int
    images: tuple[StoredImage, ...]
    types: Mapping[ImageType, TypeState]
    changes: Mapping[str, Any] = field(repr=False)


class Archive:
    """Archives tickets. `clock` gives the time that counts for "newer fetch wins"."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        table: Tickets,
        bucket: Objects,
        pool: Executor,
        clock: Callable[[], datetime],
        image_types: Iterable[ImageType],
        retention_days: int,
    ) -> None:
        self._fetcher = fetcher
        self._table = table
        self._bucket = bucket
        self._pool = pool
        self._clock = clock
        self._image_types = tuple(image_types)
        self._retention_days = retention_days

    def archive(self, wanted: ArchiveRequest, expires_at: float) -> Result:
        """Fetches what is missing and stores it; `expires_at` (monotonic seconds) bounds the calls to the vendor.

        Raises TicketErased, TicketInProgress, TicketIncomplete (with what is missing first in its detail), WriteConflict;
        whatever else the table or the bucket raises passes through. All of them leave a state from which the next
        attempt goes on.
        """
        fetched_at = iso(self._clock())
        ends = end_of(fetched_at, self._retention_days)
        item = self._table.register(wanted.ticket, fetched_at, ends)
        begun: Mapping[str, Any] = {}
        if is_over(item.expires_at, datetime.fromisoformat(fetched_at)):
            # DynamoDB and S3 are about to remove what there is: all of it is fetched and stored as if they had. The
            # version stays, since the item's condition needs it, and the new manifest a name of its own.
            begun = {"received_at": fetched_at, "expires_at": ends}
            item = replace(item, outcome=None, details_sha256=None, images=(), archived_at=None)
        else:
            ends = item.expires_at
        if item.state is TicketState.ARCHIVED and wanted.event_id is None and not wanted.force and not begun:
            self._publish(item)
            return Result.ALREADY_ARCHIVED
        noting = self._pool.submit(self._note_event, wanted, ends)
        kept = item if _resumes(item, wanted) and not begun else None
        missing = [kind for kind in self._image_types if kept is None or kept.types.get(kind) is not TypeState.STORED]
        with_details = kept is None or kept.details_sha256 is None
        bucket = ExpiringBucket(self._bucket) if is_limited(ends) else self._bucket
        fetched = self._fetcher.into(bucket).fetch(wanted.ticket, missing, expires_at, with_details=with_details)
        noting.result()

        summary = summarise(fetched.details.value) if fetched.details else None
        if summary is not None and summary.in_progress:
            # Nothing of a ticket that is not final is kept, now or from before: its pictures may still be taken again.
            fetched = Fetched(None, failures={"details": TicketInProgress(), **fetched.failures})
            kept = None
        placement = place(wanted.ticket, fetched.details) if fetched.details else None
        if placement is not None and placement.key is not None:
            bucket.create(placement.key, placement.body, "application/gzip")
        content = _content(kept, fetched, summary, placement, self._image_types)
        times = {"fetched_at": _age(kept, fetched_at), **begun}
        if fetched.failures:
            self._mark_incomplete(wanted, item, content, times, fetched.failures)
        return self._commit(wanted, item, content, {**times, "event_id": wanted.event_id})

    def is_latest(self, ticket: str, event_id: str) -> bool:
        """Whether the ticket's state is what came of this very event, so that the event again would change nothing."""
        item = self._table.get(ticket)
        return item is not None and item.attributes.get("event_id") == event_id

    def _commit(self, wanted: ArchiveRequest, item: TicketItem, content: _Content, times: Mapping[str, Any]) -> Result:
        """Writes the item, then the manifest. A lost race is looked at again: only a newer fetch ends it."""
        for _ in range(_ROUNDS):
            changes, result = self._next_state(item, content, times)
            try:
                if item.version and item.version != changes["version"]:
                    self._publish(item)  # the state that is about to be left: its writer may have died before this
                self._table.archive(item, changes)
            except WriteConflict:
                current = self._table.get(wanted.ticket)
                if current is None:
                    raise
                if current.fetched_at is not None and current.fetched_at >= times["fetched_at"]:
                    if current.state is not TicketState.ARCHIVED:
                        raise  # newer, but not whole: as long as it is not, this is no reason to call anything done
                    self._publish(current)
                    return Result.SUPERSEDED
                item = current
                continue
            self._publish_state(wanted.ticket, changes, content, changes.get("expires_at", item.expires_at))
            return result
        raise WriteConflict("ticket")

    def _next_state(
        self, item: TicketItem, content: _Content, times: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Result]:
        same = (
            item.version is not None
            and item.details_sha256 == content.details_sha256
            and item.outcome == content.outcome
            and item.images == content.images
        )
        if same:
            state = {"version": item.version, "previous": item.previous, "archived_at": item.archived_at}
        else:
            version = version_of(item.version, content.details_sha256, content.images, content.outcome)
            previous = item.version if item.archived_at is not None else None
            state = {"version": version, "previous": previous, "archived_at": iso(self._clock())}
        return {**content.changes, **times, **state}, Result.UNCHANGED if same else Result.ARCHIVED

    def _mark_incomplete(
        self,
        wanted: ArchiveRequest,
        item: TicketItem,
        content: _Content,
        times: Mapping[str, Any],
        failures: Mapping[str, ArchiveError],
    ) -> NoReturn:
        """Keeps what came, then raises what is missing. An archived ticket stays until all the new is there."""
        for part, failure in failures.items():
            logger.info("part missing", extra={"part": part, **describe(failure)})
        first = next(iter(failures.values()))
        pauses = [
            error.retry_after for error in failures.values() if isinstance(error, RetryableError) and error.retry_after
        ]
        changes = {**content.changes, **times, "resume": wanted.event_id or "", "last_error": first.code}
        patience = max(wanted.patience, pause_before_requeue(item.requeues))
        retry_at = iso(self._clock() + timedelta(seconds=patience))
        with suppress(
            WriteConflict
        ):  # archived before, or a newer fetch knows more: nothing to keep, still all to fetch
            self._table.mark_incomplete(wanted.ticket, changes, retry_at)
        self._publish(item)  # its writer may have died before this, and who knows when the new will be whole
        causes = {failure.code for failure in failures.values()}
        raise TicketIncomplete(first.code, retry_after=max(pauses, default=None), causes=causes) from first

    def _note_event(self, wanted: ArchiveRequest, ends: int | None) -> None:
        if wanted.event_id is not None and wanted.event is not None:
            self._table.put_event(wanted.ticket, wanted.event_id, wanted.received_at, wanted.event, ends)

    def _publish(self, item: TicketItem) -> None:
        """Writes the manifest of the state that the item is in, if it is not there yet."""
        if item.version is None or item.details_sha256 is None or item.archived_at is None:
            return
        self._put_manifest(
            item.expires_at,
            ticket=item.ticket,
            version=item.version,
            previous=item.previous,
            outcome=item.outcome,
            archived_at=item.archived_at,
            details_sha256=item.details_sha256,
            details_bytes=item.details_bytes,
            images=item.images,
            types=item.types,
        )

    def _publish_state(self, ticket: str, state: Mapping[str, Any], content: _Content, ends: int | None) -> None:
        self._put_manifest(
            ends,
            ticket=ticket,
            version=state["version"],
            previous=state["previous"],
            outcome=content.outcome,
            archived_at=state["archived_at"],
            details_sha256=content.details_sha256,
            details_bytes=content.details_bytes,
            images=content.images,
            types=content.types,
        )

    def _put_manifest(self, ends: int | None, **state: Any) -> None:
        body, key = write_manifest(**state), manifest_key(state["ticket"], state["version"])
        if self._bucket.create(key, body, "application/json", limited=is_limited(ends)):
            logger.info("manifest written", extra={"ticket": state["ticket"], "version": state["version"]})


def _resumes(item: TicketItem, wanted: ArchiveRequest) -> bool:
    """Whether what an earlier attempt kept may be built upon: the same event again, or nobody's event.

    Another event means that the vendor has something newer, so all of it is fetched.
    """
    if item.state is not TicketState.INCOMPLETE or wanted.force:
        return False
    return wanted.event_id is None or item.resume == wanted.event_id


def _age(kept: TicketItem | None, fetched_at: str) -> str:
    """When the oldest part of a content was fetched: what counts for "newer fetch wins".

    Of what builds on an earlier attempt that is the earlier attempt's time. With the tick on top the table takes it
    after what it builds on, and refuses it after anything else that was written meanwhile.
    """
    if kept is None or kept.fetched_at is None:
        return fetched_at
    return iso(datetime.fromisoformat(kept.fetched_at) + timedelta(microseconds=1))


def _content(
    kept: TicketItem | None,
    fetched: Fetched,
    summary: Summary | None,
    placement: Placement | None,
    wanted: Iterable[ImageType],
) -> _Content:
    """Joins what an earlier attempt kept and what this one fetched, as changes to the item."""
    details = fetched.details
    images: list[StoredImage] = []
    types: dict[ImageType, TypeState] = {}
    for kind in wanted:
        if kept is not None and kept.types.get(kind) is TypeState.STORED:
            types[kind] = TypeState.STORED
            images.extend(image for image in kept.images if image.type is kind)
        else:
            types[kind] = fetched.state_of(kind)
            images.extend(fetched.images.get(kind, ()))
    changes: dict[str, Any] = {
        "images": [image.as_dict() for image in images],
        "types": {kind.value: state.value for kind, state in types.items()},
    }
    outcome = kept.outcome if kept else None
    sha256, size = (kept.details_sha256 or "", kept.details_bytes) if kept else ("", 0)
    if kept is None:  # what an earlier event's attempt left must not be taken for this one's
        changes |= dict.fromkeys(_OF_DETAILS)
    if details is not None and summary is not None and placement is not None:
        outcome, sha256, size = summary.outcome, details.sha256, details.size
        changes |= {
            "outcome": summary.outcome,
            "disposition": summary.disposition,
            "confidence_score": summary.confidence_score,
            "risk_code": summary.risk_code,
            "customer": summary.customer,
            "details_sha256": details.sha256,
            "details_bytes": details.size,
            **placement.attributes,
        }
    return _Content(outcome, sha256, size, tuple(images), types, changes)
