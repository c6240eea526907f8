"""Archive a ticket: fetch what is missing, store it, and announce each new state exactly once.

Files are stored first, then the item (conditional), then the manifest, so that a crash loses nothing: each step may be
repeated. A manifest is the same bytes under the same key each time, and any attempt may write that of the item's state.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ingest.archiving.fetcher import Fetcher
from ingest.archiving.models import ArchiveRequest, Attempt, Fetched, ProcessingResult, Result
from ingest.archiving.next_state import causes_of, changes_of, next_state, recheck_at, settlement_of
from ingest.archiving.settling import Observation, Settlement
from ingest.messaging.backoff import next_requeue, pause_before_delivery, pause_before_requeue, pause_for_unknown_ticket
from ticket_archive.bucket import Bucket
from ticket_archive.clock import iso
from ticket_archive.details import compressed, stored_form
from ticket_archive.errors import (
    RecentlyFetched,
    RetryableError,
    TicketErased,
    TicketIncomplete,
    TicketInProgress,
    TicketNotFound,
    WriteConflict,
)
from ticket_archive.keys import details_key, manifest_key
from ticket_archive.manifest import write_manifest
from ticket_archive.models import DETAILS, ImageType, TicketItem, TicketState, TypeState
from ticket_archive.retention import expires, is_expired
from ticket_archive.table import INCOMPLETE_KEY, Due, TicketTable
from ticket_archive.telemetry import describe, logger

_MAX_WRITES = 3
"""Attempts to write the item, of which concurrent writes may fail some, before the message goes back to the queue."""

_REFETCH_INTERVAL = timedelta(minutes=1)
_REPEAT_WINDOW = timedelta(hours=1)
_MAX_DELAY = 900.0  # seconds; the longest DelaySeconds of SQS
_SCHEDULE_MARGIN = 120.0  # seconds that the schedule leaves a delayed message before it queues the ticket itself
_UNKNOWN_TICKET_TTL = timedelta(days=1)


@dataclass(kw_only=True, repr=False, eq=False)
class Archiver:
    """Archives tickets. `clock` gives the time that decides which fetch is newer."""

    fetcher: Fetcher
    table: TicketTable
    bucket: Bucket
    clock: Callable[[], datetime]
    image_types: Sequence[ImageType]
    retention_days: int
    settle_time: timedelta
    unknown_after: timedelta
    retry_delay: float
    max_age: timedelta

    def archive(self, request: ArchiveRequest, deadline: float) -> ProcessingResult:
        """Fetch what is missing of a ticket and archive it. `deadline` (monotonic seconds) bounds the vendor calls.

        Raises TicketErased, TicketIncomplete (with the code of what is missing first as its detail), TicketNotFound,
        RecentlyFetched, WriteConflict, and what the table or the bucket raises. Each leaves a state from which the
        next attempt continues.
        """
        now = self.clock()
        item = self.table.get(request.ticket)
        if item is None and request.recheck:  # deleted since
            return ProcessingResult(Result.UNCHANGED)
        if item is not None:
            if done := self._without_fetch(request, item, now):
                return done
            item = self.table.begin(request.ticket, iso(now))
        attempt = Attempt.of(request, item, now, self.retention_days)
        fetched = self._fetch(attempt, deadline)
        error = fetched.errors.get(DETAILS)
        if isinstance(error, TicketNotFound):
            if unknown := self._unknown(attempt, fetched):
                return unknown
            self._record_event(attempt)
            if attempt.has_content and attempt.resumed is None:
                attempt, fetched = self._with_content(attempt, fetched)
        elif isinstance(error, TicketInProgress):
            if request.recheck or (request.hint and attempt.item.state is not TicketState.INCOMPLETE):
                return self._already(attempt.item, Result.UNCHANGED if request.recheck else Result.IN_PROGRESS)
            self._record_event(attempt)
            if not (attempt.before and set(request.settle) >= set(self.image_types)):
                # Keep nothing of a ticket that is not final, not even earlier content: images may be taken again.
                attempt = attempt._replace(resumed=None, before=None)
                fetched = Fetched(
                    errors=dict.fromkeys(self._parts, error),
                    observed=dict.fromkeys(self._parts, Observation(TypeState.FAILED)),
                )
        if request.recheck and attempt.item.details_sha256 and fetched.details and not fetched.details.facts.outcome:
            fetched.details = None  # a recheck is for the outcome: details may differ in each response
        settlement = settlement_of(attempt, fetched, self.image_types, self.settle_time)
        stored, body = stored_form(request.ticket, fetched.details) if fetched.details else ({}, b"")
        if body:
            self.bucket.store(stored["details_key"], body, "application/gzip", expiring=expires(attempt.expires_at))
        changes = changes_of(attempt, fetched, settlement, stored)
        if settlement.waiting:
            return self._mark_incomplete(attempt, fetched, settlement, changes)
        item = attempt.item
        if item.state is TicketState.ARCHIVED and item.details_sha256 and not (attempt.resumed or fetched.details):
            # Details are never replaced by nothing: the archived state stays, and is not fetched again.
            self.table.keep_pending(request.ticket, {"pending": None, "unknown_since": None}, None)
            return self._already(item, Result.UNCHANGED)
        first = attempt.item.version is None and attempt.event_id is not None
        return self._commit(attempt, {**changes, "event_id": attempt.event_id})._replace(
            causes=causes_of(attempt.item, fetched),
            received_at=attempt.item.received_at if first else None,
        )

    def is_repeated(self, ticket: str, event_id: str, received_at: str) -> bool:
        """Return whether the ticket's state came from this event, and it is received again within an hour of its fetch.

        After that it may announce changed details, which an event does not name.
        """
        item = self.table.get(ticket)
        if item is None or item.fetched_at is None or item.attributes.get("event_id") != event_id:
            return False
        return datetime.fromisoformat(received_at) < datetime.fromisoformat(item.fetched_at) + _REPEAT_WINDOW

    @property
    def _parts(self) -> tuple[str, ...]:
        return (DETAILS, *self.image_types)

    def _without_fetch(self, request: ArchiveRequest, item: TicketItem, now: datetime) -> ProcessingResult | None:
        """Return the result of a request that needs no call to the vendor, or None.

        An event that was received before the ticket's last fetch changes nothing, unless that fetch was its own and
        left the ticket incomplete. A newer one is fetched, but at most once a minute for each ticket, even if it is
        replayed. Raises TicketErased and RecentlyFetched.
        """
        if item.state is TicketState.ERASED:
            raise TicketErased
        over = is_expired(item.expires_at, now)
        if (request.follow_up and over) or (request.recheck and item.state is not TicketState.ARCHIVED):
            return ProcessingResult(Result.UNCHANGED)
        if over or request.force:
            return None
        if request.event_id is None:
            if item.state is not TicketState.ARCHIVED or request.recheck:
                return None
            return self._already(item, Result.ALREADY_ARCHIVED)
        pause = min(_REFETCH_INTERVAL, self.settle_time / 10)
        if request.received_at <= (item.fetched_at or ""):
            if item.state is TicketState.ARCHIVED:
                return self._already(item, Result.SUPERSEDED)
            if item.resume != request.event_id:
                return ProcessingResult(Result.SUPERSEDED)
            # Copies of the event come sooner than the queue delivers its message again.
            pause = min(pause, timedelta(seconds=pause_before_delivery(1, self.retry_delay, None, 0.0)))
        attempted_at = item.attributes.get("attempted_at")
        if attempted_at is not None:
            wait = datetime.fromisoformat(attempted_at) + pause - now
            if wait > timedelta(0):
                raise RecentlyFetched(retry_after=wait.total_seconds())
        return None

    def _already(self, item: TicketItem, result: Result) -> ProcessingResult:
        self._publish(item)
        return ProcessingResult(result)

    def _fetch(self, attempt: Attempt, deadline: float) -> Fetched:
        return self.fetcher.fetch(
            attempt.request.ticket,
            attempt.wanted(self.image_types),
            deadline,
            expiring=expires(attempt.expires_at),
            with_details=attempt.resumed is None or attempt.resumed.outcome is None,  # they may have been too early
            details_first=attempt.never_seen and attempt.request.details_first,
            on_known_ticket=partial(self._record_event, attempt),
        )

    def _record_event(self, attempt: Attempt) -> None:
        request = attempt.request
        if request.event_id is not None and request.event is not None:
            self.table.put_event(
                request.ticket, request.event_id, request.received_at, request.event, attempt.expires_at
            )

    def _unknown(self, attempt: Attempt, fetched: Fetched) -> ProcessingResult | None:
        """Retry an unknown ticket for `unknown_after`, then stop without creating an item.

        For a ticket with an item, the time begins with the first 404 in a row. Returns None before its end, for an
        incomplete ticket of which something is stored, and for a recheck.
        """
        item, request = attempt.item, attempt.request
        if attempt.never_seen:
            age = attempt.now - datetime.fromisoformat(request.received_at)
            # What the queue waited before the first attempt does not count: the vendor was not asked.
            pauses = [
                pause_for_unknown_ticket(receives, self.retry_delay, self.unknown_after)
                for receives in range(1, request.receives + 1)
            ]
            left = self.unknown_after - min(age, sum(pauses[:-1], timedelta(0)))
            if left > timedelta(0):
                pause = min(pauses[-1], left)
                raise TicketNotFound(fetched.errors[DETAILS].detail, retry_after=pause.total_seconds())
            return ProcessingResult(Result.UNKNOWN_TICKET)
        since = attempt.unknown_since
        if attempt.has_content or request.recheck or since is None:
            return None
        if attempt.now - datetime.fromisoformat(since) < self.unknown_after:
            return None
        with suppress(WriteConflict):
            if item.state is TicketState.ARCHIVED:
                self.table.keep_pending(request.ticket, {"pending": None, "unknown_since": None}, None)
            else:
                self.table.expire(item, int((attempt.now + _UNKNOWN_TICKET_TTL).timestamp()))
        self._publish(item)
        return ProcessingResult(Result.UNKNOWN_TICKET)

    def _with_content(self, attempt: Attempt, fetched: Fetched) -> tuple[Attempt, Fetched]:
        """Return the attempt as one that resumes the item, with nothing fetched."""
        parts = [part for part in self._parts if part == DETAILS or attempt.item.types.get(ImageType(part)) != "stored"]
        errors = {part: error for part, error in fetched.errors.items() if part in parts}
        return (
            attempt._replace(resumed=attempt.item, request=attempt.request._replace(event_id=None)),
            Fetched(errors=errors, observed=dict.fromkeys(parts, Observation(TypeState.FAILED))),
        )

    def _mark_incomplete(
        self, attempt: Attempt, fetched: Fetched, settlement: Settlement, changes: dict[str, Any]
    ) -> ProcessingResult:
        """Keep what was fetched. Return PENDING if waiting is enough, or raise TicketIncomplete.

        An archived ticket does not change until its new state is complete.
        """
        request, item = attempt.request, attempt.item
        for part, error in fetched.errors.items():
            logger.info("part missing", extra={"part": str(part), **describe(error)})
        refetch = {} if item.attributes.get(INCOMPLETE_KEY) == Due.REFETCH else {"requeues": 0}
        requeues = 0 if item.state is TicketState.ARCHIVED and refetch else item.requeues
        unknown = isinstance(fetched.errors.get(DETAILS), TicketNotFound)
        unknown_since = attempt.unknown_since or iso(attempt.now) if unknown else None
        delay = self._delay(settlement, attempt.now)
        if delay is None:
            retry_in = max(request.queue_retry_seconds, pause_before_requeue(requeues))
        else:
            retry_in = delay + _SCHEDULE_MARGIN
        failed = [error for part, error in fetched.errors.items() if part in settlement.failed]
        code = failed[0].code if failed else "pending"
        causes = causes_of(item, fetched)
        try:
            if item.state is TicketState.ARCHIVED:
                retry_at = iso(self.clock() + timedelta(seconds=retry_in))
                pending_changes = {"pending": changes["pending"], "unknown_since": unknown_since, **refetch}
                self.table.keep_pending(request.ticket, pending_changes, retry_at)
            else:
                received_at = changes.get("received_at") or item.received_at or iso(attempt.now)
                retry_at = iso(next_requeue(self.clock(), retry_in, received_at, self.max_age))
                changes |= {"complete": False, "last_error": code, "unknown_since": unknown_since}
                changes["resume"] = request.event_id or item.resume or ""
                self.table.mark_incomplete(request.ticket, changes, retry_at, attempt.defaults)
        except WriteConflict:
            current = self.table.get(request.ticket)
            if current and current.state is TicketState.ARCHIVED and str(current.fetched_at) < attempt.fetched_at:
                raise  # an older fetch was archived meanwhile, and what this one saw must be fetched again
        self._publish(item)  # the attempt that wrote this state may have died before its manifest
        if delay is not None:
            force = item.state is TicketState.ARCHIVED
            return ProcessingResult(Result.PENDING, causes=causes, retry_in=math.ceil(delay), force=force)
        pauses = [error.retry_after for error in failed if isinstance(error, RetryableError) and error.retry_after]
        raise TicketIncomplete(code, retry_after=max(pauses, default=None), causes=causes)

    def _delay(self, settlement: Settlement, now: datetime) -> float | None:
        """Return the seconds until pending answers are fetched again: doubled each time, exact at the settle time."""
        if settlement.settles_at is None:
            return None
        since = min(each.first for each in settlement.pending.values())
        left = (settlement.settles_at - now).total_seconds()
        return min(max(self.retry_delay, (now - since).total_seconds()), left, _MAX_DELAY)

    def _commit(self, attempt: Attempt, changes: Mapping[str, Any]) -> ProcessingResult:
        """Write the item, then the manifest. After a conflict, try again unless a newer fetch was archived."""
        item, ticket = attempt.item, attempt.request.ticket
        for _ in range(_MAX_WRITES):
            state = next_state(attempt, item, changes, self.clock())
            new = state.version != item.version
            if attempt.request.recheck and not new:
                return self._already(item, Result.UNCHANGED)
            decided = state.model_dump(include={"version", "previous", "archived_at", "complete"})
            written = {**changes, **decided, "pending": None}
            if new and not attempt.request.recheck:
                written["requeues"] = 0
            try:
                if new:
                    self._publish(item)  # the attempt that wrote this state may have died before its manifest
                    self._keep_superseded_details(item, state)
                self.table.archive(item, written, attempt.defaults, recheck_at(attempt, item, state))
            except WriteConflict:
                current = self.table.get(ticket)
                if current is None:
                    raise
                if current.fetched_at is not None and current.fetched_at >= changes["fetched_at"]:
                    if current.state is not TicketState.ARCHIVED:
                        raise  # newer but incomplete, so this message is not done
                    return self._already(current, Result.SUPERSEDED)
                item = current
                continue
            if not new:
                return self._already(state, Result.UNCHANGED)
            self._publish(state)
            incomplete = not state.complete
            if incomplete:
                logger.warning("archived incomplete", extra={"ticket": ticket, "missing": dict(state.missing)})
            return ProcessingResult(Result.ARCHIVED, incomplete=incomplete, without_outcome=state.outcome is None)
        raise WriteConflict("ticket")

    def _keep_superseded_details(self, item: TicketItem, state: TicketItem) -> None:
        """Store the details of the version that is about to be replaced, so that every version stays readable."""
        if item.version is None or not item.details_sha256 or item.details_sha256 == state.details_sha256:
            return
        if (body := compressed(item.attributes)) is not None:
            key = details_key(item.ticket, item.details_sha256)
            self.bucket.store(key, body, "application/gzip", expiring=expires(item.expires_at))

    def _publish(self, item: TicketItem) -> None:
        """Write the manifest of the item's state unless it exists."""
        if item.version is None or item.archived_at is None:
            return
        key = manifest_key(item.ticket, item.version)
        if self.bucket.create(key, write_manifest(item), "application/json", expiring=expires(item.expires_at)):
            logger.info("manifest written", extra={"ticket": item.ticket, "version": item.version})
