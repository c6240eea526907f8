"""Every reason why the archive rejects or postpones work. Subclasses differ in what the caller does next.

An error carries codes and identifiers, never content: it may be logged as it is.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import ClassVar

THROTTLED = frozenset({
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
"""AWS's codes for "too many requests", which come with status 400, 429 or 503 (boto3's guide, "Retries")."""


class ArchiveError(Exception):
    """Base class. `code` is stable and may be counted; `detail` is a short code or number, never content."""

    code: ClassVar[str] = "archive_error"

    def __init__(self, detail: str = "", body: bytes | None = None) -> None:
        """`body` is that of a vendor's response, which is kept in the bucket: never log it."""
        super().__init__(f"{self.code}: {detail}" if detail else self.code)
        self.detail = detail
        self.body = body


class SettingsError(ArchiveError):
    """The environment or a secret is invalid. `detail` names the settings, never their values."""

    code = "settings"


class InvalidRequest(ArchiveError):
    """The caller's input breaks a documented rule."""

    code = "invalid_request"


class UnreadableWebhook(ArchiveError):
    """A webhook that could not be decrypted or parsed, and is quarantined. `detail` is its `Reason`."""

    code = "unreadable_webhook"


class Reason(StrEnum):
    """The `detail` of an UnreadableWebhook: stable, counted, and free of the request's content."""

    IV_MISSING = "iv_missing"  # neither an IV nor plaintext JSON
    IV_MALFORMED = "iv_malformed"  # not the base64 of 16 bytes
    BODY_NOT_BASE64 = "body_not_base64"
    BODY_NOT_BLOCKS = "body_not_blocks"  # empty, or not a multiple of 16 bytes
    UNDECIPHERABLE = "undecipherable"  # no secret yields an event; one code for padding and content, so no oracle
    PLAINTEXT_REFUSED = "plaintext_refused"  # plaintext JSON, and AllowPlaintextWebhooks is false
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"  # also integers of over 4,300 digits
    NOT_AN_OBJECT = "not_an_object"
    TOO_MANY_EVENTS = "too_many_events"  # over 100 in one request
    TOO_LARGE = "too_large"  # one of several events, which would not fit into a separate message
    TOO_DEEP = "too_deep"
    NO_TICKET = "no_ticket"  # a JSON object without a valid ticket id
    TICKET_MALFORMED = "ticket_malformed"  # a queue message whose ticket cannot be a ticket id
    MESSAGE_VERSION = "message_version"  # a queue message of an unknown version
    MESSAGE_MALFORMED = "message_malformed"  # a queue message that does not fit docs/queue-message.schema.json


class TicketErased(ArchiveError):
    """The ticket's data was erased; the tombstone is final."""

    code = "ticket_erased"


class UnrecognizedResponse(ArchiveError):
    """A vendor response of unknown form. Its body is kept, and the vendor is asked again until the answer settles."""

    code = "unrecognized_response"
    body: bytes


class RetryableError(ArchiveError):
    """The same work may succeed later: the message goes back to the queue.

    `retry_after` is in seconds, None if no pause was requested. `quick` tells whether retrying within the same second
    makes sense.
    """

    code = "retryable"
    quick: ClassVar[bool] = False

    def __init__(self, detail: str = "", body: bytes | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(detail, body)
        self.retry_after = retry_after


class DeadlineExceeded(RetryableError):
    """Not begun or not finished: the invocation is about to end."""

    code = "deadline_exceeded"


class VendorThrottled(RetryableError):
    """429."""

    code = "vendor_throttled"


class VendorUnavailable(RetryableError):
    """5xx, a time-out, a broken connection, a truncated response."""

    code = "vendor_unavailable"
    quick = True


class InvalidVendorResponse(RetryableError):
    """A response that is refused: over the byte cap, a redirect, an address that is not allowed, another 4xx."""

    code = "invalid_vendor_response"


class InvalidTokenResponse(InvalidVendorResponse):
    """A response to a token request that is refused: it says nothing about the ticket."""


class VendorAuthError(RetryableError):
    """401 despite a fresh token, or 403: check the credential."""

    code = "vendor_auth_error"


class TicketNotFound(RetryableError):
    """404 on the ticket: unknown, or not there yet."""

    code = "ticket_not_found"


class TicketInProgress(RetryableError):
    """The webhook arrived before the vendor's own details changed."""

    code = "ticket_in_progress"


class TicketIncomplete(RetryableError):
    """Details or image types are still missing; what came is kept. `causes` are the codes of all that failed."""

    code = "ticket_incomplete"

    def __init__(
        self, detail: str = "", *, retry_after: float | None = None, causes: Collection[str] = frozenset()
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.causes = frozenset(causes)


class RecentlyFetched(RetryableError):
    """The ticket was fetched a moment ago; a newer event is fetched after `retry_after`."""

    code = "recently_fetched"


class WriteConflict(RetryableError):
    """A concurrent attempt changed the ticket first: read it again."""

    code = "write_conflict"
