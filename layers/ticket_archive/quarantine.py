"""Reasons for which a request is quarantined."""

from enum import StrEnum


class Reason(StrEnum):
    """The `detail` of an UnreadableWebhook: stable, counted, and free of the request's content."""

    IV_MISSING = "iv_missing"  # neither an IV nor plaintext JSON
    IV_MALFORMED = "iv_malformed"  # not the base64 of 16 bytes
    BODY_NOT_BASE64 = "body_not_base64"
    BODY_NOT_BLOCKS = "body_not_blocks"  # empty, or not a multiple of 16 bytes
    UNDECIPHERABLE = "undecipherable"  # no secret yields an event; one code for padding and content, so no oracle
    PLAINTEXT_REFUSED = "plaintext_refused"  # plaintext JSON, and AllowPlaintextWebhooks is false
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"  # also NaN, and numbers that neither a double nor 4,300 digits can hold
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    NO_TICKET = "no_ticket"  # a JSON object without a valid ticket id
    TICKET_MALFORMED = "ticket_malformed"  # a queue message whose ticket cannot be a ticket id
    MESSAGE_VERSION = "message_version"  # a queue message of an unknown version
    MESSAGE_MALFORMED = "message_malformed"  # a queue message that does not fit docs/queue-message.schema.json
