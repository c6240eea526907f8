"""Settings of the ingest function. The template documents each variable."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ticket_archive.models import ImageType
from ticket_archive.settings import Settings

_PRIVATE = r"localhost|127\.[0-9.]+|10\.[0-9.]+|172\.(1[6-9]|2[0-9]|3[01])\.[0-9.]+|192\.168\.[0-9.]+"
_ORIGIN = rf"^(https://[A-Za-z0-9.-]+|http://({_PRIVATE}))(:[0-9]{{1,5}})?$"


def _split(text: object) -> object:
    """Split a comma-separated list; each element counts once."""
    return tuple(dict.fromkeys(text.split(","))) if isinstance(text, str) else text


class WebhookSettings(Settings):
    """What the webhook handler needs. A mistake in any other variable must not cost an event."""

    queue_url: str
    webhook_credentials_secret: str | None = None


class IngestSettings(Settings):
    """What the SQS and the schedule handler need."""

    table_name: str
    bucket_name: str
    queue_url: str
    quarantine_queue_url: str
    idempotency_table_name: str
    vendor_url: Annotated[str, Field(pattern=_ORIGIN)]  # an http origin only at a private address: the simulator
    vendor_user_agent: str = "Mozilla/5.0 (compatible; idv-ticket-archive)"
    vendor_credential_secret: str
    webhook_secret: str
    allow_plaintext_webhooks: bool = False
    image_types: Annotated[tuple[ImageType, ...], BeforeValidator(_split)] = tuple(ImageType)
    image_hosts: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    retention_days: Annotated[int, Field(ge=0)] = 0
    retry_delay_seconds: Annotated[float, Field(ge=1, le=900)] = 20
    max_receives: Annotated[int, Field(ge=1)] = 9
    requeue_for_days: Annotated[float, Field(ge=1)] = 7
    settle_minutes: Annotated[float, Field(ge=0)] = 10
    unknown_ticket_minutes: Annotated[float, Field(ge=1)] = 60
