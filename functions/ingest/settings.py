"""The ingest function's settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ticket_archive.models import ImageType
from ticket_archive.settings import Variables

_HTTPS = r"https://[A-Za-z0-9.-]+"
_PLAIN = r"http://(?:localhost|127\.[0-9.]+|10\.[0-9.]+|172\.(?:1[6-9]|2[0-9]|3[01])\.[0-9.]+|192\.168\.[0-9.]+)"
_ORIGIN = re.compile(rf"(?:{_HTTPS}|{_PLAIN})(?::[0-9]{{1,5}})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What the queue door and the schedule door need. Seconds and days are whole numbers."""

    table_name: str
    bucket_name: str
    queue_url: str | None
    quarantine_queue_url: str | None
    idempotency_table_name: str | None
    vendor_url: str
    vendor_credential_secret: str
    webhook_secret: str
    allow_plaintext_webhooks: bool
    image_types: tuple[ImageType, ...]
    image_hosts: tuple[str, ...]
    retention_days: int
    retry_delay_seconds: int
    max_receives: int
    requeue_for_days: int

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """From the variables of the fields' names in capitals. Raises SettingsError that names those at fault."""
        variables = Variables(environment)
        variables.text("VENDOR_URL")
        settings = cls(
            table_name=variables.text("TABLE_NAME"),
            bucket_name=variables.text("BUCKET_NAME"),
            queue_url=variables.optional("QUEUE_URL"),
            quarantine_queue_url=variables.optional("QUARANTINE_QUEUE_URL"),
            idempotency_table_name=variables.optional("IDEMPOTENCY_TABLE_NAME"),
            vendor_url=variables.parsed("VENDOR_URL", "", _origin),
            vendor_credential_secret=variables.text("VENDOR_CREDENTIAL_SECRET"),
            webhook_secret=variables.text("WEBHOOK_SECRET"),
            allow_plaintext_webhooks=variables.flag("ALLOW_PLAINTEXT_WEBHOOKS", False),
            image_types=variables.parsed("IMAGE_TYPES", tuple(ImageType), _image_types),
            image_hosts=variables.parsed("IMAGE_HOSTS", (), _listed),
            retention_days=variables.number("RETENTION_DAYS", 0, least=0),
            retry_delay_seconds=variables.number("RETRY_DELAY_SECONDS", 20, least=1, most=900),
            max_receives=variables.number("MAX_RECEIVES", 9, least=1),
            requeue_for_days=variables.number("REQUEUE_FOR_DAYS", 7, least=1),
        )
        variables.check()
        return settings


def _origin(text: str) -> str:
    """https, or a simulator in clear on a loopback or private address; never a path, a query or credentials."""
    if not _ORIGIN.fullmatch(text):
        raise ValueError
    return text


def _image_types(text: str) -> tuple[ImageType, ...]:
    return tuple(map(ImageType, _listed(text)))


def _listed(text: str) -> tuple[str, ...]:
    """The elements of a list joined by commas, each once."""
    return tuple(dict.fromkeys(text.split(",")))
