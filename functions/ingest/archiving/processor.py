"""Process a queue message: open it, and archive the ticket that it is about."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from ingest.archiving.archiver import Archive, ArchiveRequest
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import DUPLICATE, EventIdempotency
from ingest.webhooks.event import EventKind, TicketEvent, open_webhook
from ticket_archive.errors import TicketErased, TicketIncomplete, TicketInProgress, UnreadableWebhook
from ticket_archive.messages import TicketRequest, read_message, webhook_message
from ticket_archive.telemetry import append_log_keys

QUARANTINED = "quarantined"
QUARANTINED_AGAIN = "quarantined_again"
IN_PROGRESS = "in_progress"
ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery from the queue. `sent_at` is ISO 8601 in UTC; `receives` includes this delivery."""

    body: str = field(repr=False)
    id: str
    sent_at: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class ProcessingResult:
    """What became of a message. `result` is a code that may be counted; `received_at` is when its webhook arrived.

    `kind` is the event's name, or who requested the ticket.
    """

    result: str
    ticket: str | None = None
    event_id: str | None = None
    kind: str | None = None
    reason: str | None = None
    received_at: str | None = None
    unrecognized: bool = False

    def codes(self) -> dict[str, Any]:
        """Return the fields that are set, for a log line: codes and identifiers only."""
        return {name: value for name, value in asdict(self).items() if value}


class Quarantine(Protocol):
    """`ingest.messaging.queue.QuarantineQueue`."""

    def quarantine(self, body: str, reason: str) -> None:
        """Keep a message with a reason."""
        ...


class MessageProcessor:
    """Archives completed tickets, asks the vendor about unrecognized events, and quarantines unreadable requests."""

    def __init__(
        self,
        *,
        archive: Archive,
        idempotency: EventIdempotency,
        quarantine: Quarantine,
        webhook_secrets: Callable[[], Sequence[bytes]],
        allow_plaintext: bool,
        retry_delay: float,
    ) -> None:
        self._archive = archive
        self._idempotency = idempotency
        self._quarantine = quarantine
        self._webhook_secrets = webhook_secrets
        self._allow_plaintext = allow_plaintext
        self._retry_delay = retry_delay

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
            event = open_webhook(content, secrets=self._webhook_secrets(), allow_plaintext=self._allow_plaintext)
        except UnreadableWebhook as error:
            marked = webhook_message(content.model_copy(update={"quarantined": True}))
            return self._to_quarantine(marked, error.detail, again=content.quarantined)
        return self._process_event(event, message, deadline)

    def _to_quarantine(self, body: str, reason: str, *, again: bool = False) -> ProcessingResult:
        self._quarantine.quarantine(body, reason)
        return ProcessingResult(QUARANTINED_AGAIN if again else QUARANTINED, reason=reason)

    def _process_event(self, event: TicketEvent, message: Message, deadline: float) -> ProcessingResult:
        append_log_keys(event_id=event.event_id, ticket=event.ticket)
        done = ProcessingResult(event.kind.value, event.ticket, event.event_id, event.name)
        if event.kind is EventKind.IN_PROGRESS:
            return done
        request = ArchiveRequest(
            event.ticket, event.received_at, self._patience(message), event_id=event.event_id, event=event.name
        )

        def archive() -> str:
            return self._archived(request, deadline, hint=event.kind is EventKind.UNRECOGNIZED)

        result = self._idempotency.run(event.event_id, archive)
        if result == DUPLICATE and not self._archive.is_latest(event.ticket, event.event_id):
            result = archive()  # a ticket that returns to an earlier state may be announced in the very same words
        return replace(
            done,
            result=result,
            received_at=event.received_at,
            unrecognized=event.kind is EventKind.UNRECOGNIZED,
        )

    def _process_request(self, request: TicketRequest, message: Message, deadline: float) -> ProcessingResult:
        append_log_keys(ticket=request.ticket)
        wanted = ArchiveRequest(request.ticket, message.sent_at, self._patience(message), force=request.force)
        return ProcessingResult(self._archived(wanted, deadline), request.ticket, kind=request.kind)

    def _archived(self, request: ArchiveRequest, deadline: float, *, hint: bool = False) -> str:
        """Return the code of the archive's result. A hint about a ticket in progress is done."""
        try:
            return self._archive.archive(request, deadline).value
        except TicketErased:
            return ERASED
        except TicketIncomplete as error:
            if hint and TicketInProgress.code in error.causes:
                return IN_PROGRESS
            raise

    def _patience(self, message: Message) -> float:
        """Return generously the seconds until the queue's next delivery has had its turn."""
        return 2.0 * pause_before_delivery(message.receives + 1, self._retry_delay, None, 1.0)
