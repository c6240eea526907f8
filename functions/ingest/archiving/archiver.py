"""Archive a ticket: fetch what is missing, store it, and announce each new state exactly once.

The order keeps it safe against crashes: files, then the item (conditional), then the manifest. Each step may be
repeated: a manifest is the same bytes under the same key each time, and any attempt that finds a state in the item may
write its manifest.
"""

import gzip
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from ingest.archiving.fetcher import Fetched, Fetcher, Store
from ingest.archiving.settling import EMPTY, Observation, Settlement, settle
from ingest.messaging.backoff import pause_before_delivery, pause_before_requeue
from ticket_archive.bucket import ExpiringBucket
from ticket_archive.clock import iso
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import place, to_json
from ticket_archive.errors import (
    RecentlyFetched,
    RetryableError,
    TicketErased,
    TicketIncomplete,
    TicketInProgress,
    TicketNotFound,
    UnrecognizedResponse,
    WriteConflict,
)
from ticket_archive.keys import details_key, manifest_key
from ticket_archive.manifest import state_of, version_of, write_manifest
from ticket_archive.models import DETAILS, ImageType, StoredImage, TicketState, TypeState, UnrecognizedFile
from ticket_archive.retention import end_of, is_limited, is_over
from ticket_archive.table import INCOMPLETE, REFETCH, TicketItem
from ticket_archive.telemetry import describe, logger

_ROUNDS = 3
"""How often a lost race is tried again before the message goes back to the queue."""

_REFETCH = timedelta(minutes=1)
_FIRST_RECHECK = timedelta(hours=1)
_MAX_DELAY = 900.0  # seconds; the longest DelaySeconds of SQS
_SCHEDULE_MARGIN = 120.0  # seconds that the schedule leaves a delayed message before it queues the ticket itself
_UNKNOWN_TICKET_TTL = timedelta(days=1)
_FEWEST_RECEIVES = 5
"""Deliveries of a message before a ticket counts as unknown, however late the message was received first."""

_FACTS = ("outcome", "disposition", "confidence_score", "risk_code", "customer")
_DETAILS = (*_FACTS, "details_sha256", "details_bytes", *DETAILS_ATTRIBUTES)


class Result(StrEnum):
    """How an archive that did not fail ended."""

    ARCHIVED = "archived"
    UNCHANGED = "unchanged"
    ALREADY_ARCHIVED = "already_archived"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    UNKNOWN_TICKET = "unknown_ticket"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """A request to archive a ticket. `event_id` and `event` are None if no event but a message asks for it.

    `queue_retry_seconds` is for how many seconds the queue retries by itself if this attempt fails; the schedule waits
    at least that long. `force` archives an archived ticket again, `recheck` asks for what was absent or unrecognized.
    The types in `settle` are taken as the vendor answers them now; with all of them, the details are too. With
    `details_first`, a ticket that was never seen is asked for no file before the vendor has confirmed that it exists.
    A `hint` leaves nothing behind if the ticket is in progress. `receives` counts the message's deliveries.
    """

    ticket: str
    received_at: str
    queue_retry_seconds: float
    event_id: str | None = None
    event: str | None = None
    force: bool = False
    recheck: bool = False
    settle: Collection[ImageType] = ()
    details_first: bool = False
    hint: bool = False
    receives: int = 1


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """What became of a request. `complete` and `has_outcome` describe the archived ticket.

    `causes` are the codes of the parts that could not be used; an unrecognized response counts when it is first seen.
    `received_at` is that of the ticket, if this is the first version that its event led to.

    For PENDING, the ticket is to be asked for again in `retry_in` seconds by a message of its own, with `force` as
    given: the message that was processed is done, so that waiting uses up none of its receives.
    """

    result: Result
    complete: bool = True
    has_outcome: bool = True
    causes: Collection[str] = frozenset()
    received_at: str | None = None
    retry_in: int | None = None
    force: bool = False


class Tickets(Protocol):
    """The table: `ticket_archive.table.TicketTable`."""

    def get(self, ticket: str) -> TicketItem | None:
        """Return the ticket."""
        ...

    def begin(self, ticket: str, now: str) -> TicketItem | None:
        """Record an attempt on a known ticket."""
        ...

    def put_event(self, ticket: str, event_id: str, received_at: str, name: str, expires_at: int | None) -> None:
        """Record an accepted event."""
        ...

    def archive(
        self, item: TicketItem, changes: Mapping[str, Any], first: Mapping[str, Any], recheck_at: str | None = None
    ) -> None:
        """Move the ticket to an archived state."""
        ...

    def mark_incomplete(self, ticket: str, changes: Mapping[str, Any], retry_at: str, first: Mapping[str, Any]) -> None:
        """Keep what was fetched of an unfinished ticket."""
        ...

    def keep_pending(self, ticket: str, changes: Mapping[str, Any], retry_at: str | None) -> None:
        """Keep what is pending of an archived ticket that is being fetched again."""
        ...

    def expire(self, ticket: str, expires_at: int) -> None:
        """Set the TTL of an incomplete ticket that the vendor does not know, unless it is under legal hold."""
        ...


class Objects(Store, Protocol):
    """The bucket: `ticket_archive.bucket.Bucket`."""

    def create(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, limited: bool = False
    ) -> bool:
        """Store an object unless its key is taken; `limited` says that it expires."""
        ...

    def overwrite(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> None:
        """Store an object that expires, replacing an existing one."""
        ...


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt. `item` is the ticket as it was read, `kept` the same if the attempt continues what it holds."""

    request: ArchiveRequest
    now: datetime
    item: TicketItem
    kept: TicketItem | None
    renewed: bool
    expires_at: int | None

    @property
    def fetched_at(self) -> str:
        """When the oldest part of the content was fetched, which decides whether a write is newer.

        An attempt that continues an earlier one uses that one's time plus 1 µs: newer than what it continues, older
        than anything else that was fetched meanwhile.
        """
        if self.kept is None or self.kept.fetched_at is None:
            return iso(self.now)
        return iso(datetime.fromisoformat(self.kept.fetched_at) + timedelta(microseconds=1))

    @property
    def event_id(self) -> str | None:
        """The event that the state comes of; that of the attempt which is continued where a message asks for it."""
        if self.request.event_id is not None or self.kept is None:
            return self.request.event_id
        return self.kept.resume or self.kept.attributes.get("event_id")

    @property
    def first(self) -> dict[str, Any]:
        """The attributes that only the first write sets."""
        now = iso(self.now)
        return {"received_at": now, "expires_at": self.expires_at, "attempts": 1, "attempted_at": now}

    @property
    def has_content(self) -> bool:
        """Whether the ticket is incomplete and some of it is stored."""
        return self.item.state is TicketState.INCOMPLETE and bool(self.item.details_sha256 or self.item.images)

    @property
    def never_seen(self) -> bool:
        return self.item.fetched_at is None and self.item.attempts == 0


class Archiver:
    """Archives tickets. `clock` gives the time that decides which fetch is newer."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        table: Tickets,
        bucket: Objects,
        clock: Callable[[], datetime],
        image_types: Iterable[ImageType],
        retention_days: int,
        settle_time: timedelta = timedelta(minutes=10),
        unknown_after: timedelta = timedelta(hours=1),
        retry_delay: float = 20.0,
    ) -> None:
        self._fetcher = fetcher
        self._table = table
        self._bucket = bucket
        self._clock = clock
        self._image_types = tuple(image_types)
        self._retention_days = retention_days
        self._settle_time = settle_time
        self._unknown_after = unknown_after
        self._retry_delay = retry_delay
        self._refetch = min(_REFETCH, settle_time / 10)
        # Copies of an event come sooner than the queue delivers its message again.
        self._shortest_retry = timedelta(seconds=pause_before_delivery(1, retry_delay, None, 0.0))

    def archive(self, request: ArchiveRequest, deadline: float) -> ArchiveResult:
        """Fetch what is missing of a ticket and archive it. `deadline` (monotonic seconds) bounds the vendor calls.

        Raises TicketErased, TicketIncomplete (with the code of what is missing first as its detail), TicketNotFound,
        RecentlyFetched, WriteConflict, and whatever the table or the bucket raises. Each leaves a state from which the
        next attempt continues.
        """
        now = self._clock()
        item = self._table.get(request.ticket)
        if item is not None:
            done = self._without_fetch(request, item, now)
            if done is not None:
                return done
            item = self._table.begin(request.ticket, iso(now))
        attempt = self._attempt(request, item, now)
        fetched = self._fetch(attempt, deadline)
        if isinstance(fetched.errors.get(DETAILS), TicketNotFound):
            unknown = self._unknown(attempt, fetched)
            if unknown is not None:
                return unknown
        if isinstance(fetched.errors.get(DETAILS), TicketInProgress) and (
            request.recheck or (request.hint and attempt.item.state is not TicketState.INCOMPLETE)
        ):
            return self._already(attempt.item, Result.UNCHANGED if request.recheck else Result.IN_PROGRESS)
        if request.event_id is not None and request.event is not None:
            self._table.put_event(
                request.ticket, request.event_id, request.received_at, request.event, attempt.expires_at
            )
        if isinstance(fetched.errors.get(DETAILS), TicketNotFound) and attempt.has_content and attempt.kept is None:
            attempt, fetched = self._with_content(attempt, fetched)
        if isinstance(fetched.errors.get(DETAILS), TicketInProgress):
            # A ticket that is not final keeps nothing, not even what was stored before: images may be taken again.
            attempt = replace(attempt, kept=None)
            fetched = Fetched(errors=fetched.errors, observed=dict.fromkeys(self._parts, Observation(TypeState.FAILED)))
        settlement = self._settle(attempt, fetched)
        changes = self._changes(attempt, fetched, settlement)
        if settlement.waiting:
            return self._mark_incomplete(attempt, fetched, settlement, changes)
        item = attempt.item
        if item.state is TicketState.ARCHIVED and item.details_sha256 and not (attempt.kept or fetched.details):
            # Details are never replaced by none: the archived state stays, and is not fetched again.
            self._table.keep_pending(request.ticket, {"pending": None, "unknown_since": None}, None)
            return self._already(item, Result.UNCHANGED)
        first = attempt.item.version is None and attempt.event_id is not None
        return replace(
            self._commit(attempt, {**changes, "event_id": attempt.event_id}),
            causes=_causes(attempt.item, fetched),
            received_at=attempt.item.received_at if first else None,
        )

    def is_latest(self, ticket: str, event_id: str) -> bool:
        """Return whether the ticket's state came of this event, so that the event again would change nothing."""
        item = self._table.get(ticket)
        return item is not None and item.attributes.get("event_id") == event_id

    @property
    def _parts(self) -> tuple[str, ...]:
        return (DETAILS, *self._image_types)

    def _without_fetch(self, request: ArchiveRequest, item: TicketItem, now: datetime) -> ArchiveResult | None:
        """Return the result of a request that needs no call to the vendor, or None.

        An event that was received before the ticket's last fetch changes nothing, unless that fetch was its own and
        left the ticket incomplete. A newer one is fetched, but at most once a minute for each ticket, whatever is
        replayed. Raises TicketErased and RecentlyFetched.
        """
        if item.state is TicketState.ERASED:
            raise TicketErased
        if is_over(item.expires_at, now) or request.force:
            return None
        if request.event_id is None:
            if item.state is not TicketState.ARCHIVED or request.recheck:
                return None
            return self._already(item, Result.ALREADY_ARCHIVED)
        pause = self._refetch
        if request.received_at <= (item.fetched_at or ""):
            if item.state is TicketState.ARCHIVED:
                return self._already(item, Result.SUPERSEDED)
            if item.resume != request.event_id:
                return ArchiveResult(Result.SUPERSEDED)
            pause = min(self._refetch, self._shortest_retry)
        attempted_at = item.attributes.get("attempted_at")
        if attempted_at is not None:
            wait = datetime.fromisoformat(attempted_at) + pause - now
            if wait > timedelta(0):
                raise RecentlyFetched(retry_after=wait.total_seconds())
        return None

    def _already(self, item: TicketItem, result: Result) -> ArchiveResult:
        self._publish(item)
        return ArchiveResult(result)

    def _attempt(self, request: ArchiveRequest, item: TicketItem | None, now: datetime) -> _Attempt:
        expires_at = end_of(iso(now), self._retention_days)
        if item is None:
            return _Attempt(request, now, TicketItem(request.ticket, TicketState.RECEIVED), None, False, expires_at)
        if is_over(item.expires_at, now):
            # DynamoDB and S3 are about to delete what there is: everything is fetched and stored as if they had. The
            # version stays, because the condition on the item needs it; the new manifest has a key of its own.
            # An archived item keeps pending answers of this state: the writes of a pending attempt do not renew it.
            pending = item.pending if item.state is TicketState.ARCHIVED else {}
            item = replace(item, outcome=None, details_sha256=None, images=(), archived_at=None, pending=pending)
            return _Attempt(request, now, item, None, True, expires_at)
        continues = _continues(item, request)
        return _Attempt(request, now, item, item if continues else None, False, item.expires_at)

    def _fetch(self, attempt: _Attempt, deadline: float) -> Fetched:
        kept = attempt.kept
        types = [kind for kind in self._image_types if kept is None or kept.types.get(kind) is not TypeState.STORED]
        # Details without an outcome may have been too early.
        with_details = kept is None or kept.details_sha256 is None or kept.outcome is None
        details_first = attempt.never_seen and attempt.request.details_first
        return self._fetcher.into(self._store(attempt.expires_at)).fetch(
            attempt.request.ticket, types, deadline, with_details=with_details, details_first=details_first
        )

    def _store(self, expires_at: int | None) -> Store:
        return ExpiringBucket(self._bucket) if is_limited(expires_at) else self._bucket

    def _unknown(self, attempt: _Attempt, fetched: Fetched) -> ArchiveResult | None:
        """Retry an unknown ticket for `unknown_after`, then stop without creating an item.

        For a ticket with an item, the time begins with the first 404 in a row. Returns None before its end, for an
        incomplete ticket of which something is stored, and for a recheck.
        """
        item, request = attempt.item, attempt.request
        if attempt.never_seen:
            age = attempt.now - datetime.fromisoformat(request.received_at)
            left = self._unknown_after - age
            if left > timedelta(0) or request.receives < _FEWEST_RECEIVES:
                pause = min(3 * age, left) if left > timedelta(0) else self._unknown_after / 4
                raise TicketNotFound(fetched.errors[DETAILS].detail, retry_after=max(pause.total_seconds(), 0.0))
            return ArchiveResult(Result.UNKNOWN_TICKET)
        since = item.attributes.get("unknown_since")
        if attempt.has_content or request.recheck or since is None:
            return None
        if attempt.now - datetime.fromisoformat(since) < self._unknown_after:
            return None
        with suppress(WriteConflict):
            if item.state is TicketState.ARCHIVED:
                self._table.keep_pending(request.ticket, {"pending": None, "unknown_since": None}, None)
            else:
                self._table.expire(request.ticket, int((attempt.now + _UNKNOWN_TICKET_TTL).timestamp()))
        self._publish(item)
        return ArchiveResult(Result.UNKNOWN_TICKET)

    def _with_content(self, attempt: _Attempt, fetched: Fetched) -> tuple[_Attempt, Fetched]:
        """Return the attempt as one that continues what the item holds, and got nothing."""
        parts = [part for part in self._parts if part == DETAILS or attempt.item.types.get(ImageType(part)) != "stored"]
        errors = {part: error for part, error in fetched.errors.items() if part in parts}
        return (
            replace(attempt, kept=attempt.item, request=replace(attempt.request, event_id=None)),
            Fetched(errors=errors, observed=dict.fromkeys(parts, Observation(TypeState.FAILED))),
        )

    def _settle(self, attempt: _Attempt, fetched: Fetched) -> Settlement:
        item, request = attempt.item, attempt.request
        at_once = {str(kind) for kind in request.settle}
        if set(request.settle) >= set(self._image_types):
            at_once.add(DETAILS)
        if item.state is TicketState.ARCHIVED:  # what was settled before need not settle again
            at_once |= {
                part
                for part, observation in fetched.observed.items()
                if part != DETAILS
                and observation.state in (TypeState.ABSENT, TypeState.UNRECOGNIZED)
                and item.types.get(ImageType(part)) is observation.state
            }
        observed = {part: fetched.observed.get(part, Observation(TypeState.STORED)) for part in self._parts}
        if request.recheck and attempt.kept is not None:
            observed = {part: self._rechecked(part, observed[part], attempt.kept) for part in observed}
            at_once |= observed.keys()
        return settle(observed, item.pending, attempt.now, self._settle_time, at_once)

    @staticmethod
    def _rechecked(part: str, observation: Observation, kept: TicketItem) -> Observation:
        """A recheck that fails leaves the part as it is."""
        if observation.state is not TypeState.FAILED:
            return observation
        if part == DETAILS:
            return Observation(TypeState.STORED if kept.details_sha256 else TypeState.FAILED)
        return Observation(kept.types.get(ImageType(part), TypeState.FAILED))

    @staticmethod
    def _is_as_before(attempt: _Attempt, kept: TicketItem, fetched: Fetched, part: str) -> bool:
        """Return whether a recheck of a part failed, or found it unrecognized again, whatever the bytes are now."""
        state = fetched.observed[part].state
        again = state is TypeState.UNRECOGNIZED and any(file.type == part for file in kept.unrecognized)
        images = [[image for image in each.images if image.type == part] for each in (kept, fetched)]
        return attempt.request.recheck and (state is TypeState.FAILED or (again and images[0] == images[1]))

    def _changes(self, attempt: _Attempt, fetched: Fetched, settlement: Settlement) -> dict[str, Any]:
        """Return the item's attributes: what an earlier attempt kept, and what this one fetched."""
        kept = attempt.kept
        asked = {part for part in fetched.observed if not (kept and self._is_as_before(attempt, kept, fetched, part))}
        images = [image for image in kept.images if image.type not in asked] if kept else []
        unrecognized = [file for file in kept.unrecognized if file.type not in asked] if kept else []
        images += [image for image in fetched.images if image.type in asked]
        unrecognized += [file for file in fetched.unrecognized if file.type in asked]
        order = [DETAILS, *ImageType]  # a setting may no longer have the type of something that was kept
        images.sort(key=lambda image: (order.index(image.type), image.index))
        unrecognized.sort(key=lambda file: order.index(file.type))
        types = {image.type: TypeState.STORED for image in images} | {
            kind: settlement.states[kind] for kind in self._image_types
        }
        changes: dict[str, Any] = {
            "images": [image.as_dict() for image in images],
            "types": {kind.value: state.value for kind, state in types.items()},
            "unrecognized": [file.as_dict() for file in unrecognized] or None,
            "missing": _missing(fetched, settlement) or None,
            "pending": {
                part: {"answer": each.answer, "since": each.since, "first": each.first}
                for part, each in settlement.pending.items()
            }
            or None,
            "fetched_at": attempt.fetched_at,
        }
        if attempt.renewed:
            changes |= {"received_at": iso(attempt.now), "expires_at": attempt.expires_at}
        if kept is None:  # details of an earlier event must not be taken for this one's
            changes |= dict.fromkeys(_DETAILS)
        if fetched.details is not None and fetched.summary is not None:
            placement = place(attempt.request.ticket, fetched.details)
            if placement.key is not None:
                self._store(attempt.expires_at).create(placement.key, placement.body, "application/gzip")
            changes |= {name: getattr(fetched.summary, name) for name in _FACTS}
            changes |= {
                "details_sha256": fetched.details.sha256,
                "details_bytes": fetched.details.size,
                **placement.attributes,
            }
        return changes

    def _mark_incomplete(
        self, attempt: _Attempt, fetched: Fetched, settlement: Settlement, changes: dict[str, Any]
    ) -> ArchiveResult:
        """Keep what came. Return PENDING if waiting is enough, or raise TicketIncomplete.

        An archived ticket stays as it is until everything new is there.
        """
        request, item = attempt.request, attempt.item
        for part, error in fetched.errors.items():
            logger.info("part missing", extra={"part": str(part), **describe(error)})
        pending = settlement.only_pending
        refetch = {} if item.attributes.get(INCOMPLETE) == REFETCH else {"requeues": 0}
        requeues = 0 if item.state is TicketState.ARCHIVED and refetch else item.requeues
        unknown = isinstance(fetched.errors.get(DETAILS), TicketNotFound)
        unknown_since = item.attributes.get("unknown_since", iso(attempt.now)) if unknown else None
        delay = self._delay(settlement, attempt.now)
        retry_in = (
            delay + _SCHEDULE_MARGIN if pending else max(request.queue_retry_seconds, pause_before_requeue(requeues))
        )
        failed = [error for part, error in fetched.errors.items() if part in settlement.failed]
        code = failed[0].code if failed else "pending"
        causes = _causes(item, fetched)
        retry_at = iso(self._clock() + timedelta(seconds=retry_in))
        try:
            if item.state is TicketState.ARCHIVED:
                kept = {"pending": changes["pending"], "unknown_since": unknown_since, **refetch}
                self._table.keep_pending(request.ticket, kept, retry_at)
            else:
                changes |= {"complete": False, "last_error": code, "unknown_since": unknown_since}
                changes["resume"] = request.event_id or item.resume or ""
                self._table.mark_incomplete(request.ticket, changes, retry_at, attempt.first)
        except WriteConflict:
            current = self._table.get(request.ticket)
            if current and current.state is TicketState.ARCHIVED and str(current.fetched_at) < attempt.fetched_at:
                raise  # an older fetch was archived meanwhile, and what this one saw must be fetched again
        self._publish(item)  # the attempt that wrote this state may have died before its manifest
        if pending:
            force = item.state is TicketState.ARCHIVED
            return ArchiveResult(Result.PENDING, causes=causes, retry_in=math.ceil(delay), force=force)
        pauses = [error.retry_after for error in failed if isinstance(error, RetryableError) and error.retry_after]
        raise TicketIncomplete(code, retry_after=max(pauses, default=None), causes=causes)

    def _delay(self, settlement: Settlement, now: datetime) -> float:
        """Return the seconds until pending answers are asked for again: doubled each time, exact at the settle time."""
        if settlement.settles_at is None:
            return self._retry_delay
        since = min(datetime.fromisoformat(each.first) for each in settlement.pending.values())
        left = (settlement.settles_at - now).total_seconds()
        return min(max(self._retry_delay, (now - since).total_seconds()), left, _MAX_DELAY)

    def _commit(self, attempt: _Attempt, changes: Mapping[str, Any]) -> ArchiveResult:
        """Write the item, then the manifest. After a lost race, look again: only a newer fetch ends the attempt."""
        item, ticket = attempt.item, attempt.request.ticket
        for _ in range(_ROUNDS):
            state = self._next_state(attempt, item, changes)
            result = Result.UNCHANGED if state.version == item.version else Result.ARCHIVED
            if attempt.request.recheck and result is Result.UNCHANGED:
                self._publish(item)
                return _described(result, item)
            written = {
                **changes,
                "version": state.version,
                "previous": state.previous,
                "archived_at": state.archived_at,
                "complete": state.complete,
                "pending": None,
            }
            recheck_at = self._recheck_at(attempt, item, state)
            if result is Result.ARCHIVED and not attempt.request.recheck:
                written["requeues"] = 0
            try:
                if result is Result.ARCHIVED:
                    self._publish(item)  # the attempt that wrote this state may have died before its manifest
                    self._keep_superseded_details(item, state)
                self._table.archive(item, written, attempt.first, recheck_at)
            except WriteConflict:
                current = self._table.get(ticket)
                if current is None:
                    raise
                if current.fetched_at is not None and current.fetched_at >= changes["fetched_at"]:
                    if current.state is not TicketState.ARCHIVED:
                        raise  # newer, but incomplete: as long as it is, nothing here counts as done
                    return self._already(current, Result.SUPERSEDED)
                item = current
                continue
            self._publish(state)
            if result is Result.ARCHIVED and not state.complete:
                logger.warning("archived incomplete", extra={"ticket": ticket, "missing": dict(state.missing)})
            return _described(result, state)
        raise WriteConflict("ticket")

    def _next_state(self, attempt: _Attempt, item: TicketItem, changes: Mapping[str, Any]) -> TicketItem:
        """Return the archived state that `changes` make of an item."""
        kept = attempt.kept
        types = {ImageType(name): TypeState(state) for name, state in changes["types"].items()}
        unrecognized = tuple(UnrecognizedFile(**file) for file in changes["unrecognized"] or ())
        sha256 = changes.get("details_sha256", kept.details_sha256 if kept else None)
        settled = all(state in (TypeState.STORED, TypeState.ABSENT) for state in types.values())
        state = replace(
            item,
            state=TicketState.ARCHIVED,
            outcome=changes.get("outcome", kept.outcome if kept else None),
            details_sha256=sha256,
            details_bytes=changes.get("details_bytes", kept.details_bytes if kept else None) or 0,
            images=tuple(StoredImage(**{**image, "type": ImageType(image["type"])}) for image in changes["images"]),
            types=types,
            complete=settled and sha256 is not None and not unrecognized,
            unrecognized=unrecognized,
            missing=changes["missing"] or {},
            expires_at=attempt.expires_at,
        )
        if item.version is not None and item.archived_at is not None and state_of(item) == state_of(state):
            return state
        previous = item.version if item.archived_at is not None else None
        version = version_of(state, item.version)
        return replace(state, version=version, previous=previous, archived_at=iso(self._clock()))

    def _recheck_at(self, attempt: _Attempt, item: TicketItem, state: TicketItem) -> str | None:
        """Return when the schedule asks once more for what is absent though uploaded, or unrecognized."""
        absent = any(kind.uploaded and each is TypeState.ABSENT for kind, each in state.types.items())
        if state.complete and not absent:
            return None
        if attempt.request.recheck or state.version == item.version:
            return item.attributes.get("retry_at")
        return iso(attempt.now + _FIRST_RECHECK)

    def _keep_superseded_details(self, item: TicketItem, state: TicketItem) -> None:
        """Store the details of the version that is about to be replaced, so that every version stays readable."""
        if item.version is None or not item.details_sha256 or item.details_sha256 == state.details_sha256:
            return
        attributes = item.attributes
        if "details" in attributes:
            body = gzip.compress(to_json(attributes["details"]), mtime=0)
        elif "details_packed" in attributes:
            body = attributes["details_packed"]
        else:
            return
        key = details_key(item.ticket, item.details_sha256)
        self._store(item.expires_at).create(key, body, "application/gzip")

    def _publish(self, item: TicketItem) -> None:
        """Write the manifest of the item's state unless it exists."""
        if item.version is None or item.archived_at is None:
            return
        key = manifest_key(item.ticket, item.version)
        if self._bucket.create(key, write_manifest(item), "application/json", limited=is_limited(item.expires_at)):
            logger.info("manifest written", extra={"ticket": item.ticket, "version": item.version})


def _continues(item: TicketItem, request: ArchiveRequest) -> bool:
    """Return whether the attempt may build on what the item holds.

    An event that is newer than the last fetch means that the vendor has something newer, so everything is fetched.
    """
    if item.state is TicketState.ARCHIVED:
        return request.recheck
    if item.state is not TicketState.INCOMPLETE or request.force:
        return False
    return request.event_id is None or request.received_at <= (item.fetched_at or "")


def _missing(fetched: Fetched, settlement: Settlement) -> dict[str, str]:
    """Return a short code for each part that is not there, such as `empty`, `not_json` or `403`."""
    missing = {str(part): error.detail or error.code for part, error in fetched.errors.items()}
    missing |= {str(part): EMPTY for part in settlement.waiting if str(part) not in missing}
    return missing


def _causes(item: TicketItem, fetched: Fetched) -> frozenset[str]:
    """Return the codes of what could not be used, without responses that were unrecognized before already."""
    known = {part for part, pending in item.pending.items() if pending.answer != EMPTY}
    known |= {file.type for file in item.unrecognized}
    return frozenset(
        error.code
        for part, error in fetched.errors.items()
        if not (isinstance(error, UnrecognizedResponse) and part in known)
    )


def _described(result: Result, item: TicketItem) -> ArchiveResult:
    return ArchiveResult(result, complete=item.complete, has_outcome=item.outcome is not None)
