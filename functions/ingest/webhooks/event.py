"""A kept webhook request, opened: deciphered, parsed, classified.

With a secret configured, the vendor posts the base64 of AES-256-CBC ciphertext (PKCS#7) as `text/plain`: the key is the
secret's 32 bytes themselves, the IV travels as base64 in the header `x-pvt-cipher-iv`. Without one it posts the JSON.
CBC has no MAC, so whoever can post can also bend a ciphertext: an opened event is a hint where to look, and what counts
is the vendor's authenticated answer about the ticket.

Sources: docs.preventor.com, pages server/webhooks, server/webhooks/idv-tickets, server/webhooks/invitations-link.
"""

import binascii
import hashlib
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

from ticket_archive.errors import InvalidRequest, SettingsError, UnreadableWebhook
from ticket_archive.models import ticket_id

IV_HEADER = "x-pvt-cipher-iv"

_BLOCK_BYTES = 16
_SECRET_BYTES = 32


class Reason(StrEnum):
    """Why a request cannot be read: every `detail` of an UnreadableWebhook. Stable, counted, free of content."""

    IV_MISSING = "iv_missing"  # neither an IV nor JSON in clear
    IV_MALFORMED = "iv_malformed"  # not the base64 of 16 bytes
    BODY_NOT_BASE64 = "body_not_base64"
    BODY_NOT_BLOCKS = "body_not_blocks"  # nothing, or not a multiple of 16 bytes
    UNDECIPHERABLE = "undecipherable"  # no secret yields an event. Padding or content, it is one code: no oracle
    PLAINTEXT_REFUSED = "plaintext_refused"  # JSON in clear, where only encrypted events are taken
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"  # also NaN, and numbers that neither a double nor 4,300 digits can hold
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    TICKET_MALFORMED = "ticket_malformed"  # a completion, or a request, of nothing that can be a ticket's id
    MESSAGE_VERSION = "message_version"  # a queue message of a version that this code does not know
    MESSAGE_MALFORMED = "message_malformed"  # a queue message in another form than the documented ones


class EventKind(StrEnum):
    """What an event asks for: a completion is archived; the others are counted, and done."""

    COMPLETED = "completed"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A request as it was kept. `received_at` is ISO 8601 in UTC and ends in Z; `iv` is the header as it came."""

    body: bytes = field(repr=False)
    iv: str | None = field(repr=False)
    content_type: str
    received_at: str


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """An opened event.

    `ticket` is None where nothing needs it: in progress or unknown. `event_id` is the SHA-256 of the event's canonical
    JSON, in hexadecimal, and so survives a new IV. `name` comes from a closed set, fit for a metric's dimension.
    """

    ticket: str | None
    kind: EventKind
    event_id: str
    received_at: str
    encrypted: bool
    name: str


def open_webhook(webhook: Webhook, *, secrets: Sequence[bytes], allow_plaintext: bool) -> TicketEvent:
    """The event in a request. `secrets` are those that are live, as `check_secret` gives them: several in a rotation.

    An IV means that the body is encrypted, whatever content type came with it. Raises UnreadableWebhook.
    """
    if webhook.iv is not None:
        event = _decipher(webhook.body, webhook.iv, secrets)
    elif media_type(webhook.content_type) != "application/json":
        raise UnreadableWebhook(Reason.IV_MISSING)
    elif not allow_plaintext:
        raise UnreadableWebhook(Reason.PLAINTEXT_REFUSED)
    else:
        event = parse_object(webhook.body)
    name, kind = _classify(event)
    return TicketEvent(
        ticket=_ticket(event, kind),
        kind=kind,
        event_id=_event_id(event),
        received_at=webhook.received_at,
        encrypted=webhook.iv is not None,
        name=name,
    )


def seal_webhook(event: bytes, secret: bytes, iv: bytes) -> tuple[bytes, str]:
    """What the vendor sends for an event: the body, and the IV header's value. `iv`: 16 random bytes, used once."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(_BLOCK_BYTES * 8).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(event) + padder.finalize()) + encryptor.finalize()
    return b64encode(ciphertext), b64encode(iv).decode()


def check_secret(text: str) -> bytes:
    """The key that a secret's characters are. Raises SettingsError, which does not show it, unless it is 32 bytes.

    A secret noted as hexadecimal (64 characters) or base64 (44) is refused: the vendor's key is the text as it stands.
    """
    secret = text.encode("utf-8", "surrogatepass")
    if len(secret) != _SECRET_BYTES:
        raise SettingsError("webhook secret: not 32 bytes")
    return secret


def parse_object(text: bytes | str) -> dict[str, Any]:
    """The JSON object that a text is, UTF-8 where it comes as bytes. Raises UnreadableWebhook.

    The text is decoded first: `json.loads` guesses the encoding of bytes, and so takes UTF-16. Of a repeated key the
    last counts, as for every common parser. Lone surrogates pass: nothing that is used of an event can hold one.
    """
    try:
        parsed = json.loads(
            text.decode() if isinstance(text, bytes) else text, parse_float=_finite, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        reason = Reason.NOT_UTF8
    except ValueError:
        reason = Reason.NOT_JSON
    except RecursionError:
        reason = Reason.TOO_DEEP
    else:
        if isinstance(parsed, dict):
            return parsed
        reason = Reason.NOT_AN_OBJECT
    # Raised out here, because the parser's own errors hold the text: none of them may become this one's context.
    raise UnreadableWebhook(reason)


def media_type(content_type: str) -> str:
    """`Application/JSON; charset=utf-8` is `application/json`."""
    return content_type.partition(";")[0].strip().lower()


def _decipher(body: bytes, iv: str, secrets: Sequence[bytes]) -> dict[str, Any]:
    vector = _base64(iv.encode("utf-8", "surrogatepass"), Reason.IV_MALFORMED)
    if len(vector) != _BLOCK_BYTES:
        raise UnreadableWebhook(Reason.IV_MALFORMED)
    ciphertext = _base64(body.strip(), Reason.BODY_NOT_BASE64)
    if not ciphertext or len(ciphertext) % _BLOCK_BYTES:
        raise UnreadableWebhook(Reason.BODY_NOT_BLOCKS)
    for secret in secrets:
        padded = _decrypt(ciphertext, secret, vector)
        # One time in 256 a wrong key leaves valid padding: only an event that parses shows that the key was right.
        try:
            return parse_object(_unpad(padded))
        except (ValueError, UnreadableWebhook):
            continue
    raise UnreadableWebhook(Reason.UNDECIPHERABLE)


def _decrypt(ciphertext: bytes, secret: bytes, iv: bytes) -> bytes:
    # Imported here, because the webhook door passes this module and deciphers nothing.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _unpad(padded: bytes) -> bytes:
    """Raises ValueError."""
    from cryptography.hazmat.primitives.padding import PKCS7

    unpadder = PKCS7(_BLOCK_BYTES * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _base64(text: bytes, reason: Reason) -> bytes:
    # Not `b64decode(text)`: that skips every character that it does not know.
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        pass
    raise UnreadableWebhook(reason)


def _classify(event: dict[str, Any]) -> tuple[str, EventKind]:
    """The event's name for metrics, and its kind.

    An event whose name says that the ticket is completed is a completion unless the vendor's pages say otherwise: one
    that comes too early costs a call that finds the ticket unfinished, one that is missed costs a customer.
    """
    match event.get("event"):
        case "ticket.verification.completed" | "verification.completed" as name:
            return name, EventKind.COMPLETED
        case "ticket.verification.in_progress" as name:
            return name, EventKind.IN_PROGRESS
        case "onboarding.completed" as name:
            # AWAITING, by the page server/webhooks, is an onboarding that did not pass and waits to be corrected, which
            # may be tried again for as long as it has this status: not an end.
            return name, EventKind.IN_PROGRESS if event.get("status") == "AWAITING" else EventKind.COMPLETED
        case None if "invitation_state" in event:
            # COMPLETED is the only state that the page server/webhooks/invitations-link knows.
            done = event["invitation_state"] == "COMPLETED"
            return "invitation", EventKind.COMPLETED if done else EventKind.UNKNOWN
    in_progress = event.get("flow_status") == "IN_PROGRESS"
    return "other", EventKind.IN_PROGRESS if in_progress else EventKind.UNKNOWN


def _ticket(event: dict[str, Any], kind: EventKind) -> str | None:
    try:
        return ticket_id(event.get("ticket"))
    except InvalidRequest:
        if kind is not EventKind.COMPLETED:
            return None
    raise UnreadableWebhook(Reason.TICKET_MALFORMED)


def _event_id(event: dict[str, Any]) -> str:
    # What the parser takes at a certain depth, the serialiser may not.
    try:
        canonical = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        canonical = None
    if canonical is None:
        raise UnreadableWebhook(Reason.TOO_DEEP)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a double")
    return number


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not JSON")
