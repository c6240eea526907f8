"""Process a queue message: open it, and archive the ticket that it is about."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ingest.archiving.archiver import Archiver
from ingest.archiving.models import RECHECK, SCHEDULE, SETTLE, ArchiveRequest, ProcessingResult, Result
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import EventIdempotency
from ingest.messaging.queue import Queue
from ingest.webhooks.event import MAX_EVENT_BYTES, EventKind, TicketEvent, open_webhook, request_for
from ticket_archive.errors import Reason, TicketErased, TicketIncomplete, TicketInProgress, UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message, ticket_message, webhook_message
from ticket_archive.telemetry import logger


@dataclass(repr=False, eq=False)
class Message:
    """A delivery from the queue. `sent_at` is ISO 8601 in UTC; `receives` includes this delivery.

    The `final` delivery is the last one: if it fails, the message becomes a dead letter.
    """

    body: str
    sent_at: str
    receives: int = 1
    final: bool = False


@dataclass(kw_only=True, repr=False, eq=False)
class MessageProcessor:
    """Archives completed tickets, asks the vendor about unrecognized events, and quarantines unreadable requests."""

    archiver: Archiver
    idempotency: EventIdempotency
    queue: Queue
    quarantine_queue: Queue
    webhook_secrets: Callable[[], Iterable[bytes]]
    allow_plaintext: bool
    retry_delay: float

    def process(self, message: Message, deadline: float) -> ProcessingResult:
        """Process one delivery; calls to the vendor end at `deadline` (monotonic seconds).

        Raises RetryableError, SettingsError, and what storage raises: the message must be delivered again then.
        """
        try:
            content = read_message(message.body)
        except UnreadableWebhook as error:
            return self._to_quarantine(message.body, error.detail)
        if isinstance(content, TicketRequest):
            return self._process_request(content, message, deadline)
        try:
            event = open_webhook(content, secrets=self.webhook_secrets(), allow_plaintext=self.allow_plaintext)
            if isinstance(event, TicketEvent):
                return self._process_event(event, message, deadline)
            return self._split(event, content)
        except UnreadableWebhook as error:
            marked = webhook_message(content.model_copy(update={"quarantined": True}))
            return self._to_quarantine(marked, error.detail, again=content.quarantined)

    def _split(self, events: list[bytes], webhook: Webhook) -> ProcessingResult:
        """Send each event as a message. They are sent again if this one is delivered again, and processed once."""
        for each in events:
            if len(each) <= MAX_EVENT_BYTES:
                self.queue.send(webhook_message(request_for(each, webhook, self.webhook_secrets())))
        if max(map(len, events)) > MAX_EVENT_BYTES:
            raise UnreadableWebhook(Reason.TOO_LARGE)
        return ProcessingResult(Result.SPLIT)

    def _to_quarantine(self, body: str, reason: str, *, again: bool = False) -> ProcessingResult:
        self.quarantine_queue.quarantine(body, reason)
        return ProcessingResult(Result.QUARANTINED_AGAIN if again else Result.QUARANTINED, reason=reason)

    def _process_event(self, event: TicketEvent, message: Message, deadline: float) -> ProcessingResult:
        logger.thread_safe_append_keys(event_id=event.event_id, ticket=event.ticket)
        about: dict[str, Any] = {"ticket": event.ticket, "event_id": event.event_id, "kind": event.name}
        if event.kind is EventKind.IN_PROGRESS:
            return ProcessingResult(Result.IN_PROGRESS, **about)
        hint = event.kind is EventKind.UNRECOGNIZED
        request = ArchiveRequest(
            event.ticket,
            event.received_at,
            self._queue_retry_seconds(message),
            event_id=event.event_id,
            event=event.name,
            # Anyone can post an event in plaintext, so an invented ticket must cost one vendor call and not six. An
            # encrypted event comes from the vendor, or is a replay: its ticket is fetched in parallel at first.
            details_first=not event.encrypted or message.receives > 1,
            hint=hint,
            receives=message.receives,
        )
        about |= {"received_at": event.received_at, "unrecognized": hint}
        archive = partial(self._archived, about, request, message, deadline)
        result = self.idempotency.run(event.event_id, archive)
        if result is None and not self.archiver.is_repeated(event.ticket, event.event_id, event.received_at):
            result = archive()  # a change, or a return to an earlier state, may be announced in the same words
        return result or ProcessingResult(Result.DUPLICATE, **about)

    def _process_request(self, request: TicketRequest, message: Message, deadline: float) -> ProcessingResult:
        logger.thread_safe_append_keys(ticket=request.ticket)
        wanted = ArchiveRequest(
            request.ticket,
            message.sent_at,
            self._queue_retry_seconds(message),
            force=request.force,
            recheck=request.kind == RECHECK,
            settle=request.settle,
            details_first=message.receives > 1,
            follow_up=request.kind in (SCHEDULE, RECHECK, SETTLE),
            receives=message.receives,
        )
        about: dict[str, Any] = {"ticket": request.ticket, "kind": request.kind}
        if not wanted.follow_up:  # which is for a webhook whose own message is done
            about["received_at"] = None
        return self._archived(about, wanted, message, deadline)

    def _archived(
        self, about: dict[str, Any], request: ArchiveRequest, message: Message, deadline: float
    ) -> ProcessingResult:
        """Archive the ticket. A hint about a ticket in progress is not retried, nor is a follow-up's final delivery.

        A pending ticket gets a message of its own, so that waiting for the vendor uses up none of this one's receives.
        `about` are fields of the result.
        """
        try:
            archived = self.archiver.archive(request, deadline)
        except TicketErased:
            return ProcessingResult(Result.ERASED, **about)
        except TicketIncomplete as error:
            if request.hint and TicketInProgress.code in error.causes:
                return ProcessingResult(Result.IN_PROGRESS, **about)
            if request.follow_up and message.final:  # the schedule asks again: no dead letter is needed
                return ProcessingResult(Result.INCOMPLETE, causes=tuple(sorted(error.causes)), **about)
            raise
        if archived.retry_in is not None:
            body = ticket_message(request.ticket, kind=SETTLE, force=archived.force)
            message_id = self.queue.send(body, archived.retry_in)
            logger.info("settle scheduled", extra={"correlation_id": message_id, "delay": archived.retry_in})
        return archived._replace(retry_in=None, force=False, **about)

    def _queue_retry_seconds(self, message: Message) -> float:
        """Return an upper bound for the seconds until the queue's next delivery is processed; 0 if there is none."""
        if message.final:
            return 0.0
        return 2.0 * pause_before_delivery(message.receives + 1, self.retry_delay, None, 1.0)
