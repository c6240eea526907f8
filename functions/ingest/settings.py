"""The ingest function's settings."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from ticket_archive.models import ImageType
from ticket_archive.settings import Settings

_HTTPS = r"https://[A-Za-z0-9.-]+"
_PLAIN = r"http://(?:localhost|127\.[0-9.]+|10\.[0-9.]+|172\.(?:1[6-9]|2[0-9]|3[01])\.[0-9.]+|192\.168\.[0-9.]+)"
_ORIGIN = re.compile(rf"(?:{_HTTPS}|{_PLAIN})(?::[0-9]{{1,5}})?", re.ASCII)


def _listed(value: object) -> object:
    """The elements of a list joined by commas, each once."""
    return tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else value


class IngestSettings(Settings):
    """What the queue door and the schedule door need. Seconds and days are whole numbers."""

    queue_url: str | None = None
    quarantine_queue_url: str | None = None
    idempotency_table_name: str | None = None
    vendor_url: str
    vendor_credential_secret: str
    webhook_secret: str
    allow_plaintext_webhooks: bool = False
    image_types: Annotated[tuple[ImageType, ...], BeforeValidator(_listed)] = tuple(ImageType)
    image_hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    retention_days: int = Field(default=0, ge=0)
    retry_delay_seconds: int = Field(default=20, ge=1, le=900)
    max_receives: int = Field(default=9, ge=1)
    requeue_for_days: int = Field(default=7, ge=1)

    @field_validator("vendor_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        """https, or a simulator in clear on a loopback or private address; never a path, a query or credentials."""
        if not _ORIGIN.fullmatch(value):
            raise ValueError("not an origin")
        return value
