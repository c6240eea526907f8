"""Messages of the ticket queue; docs/queue-message.schema.json documents them for other senders.

`{"v": 1, "webhook": {"body": "<base64>", "iv": "…", "content_type": "…", "received_at": "…"}}` holds a webhook request.
`{"ticket": "…", "kind": "backfill", "force": true, "settle": ["DOCUMENT"]}` requests a ticket; all but `ticket` is
optional. Other keys are ignored, so that newer senders are understood.
"""

from base64 import b64encode
from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from ticket_archive.errors import InvalidRequest, Reason, UnreadableWebhook
from ticket_archive.models import TICKET_PATTERN, ImageType

TicketId = Annotated[str, Field(pattern=TICKET_PATTERN)]
Kind = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]

_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"


def _existing(time: str) -> str:
    datetime.fromisoformat(time)  # there is no 13th month
    return time


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, val_json_bytes="base64", hide_input_in_errors=True)


class Webhook(_Model):
    """A webhook request as it arrived. `received_at` is ISO 8601 in UTC; `iv` is the header's value.

    `quarantined` says that the request has been quarantined before, so that it is counted once; `split`, that it is one
    of several events of a request, so that it is not split again.
    """

    body: bytes = Field(repr=False)
    iv: str | None = Field(default=None, repr=False)
    content_type: str | None = None
    received_at: Annotated[str, Field(pattern=_UTC), AfterValidator(_existing)]  # becomes part of a sort key
    quarantined: bool = False
    split: bool = False

    @field_serializer("body")
    def _to_base64(self, body: bytes) -> str:
        return b64encode(body).decode()  # SQS refuses control characters, and a body may hold any byte


class TicketRequest(_Model):
    """A request to archive a ticket.

    `kind` says who asks, for metrics. `force` archives an archived ticket again. The image types in `settle` are taken
    as the vendor answers them now, without waiting for `SettleMinutes`.
    """

    ticket: TicketId
    kind: Kind | None = None
    force: bool = False
    settle: tuple[ImageType, ...] = ()


class _Message(_Model):
    """Both forms: `webhook` or `ticket` is set, and the other keys belong to `ticket`."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    webhook: Webhook | None = None
    ticket: TicketId | None = None
    kind: Kind | None = None
    force: bool = False
    settle: tuple[ImageType, ...] = ()


def webhook_message(webhook: Webhook) -> str:
    """Return the queue message of a webhook request."""
    # ASCII, because SQS refuses U+FFFE and U+FFFF, which a header may hold.
    return _Message(v=1, webhook=webhook).model_dump_json(exclude_unset=True, ensure_ascii=True)


def ticket_message(
    ticket: str, *, kind: str | None = None, force: bool = False, settle: Collection[ImageType] = ()
) -> str:
    """Return the queue message that requests a ticket. Raises InvalidRequest that names the argument at fault."""
    options = {"kind": kind, "force": force, "settle": tuple(settle)}
    given = {name: value for name, value in options.items() if value or value == ""}
    try:
        message = _Message.model_validate({"v": 1, "ticket": ticket, **given})
    except ValidationError as error:
        raise InvalidRequest(str(error.errors()[0]["loc"][0])) from None
    return message.model_dump_json(exclude_unset=True)


def read_message(text: str) -> Webhook | TicketRequest:
    """Parse a queue message.

    Raises UnreadableWebhook with the reason `message_version`, `message_malformed` or `ticket_malformed`.
    """
    reason = Reason.MESSAGE_MALFORMED
    try:
        message = _Message.model_validate_json(text)
    except ValidationError as error:
        fields = {each["loc"][0] if each["loc"] else "" for each in error.errors()}
        if "v" in fields:
            reason = Reason.MESSAGE_VERSION
        elif fields == {"ticket"}:
            reason = Reason.TICKET_MALFORMED
    else:
        given = message.model_fields_set
        if message.webhook is not None and "v" in given and "ticket" not in given:
            return message.webhook
        if message.ticket is not None and "webhook" not in given:
            return TicketRequest(ticket=message.ticket, kind=message.kind, force=message.force, settle=message.settle)
    # Raised outside the handler: pydantic's error holds the message, and must not become this error's context.
    raise UnreadableWebhook(reason)
