"""The queue door's use case: open a message and do what it asks for."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ingest.archiving.archiver import Archive, ArchiveRequest
from ingest.messaging.backoff import pause_before_delivery
from ingest.messaging.idempotency import DUPLICATE, EventIdempotency
from ingest.messaging.messages import TicketRequest, read_message
from ingest.webhooks.event import EventKind, TicketEvent, Webhook, open_webhook
from ticket_archive.errors import SettingsError, TicketErased, UnreadableWebhook
from ticket_archive.telemetry import append_log_keys

QUARANTINED = "quarantined"
ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery from the queue. `sent_at` is ISO 8601 UTC; `receives` counts this delivery too."""

    body: str = field(repr=False)
    id: str
    sent_at: str
    receives: int = 1


@dataclass(frozen=True, slots=True)
class ProcessingResult:
    """What became of a message. `result` is a code that may be counted; `received_at` is when its webhook came."""

    result: str
    ticket: str | None = None
    event_id: str | None = None
    kind: str | None = None
    reason: str | None = None
    received_at: str | None = None

    def codes(self) -> dict[str, Any]:
        """Everything of it, for a log line: codes and identifiers only."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Quarantine(Protocol):
    """Where unreadable requests go: `ingest.messaging.queue.TicketQueue`."""

    def quarantine(self, body: str, reason: str) -> None:
        """Keeps a message with a reason."""
        ...


class MessageProcessor:
    """Opens messages: completions are archived, other events are done at once, what cannot be read is quarantined."""

    def __init__(
        self,
        *,
        archive: Archive,
        once: EventIdempotency | None,
        quarantine: Quarantine | None,
        webhook_secrets: Callable[[], Sequence[bytes]],
        allow_plaintext: bool,
        retry_delay: float,
    ) -> None:
        self._archive = archive
        self._once = once
        self._quarantine = quarantine
        self._webhook_secrets = webhook_secrets
        self._allow_plaintext = allow_plaintext
        self._retry_delay = retry_delay

    def do(self, message: Message, expires_at: float) -> ProcessingResult:
        """Does what a message asks for. Raises RetryableError and whatever storage raises: the message comes back then."""
        try:
            asked = read_message(message.body)
            work = self._open(asked) if isinstance(asked, Webhook) else asked
        except UnreadableWebhook as error:
            if self._quarantine is not None:  # SAM local on its own has no queues; the result tells the reason
                self._quarantine.quarantine(message.body, error.detail)
            return ProcessingResult(QUARANTINED, reason=error.detail)
        try:
            return (
                self._event(work, message, expires_at)
                if isinstance(work, TicketEvent)
                else self._ticket(work, message, expires_at)
            )
        except TicketErased:
            return ProcessingResult(ERASED, work.ticket)

    def _open(self, webhook: Webhook) -> TicketEvent:
        try:
            secrets = self._webhook_secrets()
        except SettingsError:
            raise UnreadableWebhook("webhook_secret_malformed") from None  # a redrive opens it once that is mended
        return open_webhook(webhook, secrets=secrets, allow_plaintext=self._allow_plaintext)

    def _event(self, event: TicketEvent, message: Message, expires_at: float) -> ProcessingResult:
        append_log_keys(event_id=event.event_id)
        if event.kind is not EventKind.COMPLETED or event.ticket is None:
            return ProcessingResult(event.kind.value, event.ticket, event.event_id, event.name)
        append_log_keys(ticket=event.ticket)
        wanted = ArchiveRequest(
            event.ticket, event.received_at, self._patience(message), event_id=event.event_id, event=event.name
        )

        def archive() -> str:
            return self._archive.archive(wanted, expires_at).value

        result = self._once.run(event.event_id, archive) if self._once else archive()
        if result == DUPLICATE and not self._archive.is_latest(event.ticket, event.event_id):
            result = archive()  # a ticket that went back to an earlier state may be told of in the very same words
        return ProcessingResult(result, event.ticket, event.event_id, event.name, received_at=event.received_at)

    def _ticket(self, request: TicketRequest, message: Message, expires_at: float) -> ProcessingResult:
        append_log_keys(ticket=request.ticket)
        wanted = ArchiveRequest(request.ticket, message.sent_at, self._patience(message), force=request.force)
        result = self._archive.archive(wanted, expires_at).value
        return ProcessingResult(result, request.ticket, kind=request.kind)

    def _patience(self, message: Message) -> float:
        """Generously the time until the queue's next delivery has had its turn."""
        return 2.0 * pause_before_delivery(message.receives + 1, self._retry_delay, None, 1.0)
