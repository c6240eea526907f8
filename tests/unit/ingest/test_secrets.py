"""Secrets: the current and the previous value, cached for five minutes, with AWS's own errors."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError, EndpointConnectionError

from ingest.secrets import RotatingSecret, Secrets
from ticket_archive.errors import SettingsError

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


def secrets(client: Any) -> Secrets:
    return Secrets(client, vendor_credential="vendor", webhook_secret="webhook")


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


def test_both_keys_are_live_during_a_rotation_the_current_one_first() -> None:
    client = SecretsManager(previous=json.dumps({"secret": OLD}))

    assert secrets(client).webhook_secrets() == [NEW.encode(), OLD.encode()]


@pytest.mark.parametrize("previous", [MISSING, "too short", "{}", "null", b"\xff"])
def test_a_previous_value_that_is_missing_or_no_webhook_secret_is_left_out(previous: Any) -> None:
    assert secrets(SecretsManager(previous=previous)).webhook_secrets() == [NEW.encode()]


@pytest.mark.parametrize("error", UNREADABLE)
def test_a_secret_that_cannot_be_read_raises_the_error_of_aws(error: Exception) -> None:
    """Its code tells a removed permission from throttling; and a previous secret out of reach is not a missing one."""
    for client in (SecretsManager(current=error), SecretsManager(previous=error)):
        with pytest.raises(type(error)) as caught:
            secrets(client).webhook_secrets()
        assert caught.value is error
    client = SecretsManager()
    client.values["vendor", "AWSCURRENT"] = error
    with pytest.raises(type(error)):
        secrets(client).vendor_credential()


@pytest.mark.parametrize("current", ["canary", "{}", b"\xff\xfe", json.dumps({"secret": "canary"})])
def test_a_malformed_current_secret_is_named(current: Any) -> None:
    with pytest.raises(SettingsError, match="webhook secret: "):
        secrets(SecretsManager(current=current)).webhook_secrets()


@pytest.mark.parametrize("previous", [OLD, MISSING, "malformed"])
def test_each_stage_is_read_once_in_five_minutes(previous: Any, later: Callable[[int], None]) -> None:
    client = SecretsManager(previous=previous)
    cached = secrets(client)

    for _ in range(5):
        cached.webhook_secrets()
    assert client.reads == {("webhook", "AWSCURRENT"): 1, ("webhook", "AWSPREVIOUS"): 1}

    later(301)
    client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
    assert cached.webhook_secrets() == [b"R" * 32, NEW.encode()]


@pytest.mark.parametrize("previous", [OLD, MISSING])
def test_the_replaced_value_is_the_previous_one_at_once(previous: Any, later: Callable[[int], None]) -> None:
    """GIVEN a previous value, or its absence, that was cached later than the current one."""
    client: Any = SecretsManager(previous=previous)
    secret = RotatingSecret(client, "webhook")
    secret.current()
    later(200)
    secret.previous()
    client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
    later(101)

    assert (secret.current(), secret.previous()) == ("R" * 32, NEW)


def test_a_credential_is_cached_until_a_fresh_one_is_asked_for() -> None:
    client = SecretsManager()
    cached = secrets(client)
    for _ in range(3):
        cached.vendor_credential()
    assert client.reads["vendor", "AWSCURRENT"] == 1

    client.values["vendor", "AWSCURRENT"] = '{"api_key": "k", "secret": "rotated"}'

    assert cached.vendor_credential().secret.get_secret_value() == "s"
    assert cached.vendor_credential(fresh=True).secret.get_secret_value() == "rotated"
    assert cached.vendor_credential().secret.get_secret_value() == "rotated"
    assert client.reads["vendor", "AWSCURRENT"] == 2
