"""The types of archiving: a request, the attempt, what it fetched, and the result. Pure: no I/O."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from ingest.archiving.settling import Observation
from ticket_archive.clock import iso
from ticket_archive.details import Details
from ticket_archive.errors import ArchiveError
from ticket_archive.models import ImageType, StoredImage, TicketItem, TicketState, TypeState, UnrecognizedFile
from ticket_archive.retention import expires, expiry, is_expired
from ticket_archive.table import INCOMPLETE_KEY

SCHEDULE, RECHECK, SETTLE = "schedule", "recheck", "settle"
"""The `kind` of the archive's own messages: about an incomplete ticket, a ticket to recheck, and a pending ticket."""


class Result(StrEnum):
    """The result of a message or an attempt that did not fail."""

    ARCHIVED = "archived"
    UNCHANGED = "unchanged"
    ALREADY_ARCHIVED = "already_archived"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    INCOMPLETE = "incomplete"
    UNKNOWN_TICKET = "unknown_ticket"
    IN_PROGRESS = "in_progress"
    ERASED = "erased"
    DUPLICATE = "duplicate"
    SPLIT = "split"
    QUARANTINED = "quarantined"
    QUARANTINED_AGAIN = "quarantined_again"


class ArchiveRequest(NamedTuple):
    """A request to archive a ticket. `event_id` and `event` are None if a message requests it.

    `queue_retry_seconds` is for how many seconds the queue retries by itself if this attempt fails; the schedule waits
    at least that long. `force` archives an archived ticket again, `recheck` fetches what an archived one lacks.
    The types in `settle` are taken as the vendor answers them now; with all of them, the details are too. With
    `details_first`, no image of a ticket that was never seen is fetched before the vendor has confirmed that it exists.
    A `hint` leaves nothing behind if the ticket is in progress. A `follow_up` is the archive's own message about a
    ticket that it has, and does not begin the ticket's retention again. `receives` counts the message's deliveries.
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
    follow_up: bool = False
    receives: int = 1


class ProcessingResult(NamedTuple):
    """The result of processing a message. `kind` is the event's name, or who requested the ticket.

    `incomplete` and `without_outcome` describe a new version. `causes` are the codes of the parts that could not be
    used; an unrecognized response counts when it is first seen. `received_at` is when the webhook arrived that led to
    the ticket's first version, or that is in the message.

    For PENDING, a new message must request the ticket again in `retry_in` seconds, with `force` as given: the processed
    message is done, so that waiting uses up none of its receives.
    """

    result: Result
    ticket: str | None = None
    event_id: str | None = None
    kind: str | None = None
    reason: str | None = None
    received_at: str | None = None
    unrecognized: bool = False
    incomplete: bool = False
    without_outcome: bool = False
    causes: tuple[str, ...] = ()
    retry_in: int | None = None
    force: bool = False

    def codes(self) -> dict[str, Any]:
        """Return the fields that are set, for a log line: codes and identifiers only."""
        return {name: value for name, value in self._asdict().items() if value}


@dataclass(repr=False, eq=False)
class Fetched:
    """What an attempt fetched. `observed` and `errors` are by part (an image type or DETAILS), details first.

    Details of a ticket in progress are included, with TicketInProgress as their error.
    """

    details: Details | None = None
    images: list[StoredImage] = field(default_factory=list)
    unrecognized: list[UnrecognizedFile] = field(default_factory=list)
    observed: dict[str, Observation] = field(default_factory=dict)
    errors: dict[str, ArchiveError] = field(default_factory=dict)


class Attempt(NamedTuple):
    """One attempt.

    `item` is the ticket as it was read. `resumed` is the same item if the attempt resumes it, or None: then everything
    is fetched. `before` is the resumed or incomplete item whose content stays where the vendor gives no answer.
    `renewed` is whether the item was about to be deleted. `expires_at` is in epoch seconds.
    """

    request: ArchiveRequest
    now: datetime
    item: TicketItem
    resumed: TicketItem | None
    before: TicketItem | None
    renewed: bool
    expires_at: int | None

    @classmethod
    def of(cls, request: ArchiveRequest, item: TicketItem | None, now: datetime, retention_days: int) -> Self:
        """Return the attempt on a ticket that was read as `item`, None if it is unknown."""
        expires_at = expiry(iso(now), retention_days)
        if item is None:
            new = TicketItem(ticket=request.ticket, state=TicketState.RECEIVED)
            return cls(request, now, new, None, None, False, expires_at)
        if is_expired(item.expires_at, now) or _is_unlisted(item):
            # DynamoDB and S3 are about to delete the content: everything is fetched and stored as if they had. The
            # version stays, because the condition on the item needs it; the new manifest has a key of its own. The day
            # that an unknown ticket had left must not become an archived ticket's retention.
            # An archived item keeps pending answers of this state: the writes of a pending attempt do not renew it.
            pending = item.pending if item.state is TicketState.ARCHIVED else {}
            emptied = {"details_sha256": None, "images": (), "archived_at": None, "pending": pending}
            item = item.model_copy(update=emptied)
            return cls(request, now, item, None, None, True, expires_at)
        resumed = item if _continues(item, request) else None
        before = item if item.state is TicketState.INCOMPLETE else resumed
        return cls(request, now, item, resumed, before, False, item.expires_at)

    @property
    def fetched_at(self) -> str:
        """When the oldest part of the content was fetched, which decides whether a write is newer.

        An attempt that continues an earlier one uses that one's time plus 1 µs: newer than what it continues, older
        than anything else that was fetched meanwhile.
        """
        if self.resumed is None or self.resumed.fetched_at is None:
            return iso(self.now)
        return iso(datetime.fromisoformat(self.resumed.fetched_at) + timedelta(microseconds=1))

    @property
    def event_id(self) -> str | None:
        """The event that leads to this state: the request's, or that of the attempt which is resumed."""
        if self.resumed is None:
            return self.request.event_id
        return self.resumed.resume or self.resumed.attributes.get("event_id")

    @property
    def defaults(self) -> dict[str, Any]:
        """The attributes that a write sets only where they are missing."""
        now = iso(self.now)
        return {"received_at": now, "expires_at": self.expires_at, "attempts": 1, "attempted_at": now}

    @property
    def unknown_since(self) -> str | None:
        """Since when the vendor has responded that it does not know the ticket, over all attempts.

        A newer event of a ticket that was never archived begins this time again: the vendor may only be late.
        """
        newer = self.item.state is TicketState.INCOMPLETE and self.resumed is None and self.request.event_id is not None
        return None if newer or self.renewed else self.item.attributes.get("unknown_since")

    @property
    def has_content(self) -> bool:
        """Whether the ticket is incomplete and some of it is stored."""
        return self.item.state is TicketState.INCOMPLETE and bool(self.item.details_sha256 or self.item.images)

    @property
    def never_seen(self) -> bool:
        """Whether no attempt has written anything of the ticket."""
        return self.item.fetched_at is None

    def wanted(self, types: Iterable[ImageType]) -> list[ImageType]:
        """Return which of these types to fetch."""
        return [kind for kind in types if self.resumed is None or self.resumed.types.get(kind) is not TypeState.STORED]


def _is_unlisted(item: TicketItem) -> bool:
    """Return whether the ticket was unknown to the vendor for so long that its item expires (`TicketTable.expire`)."""
    return item.state is TicketState.INCOMPLETE and INCOMPLETE_KEY not in item.attributes and expires(item.expires_at)


def _continues(item: TicketItem, request: ArchiveRequest) -> bool:
    """Return whether the attempt may build on what the item holds.

    An event that is newer than the last fetch means that the vendor has something newer, so everything is fetched.
    """
    if item.state is TicketState.ARCHIVED:
        return request.recheck
    return not request.force and (request.event_id is None or request.received_at <= (item.fetched_at or ""))
