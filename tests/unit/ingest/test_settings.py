"""Settings of the ingest function."""

import re
from contextlib import nullcontext

import pytest
import requests

from ingest.settings import IngestSettings
from tests.support.template import SOURCE
from ticket_archive.errors import SettingsError
from ticket_archive.models import ImageType

REQUIRED = {
    "TABLE_NAME": "tickets",
    "BUCKET_NAME": "bucket",
    "QUEUE_URL": "https://sqs/q",
    "QUARANTINE_QUEUE_URL": "https://sqs/w",
    "IDEMPOTENCY_TABLE_NAME": "idempotency",
    "VENDOR_URL": "https://api.preventor.com",
    "VENDOR_CREDENTIAL_SECRET": "arn:credential",
    "WEBHOOK_SECRET": "arn:webhook",
}
CHOSEN = {
    "ALLOW_PLAINTEXT_WEBHOOKS": "true",
    "IMAGE_TYPES": "DOCUMENT,SELF_PORTRAITS,DOCUMENT",
    "IMAGE_HOSTS": "images.example.com,*.cdn.example.com",
    "RETENTION_DAYS": "30",
    "RETRY_DELAY_SECONDS": "60",
    "MAX_RECEIVES": "5",
    "REQUEUE_FOR_DAYS": "14",
    "SETTLE_MINUTES": "20",
    "UNKNOWN_TICKET_MINUTES": "30",
}


def test_every_variable_of_the_template_is_read() -> None:
    settings = IngestSettings.read({**REQUIRED, **CHOSEN})
    assert settings.allow_plaintext_webhooks is True
    assert settings.image_types == (ImageType.DOCUMENT, ImageType.SELF_PORTRAITS), "each type once"
    assert settings.image_hosts == ("images.example.com", "*.cdn.example.com")
    assert (settings.retention_days, settings.requeue_for_days, settings.settle_minutes) == (30, 14, 20)
    assert settings.unknown_ticket_minutes == 30
    assert (settings.retry_delay_seconds, settings.max_receives) == (60, 5)


@pytest.mark.parametrize(
    "name", ["RETRY_DELAY_SECONDS", "REQUEUE_FOR_DAYS", "SETTLE_MINUTES", "UNKNOWN_TICKET_MINUTES"]
)
def test_a_time_may_have_a_fraction(name: str) -> None:
    """CloudFormation takes 2.5 for a parameter of the type Number."""
    assert getattr(IngestSettings.read({**REQUIRED, name: "2.5"}), name.lower()) == 2.5


def test_by_default_all_types_are_archived_without_expiry_and_plaintext_is_rejected() -> None:
    settings = IngestSettings.read(REQUIRED)
    assert settings.image_types == tuple(ImageType)
    assert settings.image_hosts == ()
    assert (settings.retention_days, settings.settle_minutes) == (0, 10)
    assert settings.allow_plaintext_webhooks is False


@pytest.mark.parametrize("name", REQUIRED)
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^settings: {name}$"):
        IngestSettings.read({**REQUIRED, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_PLAINTEXT_WEBHOOKS", "canary"),
        *(("IMAGE_TYPES", types) for types in ("canary", "DOCUMENT,", "document")),
        *((name, "-1") for name in ("RETENTION_DAYS", "SETTLE_MINUTES")),
        *((name, "0") for name in ("MAX_RECEIVES", "REQUEUE_FOR_DAYS", "UNKNOWN_TICKET_MINUTES")),
        *(("RETRY_DELAY_SECONDS", seconds) for seconds in ("0", "901")),
    ],
)
def test_a_malformed_variable_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        IngestSettings.read({**REQUIRED, name: value})
    assert caught.value.detail == name
    assert "canary" not in repr(caught.value)


def test_all_faults_are_in_one_error_that_holds_no_value() -> None:
    faults = {"TABLE_NAME": "", "MAX_RECEIVES": "canary", "ALLOW_PLAINTEXT_WEBHOOKS": "canary"}
    with pytest.raises(SettingsError) as caught:
        IngestSettings.read({**REQUIRED, **faults})
    assert caught.value.detail == "ALLOW_PLAINTEXT_WEBHOOKS, MAX_RECEIVES, TABLE_NAME"
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


URLS = {
    True: (
        *("https://api.preventor.com", "https://api-sandbox.preventor.com:8443", "http://localhost:8080"),
        *("http://127.0.0.1:9", "http://10.1.2.3:80", "http://172.16.0.1", "http://172.31.0.1:8080"),
        *("http://192.168.1.1", "https://api.preventor.com:8443"),
    ),
    False: (
        *("http://api.preventor.com", "https://api.preventor.com/", "https://api.preventor.com/id"),
        *("https://api.preventor.com?x=1", "https://api.preventor.com#x", "https://user@api.preventor.com"),
        *("https://user:password@api.preventor.com", "https://api.preventor.com\n", "https://api.preventor.com:"),
        *("https://api.preventor.com:123456", "https://ápi.preventor.com", "https://[::1]", "https://"),
        *("http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://10.evil.example"),
        *("http://172.32.0.1", "http://172.15.0.1", "http://8.8.8.8", "ftp://api.preventor.com"),
        *("api.preventor.com", " https://api.preventor.com"),
    ),
}


@pytest.mark.parametrize(("taken", "url"), [(taken, url) for taken, urls in URLS.items() for url in urls])
def test_the_vendor_is_an_https_origin_or_a_private_http_one_and_the_template_agrees(taken: bool, url: str) -> None:
    """The credential is sent to no other URL."""
    with nullcontext() if taken else pytest.raises(SettingsError, match="VENDOR_URL"):
        assert IngestSettings.read({**REQUIRED, "VENDOR_URL": url}).vendor_url == url
    allowed_by_template = re.search(SOURCE["Parameters"]["VendorUrl"]["AllowedPattern"], url) is not None
    assert allowed_by_template is taken or url.endswith("\n")


@pytest.mark.parametrize(
    "agent", ["x", "Mozilla/5.0 (compatible)", "x" * 256, "", " Mozilla", "Mozilla ", "x\ty", "é", "x" * 257]
)
def test_the_template_takes_only_a_user_agent_that_can_be_sent_as_it_is(agent: str) -> None:
    allowed = re.fullmatch(SOURCE["Parameters"]["VendorUserAgent"]["AllowedPattern"], agent) is not None
    request = requests.PreparedRequest()
    try:
        request.prepare("GET", "https://api.preventor.com", {"User-Agent": agent})
    except requests.exceptions.InvalidHeader:
        sent = None
    else:
        sent = str(request.headers["User-Agent"]).strip()
    fits = 0 < len(agent) <= 256 and agent.isascii() and agent.isprintable()
    assert allowed is (fits and sent == agent)
