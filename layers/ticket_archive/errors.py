"""Every way in which the archive refuses or postpones work. Leaves differ by what the caller does next.

    ArchiveError
    ├── SettingsError              fix the configuration: nothing can run
    ├── InvalidRequest             the caller's input breaks a rule: say so, change nothing
    ├── UnreadableWebhook          quarantine the request; a redrive opens it again
    ├── TicketErased               done: nothing resurrects an erased ticket
    ├── UnrecognizedResponse              keep the vendor's body as unrecognized; the type is failed
    └── RetryableError                   back to the queue, at the earliest after `retry_after` seconds
        ├── DeadlineExceeded              not begun or not finished: the invocation is about to end
        ├── VendorThrottled        the vendor asked for a pause
        ├── VendorUnavailable      5xx, time-out, reset, cut-off answer
        ├── InvalidVendorResponse       an answer that is refused: too large, redirected, a forbidden address
        ├── VendorAuthError     401 with a fresh token, or 403: somebody must look at the credential
        ├── TicketNotFound         the vendor does not know the ticket (yet)
        ├── TicketInProgress       the vendor's details say that the ticket is not final yet
        ├── TicketIncomplete       something is still missing after this attempt
        └── WriteConflict             another attempt changed the ticket meanwhile: look again

An error carries codes and identifiers only, never content: it may be logged as it is.
"""

from collections.abc import Collection
from typing import ClassVar


class ArchiveError(Exception):
    """The root. `code` is stable and may be counted; `detail` is a short code or number, never content."""

    code: ClassVar[str] = "archive_error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.code}: {detail}" if detail else self.code)
        self.detail = detail


class SettingsError(ArchiveError):
    """The environment or a secret does not fit. `detail` names the settings, never their values."""

    code = "settings"


class InvalidRequest(ArchiveError):
    """The caller's input breaks a documented rule."""

    code = "invalid_request"


class UnreadableWebhook(ArchiveError):
    """A webhook that could not be opened. `detail` is the reason that goes with it into quarantine."""

    code = "unreadable_webhook"


class TicketErased(ArchiveError):
    """The ticket's data was erased; the tombstone is final."""

    code = "ticket_erased"


class UnrecognizedResponse(ArchiveError):
    """A vendor body in a shape that nobody has described. It carries the body to be kept: never log `body`."""

    code = "unrecognized_response"

    def __init__(self, detail: str, body: bytes) -> None:
        super().__init__(detail)
        self.body = body


class RetryableError(ArchiveError):
    """Nothing is wrong for ever: the same work may succeed later.

    `retry_after` is in seconds, None where the vendor did not ask for any. `quick` tells whether trying again within
    the same second makes sense.
    """

    code = "retryable"
    quick: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DeadlineExceeded(RetryableError):
    """The invocation has no time left to finish this."""

    code = "deadline_exceeded"


class VendorThrottled(RetryableError):
    """429."""

    code = "vendor_throttled"


class VendorUnavailable(RetryableError):
    """5xx, a time-out, a connection that broke, an answer that was cut off."""

    code = "vendor_unavailable"
    quick = True


class InvalidVendorResponse(RetryableError):
    """An answer that is refused for its form: beyond the byte cap, a redirect, an address that is not allowed."""

    code = "invalid_vendor_response"


class VendorAuthError(RetryableError):
    """401 in spite of a fresh token, or 403."""

    code = "vendor_auth_error"


class TicketNotFound(RetryableError):
    """404 on the ticket: unknown, or not there yet."""

    code = "ticket_not_found"


class TicketInProgress(RetryableError):
    """The webhook was ahead of the vendor's own details."""

    code = "ticket_in_progress"


class TicketIncomplete(RetryableError):
    """Details or an image type are still missing; what came is kept. `causes` are the codes of all that failed."""

    code = "ticket_incomplete"

    def __init__(
        self, detail: str = "", *, retry_after: float | None = None, causes: Collection[str] = frozenset()
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.causes = frozenset(causes)


class WriteConflict(RetryableError):
    """A concurrent attempt changed the ticket first."""

    code = "superseded"
