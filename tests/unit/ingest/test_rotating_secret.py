"""Secrets: the current and the previous value, cached for five minutes, with AWS's own errors."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError, EndpointConnectionError

from ingest.rotating_secret import RotatingSecret
from ticket_archive.secrets import VendorCredential, WebhookSecret

NEW, OLD = "N" * 32, "O" * 32


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canary"}}, "GetSecretValue")


MISSING = client_error("ResourceNotFoundException")
UNREADABLE = [
    client_error("AccessDeniedException"),
    client_error("ThrottlingException"),
    EndpointConnectionError(endpoint_url="https://canary"),
]


class SecretsManager:
    """Values (or errors) by secret and stage, and how often each was read."""

    def __init__(self, current: Any = NEW, previous: Any = MISSING) -> None:
        self.values: dict[tuple[str, str], Any] = {
            ("vendor", "AWSCURRENT"): json.dumps({"api_key": "k", "secret": "s"}),
            ("webhook", "AWSCURRENT"): current,
            ("webhook", "AWSPREVIOUS"): previous,
        }
        self.reads: Counter[tuple[str, str]] = Counter()

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:  # noqa: N803
        self.reads[SecretId, VersionStage] += 1
        value = self.values[SecretId, VersionStage]
        if isinstance(value, Exception):
            raise value
        return {"SecretBinary" if isinstance(value, bytes) else "SecretString": value}


def credential(client: Any) -> RotatingSecret[VendorCredential]:
    return RotatingSecret(client, "vendor", VendorCredential.read)


def webhook(client: Any) -> RotatingSecret[bytes]:
    return RotatingSecret(client, "webhook", lambda text: WebhookSecret.read(text).key)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Let seconds pass, on both clocks."""
    with time_machine.travel(datetime(2026, 1, 2, 3, 4, 5), tick=False) as clock:  # noqa: DTZ001
        monotonic = [1000.0]
        monkeypatch.setattr("time.monotonic", lambda: monotonic[0])

        def wait(seconds: int) -> None:
            clock.shift(timedelta(seconds=seconds))
            monotonic[0] += seconds

        yield wait


def test_the_previous_key_is_not_read_while_the_current_one_is_right() -> None:
    client = SecretsManager(previous=UNREADABLE[0])
    assert next(webhook(client).live()) == NEW.encode()


@pytest.mark.parametrize("previous", [MISSING, "too short", "{}", "null", b"\xff"])
def test_a_previous_value_that_is_missing_or_no_webhook_secret_is_left_out(previous: Any) -> None:
    assert list(webhook(SecretsManager(previous=previous)).live()) == [NEW.encode()]


@pytest.mark.parametrize("error", UNREADABLE)
def test_a_secret_that_cannot_be_read_raises_the_error_of_aws(error: Exception) -> None:
    """Its code tells a removed permission from throttling; and a previous secret out of reach is not a missing one."""
    for client in (SecretsManager(current=error), SecretsManager(previous=error)):
        with pytest.raises(type(error)) as caught:
            list(webhook(client).live())
        assert caught.value is error
    client = SecretsManager()
    client.values["vendor", "AWSCURRENT"] = error
    with pytest.raises(type(error)):
        credential(client).current()


@pytest.mark.parametrize("previous", [OLD, MISSING, "malformed"])
def test_each_stage_is_read_once_in_five_minutes(previous: Any, later: Callable[[int], None]) -> None:
    client = SecretsManager(previous=previous)
    cached = webhook(client)
    for _ in range(5):
        list(cached.live())
    assert client.reads == {("webhook", "AWSCURRENT"): 1, ("webhook", "AWSPREVIOUS"): 1}
    later(301)
    client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
    assert list(cached.live()) == [b"R" * 32, NEW.encode()]


@pytest.mark.parametrize("previous", [OLD, MISSING])
def test_the_replaced_value_is_the_previous_one_at_once(previous: Any, later: Callable[[int], None]) -> None:
    """GIVEN a previous value, or its absence, that was cached later than the current one."""
    client: Any = SecretsManager(previous=previous)
    secret = webhook(client)
    secret.current()
    later(200)
    list(secret.live())
    client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
    later(101)
    assert list(secret.live()) == [b"R" * 32, NEW.encode()]


def test_a_credential_is_cached_until_a_fresh_one_is_asked_for() -> None:
    client = SecretsManager()
    cached = credential(client)
    for _ in range(3):
        cached.current()
    assert client.reads["vendor", "AWSCURRENT"] == 1
    client.values["vendor", "AWSCURRENT"] = '{"api_key": "k", "secret": "rotated"}'
    assert cached.current().secret.get_secret_value() == "s"
    assert cached.current(fresh=True).secret.get_secret_value() == "rotated"
    assert cached.current().secret.get_secret_value() == "rotated"
    assert client.reads["vendor", "AWSCURRENT"] == 2
