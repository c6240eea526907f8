"""The ingest function's settings."""

import dataclasses

import pytest

from ingest.settings import IngestSettings
from ticket_archive.errors import SettingsError
from ticket_archive.models import ImageType

GOOD = {
    "TABLE_NAME": "tickets",
    "BUCKET_NAME": "bucket",
    "QUEUE_URL": "https://sqs/q",
    "QUARANTINE_QUEUE_URL": "https://sqs/w",
    "IDEMPOTENCY_TABLE_NAME": "idempotency",
    "VENDOR_URL": "https://api.preventor.com",
    "VENDOR_CREDENTIAL_SECRET": "arn:credential",
    "WEBHOOK_SECRET": "arn:webhook",
    "WEBHOOK_CREDENTIALS_SECRET": "",
    "ALLOW_PLAINTEXT_WEBHOOKS": "false",
    "IMAGE_TYPES": "DOCUMENT,SELF_PORTRAITS",
    "IMAGE_HOSTS": "images.example.com,*.cdn.example.com",
    "RETENTION_DAYS": "30",
    "RETRY_DELAY_SECONDS": "60",
    "MAX_RECEIVES": "5",
    "REQUEUE_FOR_DAYS": "14",
}


def test_the_templates_environment_is_understood() -> None:
    settings = IngestSettings.read(GOOD)
    assert dataclasses.asdict(settings) == {
        "table_name": "tickets",
        "bucket_name": "bucket",
        "queue_url": "https://sqs/q",
        "quarantine_queue_url": "https://sqs/w",
        "idempotency_table_name": "idempotency",
        "vendor_url": "https://api.preventor.com",
        "vendor_credential_secret": "arn:credential",
        "webhook_secret": "arn:webhook",
        "allow_plaintext_webhooks": False,
        "image_types": (ImageType.DOCUMENT, ImageType.SELF_PORTRAITS),
        "image_hosts": ("images.example.com", "*.cdn.example.com"),
        "retention_days": 30,
        "retry_delay_seconds": 60,
        "max_receives": 5,
        "requeue_for_days": 14,
    }


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        IngestSettings.read(GOOD).table_name = "other"  # type: ignore[misc]


def test_without_choices_everything_is_archived_for_ever_and_nothing_is_taken_in_clear() -> None:
    needed = {"TABLE_NAME", "BUCKET_NAME", "VENDOR_URL", "VENDOR_CREDENTIAL_SECRET", "WEBHOOK_SECRET"}
    settings = IngestSettings.read({name: GOOD[name] for name in needed})
    assert settings.image_types == tuple(ImageType)
    assert settings.image_hosts == ()
    assert settings.retention_days == 0
    assert settings.allow_plaintext_webhooks is False
    assert (settings.queue_url, settings.quarantine_queue_url, settings.idempotency_table_name) == (None, None, None)


def test_a_type_that_is_listed_twice_is_archived_once() -> None:
    settings = IngestSettings.read({**GOOD, "IMAGE_TYPES": "DOCUMENT,SELF_PORTRAITS,DOCUMENT"})
    assert settings.image_types == (ImageType.DOCUMENT, ImageType.SELF_PORTRAITS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TABLE_NAME", ""),
        ("BUCKET_NAME", ""),
        ("VENDOR_URL", ""),
        ("VENDOR_CREDENTIAL_SECRET", ""),
        ("WEBHOOK_SECRET", ""),
        ("ALLOW_PLAINTEXT_WEBHOOKS", "canary"),
        ("IMAGE_TYPES", "canary"),
        ("IMAGE_TYPES", "DOCUMENT,canary"),
        ("IMAGE_TYPES", "DOCUMENT,"),
        ("IMAGE_TYPES", "document"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "canary"),
        ("RETRY_DELAY_SECONDS", "0"),
        ("RETRY_DELAY_SECONDS", "901"),
        ("MAX_RECEIVES", "0"),
        ("REQUEUE_FOR_DAYS", "0"),
    ],
)
def test_a_fault_names_its_variable_and_shows_no_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        IngestSettings.read({**GOOD, name: value})
    assert refusal.value.detail == name
    assert "canary" not in repr(refusal.value)


def test_all_faults_are_told_together() -> None:
    with pytest.raises(SettingsError) as refusal:
        IngestSettings.read(
            {**GOOD, "VENDOR_URL": "ftp://x", "IMAGE_TYPES": "x,y", "MAX_RECEIVES": "x", "TABLE_NAME": ""}
        )
    assert refusal.value.detail == "IMAGE_TYPES, MAX_RECEIVES, TABLE_NAME, VENDOR_URL"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.preventor.com",
        "https://api-sandbox.preventor.com:8443",
        "http://localhost:8080",
        "http://127.0.0.1:9",
        "http://10.1.2.3:80",
        "http://172.16.0.1",
        "http://172.31.0.1:8080",
        "http://192.168.1.1",
    ],
)
def test_the_vendor_is_an_origin(url: str) -> None:
    assert IngestSettings.read({**GOOD, "VENDOR_URL": url}).vendor_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.preventor.com",
        "https://api.preventor.com/",
        "https://api.preventor.com/id",
        "https://api.preventor.com?x=1",
        "https://api.preventor.com#x",
        "https://user@api.preventor.com",
        "https://user:password@api.preventor.com",
        "https://api.preventor.com\n",
        "https://api.preventor.com:",
        "https://api.preventor.com:123456",
        "https://ápi.preventor.com",
        "https://[::1]",
        "https://",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://10.evil.example",
        "http://172.32.0.1",
        "http://172.15.0.1",
        "http://8.8.8.8",
        "ftp://api.preventor.com",
        "api.preventor.com",
        " https://api.preventor.com",
    ],
)
def test_no_credential_leaves_for_anything_else_than_an_origin_over_tls(url: str) -> None:
    with pytest.raises(SettingsError, match=r"VENDOR_URL"):
        IngestSettings.read({**GOOD, "VENDOR_URL": url})
