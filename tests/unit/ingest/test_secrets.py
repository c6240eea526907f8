"""Secrets: current and previous, remembered for five minutes, never shown."""

import dataclasses
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ClientError, EndpointConnectionError

from ingest.secrets import LiveSecret, Secrets, VendorCredential
from ticket_archive.errors import RetryableError, SettingsError

NEW, OLD = "N" * 32, "O" * 32
FIVE = {"api_key": "canary-key", "secret": "canary-secret", "tenant": "t", "env": "e", "banknu": "b"}
MISSING = ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "canary"}}, "GetSecretValue")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "canary"}}, "GetSecretValue")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "canary"}}, "GetSecretValue")
AWAY = EndpointConnectionError(endpoint_url="https://canary")


class SecretsManager:
    """Values (or errors) by secret and stage, and how often each was asked for."""

    def __init__(self, **webhook: Any) -> None:
        self.values: dict[tuple[str, str], Any] = {
            ("vendor", "AWSCURRENT"): json.dumps(FIVE),
            ("webhook", "AWSCURRENT"): webhook.get("current", NEW),
            ("webhook", "AWSPREVIOUS"): webhook.get("previous", MISSING),
        }
        self.asked: Counter[tuple[str, str]] = Counter()

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, Any]:  # noqa: N803
        self.asked[SecretId, VersionStage] += 1
        value = self.values[SecretId, VersionStage]
        if isinstance(value, Exception):
            raise value
        return {"SecretBinary" if isinstance(value, bytes) else "SecretString": value}


def secrets(client: SecretsManager) -> Secrets:
    return Secrets(client, vendor_credential="vendor", webhook_secret="webhook")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "form", [NEW, json.dumps({"secret": NEW}), json.dumps({"secret": NEW, "note": 1}), "1" * 32, f"[{'x' * 30}]"]
)
def test_a_webhook_secret_is_32_characters_alone_or_in_json(form: str) -> None:
    expected = form if len(form) == 32 else NEW
    assert secrets(SecretsManager(current=form)).webhook_secrets() == [expected.encode()]


def test_during_a_rotation_both_secrets_are_live_the_current_one_first() -> None:
    assert secrets(SecretsManager(previous=json.dumps({"secret": OLD}))).webhook_secrets() == [
        NEW.encode(),
        OLD.encode(),
    ]


@pytest.mark.parametrize("previous", ["too short", "{}", "null", b"\xff"])
def test_a_previous_value_that_was_no_webhook_secret_is_passed_over(previous: str | bytes) -> None:
    assert secrets(SecretsManager(previous=previous)).webhook_secrets() == [NEW.encode()]


@pytest.mark.parametrize("error", [DENIED, THROTTLED, AWAY])
def test_a_previous_secret_out_of_reach_is_not_a_missing_one(error: Exception) -> None:
    # GIVEN an event of before the rotation may be waiting, and would be taken for junk
    with pytest.raises(RetryableError) as refusal:
        secrets(SecretsManager(previous=error)).webhook_secrets()
    assert refusal.value.detail == "webhook_secret"


@pytest.mark.parametrize("error", [MISSING, DENIED, THROTTLED, AWAY])
def test_a_current_secret_out_of_reach_means_try_later(error: Exception) -> None:
    with pytest.raises(RetryableError) as refusal:
        secrets(SecretsManager(current=error)).webhook_secrets()
    assert str(refusal.value) == "retryable: webhook_secret"


@pytest.mark.parametrize(
    "value",
    [
        "canary",
        "canary" + "x" * 27,
        "{}",
        "null",
        '{"secret": null}',
        '{"secret": ["canary"]}',
        b"\xff\xfe",
        json.dumps({"secret": "canary"}),
    ],
)
def test_a_malformed_webhook_secret_is_a_fault_of_the_settings_that_shows_nothing(value: str | bytes) -> None:
    with pytest.raises(SettingsError) as refusal:
        secrets(SecretsManager(current=value)).webhook_secrets()
    assert "canary" not in repr(refusal.value)
    assert refusal.value.detail.startswith("webhook secret: ")


@pytest.mark.parametrize("previous", [OLD, MISSING, "malformed"])
def test_webhook_secrets_are_asked_for_once_in_five_minutes(previous: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN
    client = SecretsManager(previous=previous)
    live = secrets(client)
    with time_machine.travel(datetime(2026, 1, 2, 3, 4, 5), tick=False) as clock:  # noqa: DTZ001
        monotonic = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: monotonic)
        # WHEN many messages are opened within five minutes
        for _ in range(5):
            live.webhook_secrets()
        # THEN each stage was read once, a missing one too
        assert client.asked == {("webhook", "AWSCURRENT"): 1, ("webhook", "AWSPREVIOUS"): 1}
        # WHEN five minutes have passed THEN a rotation is noticed
        clock.shift(timedelta(seconds=301))
        monotonic += 301
        client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
        assert live.webhook_secrets() == [b"R" * 32, NEW.encode()]


@pytest.mark.parametrize("before", [OLD, MISSING])
def test_a_value_that_was_current_is_live_from_the_moment_another_one_is(
    before: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIVEN somebody made the previous value, or its absence, be read late, WHEN the current one is read anew first."""
    client = SecretsManager(current=NEW, previous=before)
    live = LiveSecret(client, "webhook", "webhook_secret")  # type: ignore[arg-type]
    with time_machine.travel(datetime(2026, 1, 2, 3, 4, 5), tick=False) as clock:  # noqa: DTZ001
        monotonic = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: monotonic)
        live.current()
        clock.shift(timedelta(seconds=200))
        monotonic += 200
        live.previous()
        client.values["webhook", "AWSCURRENT"], client.values["webhook", "AWSPREVIOUS"] = "R" * 32, NEW
        clock.shift(timedelta(seconds=101))
        monotonic += 101

        assert (live.current(), live.previous()) == ("R" * 32, NEW)


def test_the_vendors_credential_has_five_values() -> None:
    credential = secrets(SecretsManager()).vendor_credential()
    assert dataclasses.asdict(credential) == FIVE


def test_three_of_the_five_may_be_missing() -> None:
    client = SecretsManager()
    client.values["vendor", "AWSCURRENT"] = '{"api_key": "k", "secret": "s", "more": 1}'
    credential = secrets(client).vendor_credential()
    assert credential == VendorCredential(api_key="k", secret="s")
    assert credential.tenant == ""


@pytest.mark.parametrize(
    "value",
    [
        "",
        "canary",
        "null",
        "[]",
        "{}",
        '{"api_key": "canary"}',
        '{"secret": "canary"}',
        '{"api_key": "", "secret": "canary"}',
        '{"api_key": "canary", "secret": ""}',
        '{"api_key": 7, "secret": "canary"}',
        '{"api_key": "canary", "secret": "canary", "tenant": null}',
        b"\xffcanary",
    ],
)
def test_a_malformed_credential_is_a_fault_of_the_settings_that_shows_nothing(value: str | bytes) -> None:
    client = SecretsManager()
    client.values["vendor", "AWSCURRENT"] = value
    with pytest.raises(SettingsError) as refusal:
        secrets(client).vendor_credential()
    assert refusal.value.detail == "vendor credential: malformed"
    assert "canary" not in repr(refusal.value)
    assert refusal.value.__context__ is None  # a parser's error holds the text


@pytest.mark.parametrize("error", [MISSING, DENIED, THROTTLED, AWAY])
def test_a_credential_out_of_reach_means_try_later(error: Exception) -> None:
    client = SecretsManager()
    client.values["vendor", "AWSCURRENT"] = error
    with pytest.raises(RetryableError) as refusal:
        secrets(client).vendor_credential()
    assert str(refusal.value) == "retryable: vendor_credential"
    assert refusal.value.__suppress_context__


def test_a_credential_is_remembered_until_somebody_asks_for_it_fresh() -> None:
    # GIVEN
    client = SecretsManager()
    live = secrets(client)
    for _ in range(3):
        live.vendor_credential()
    assert client.asked["vendor", "AWSCURRENT"] == 1
    # WHEN it is rotated and read fresh
    client.values["vendor", "AWSCURRENT"] = json.dumps({**FIVE, "secret": "rotated"})
    assert live.vendor_credential().secret == "canary-secret"
    assert live.vendor_credential(fresh=True).secret == "rotated"
    # THEN everybody has the new one
    assert live.vendor_credential().secret == "rotated"
    assert client.asked["vendor", "AWSCURRENT"] == 2


def test_a_credential_shows_in_no_repr() -> None:
    credential = secrets(SecretsManager()).vendor_credential()
    assert "canary" not in repr(credential) + str(credential)
