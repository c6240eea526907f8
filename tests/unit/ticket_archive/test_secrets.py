"""The secrets' models: accepted values, and no value in an error or a repr."""

import base64
import json
from typing import Any

import pytest

from ticket_archive.errors import SettingsError
from ticket_archive.secrets import VendorCredential, WebhookCredentials, WebhookSecret

KEY = "K" * 32
FIVE = {"api_key": "canary-key", "secret": "canary-secret", "tenant": "t", "env": "e", "banknu": "b"}


def values(model: Any) -> dict[str, str]:
    return {name: getattr(value, "get_secret_value", lambda v=value: v)() for name, value in model}


def test_the_vendor_credential_has_five_values_of_which_three_may_be_missing() -> None:
    assert values(VendorCredential.read(json.dumps({**FIVE, "more": 1}))) == FIVE
    two = VendorCredential.read('{"api_key": "k", "secret": "s"}')
    assert values(two) == {"api_key": "k", "secret": "s", "tenant": "", "env": "", "banknu": ""}


@pytest.mark.parametrize(
    "form", [KEY, json.dumps({"secret": KEY}), json.dumps({"secret": KEY, "note": 1}), "1" * 32, f"[{'x' * 30}]"]
)
def test_a_webhook_secret_is_32_characters_alone_or_in_json(form: str) -> None:
    assert WebhookSecret.read(form).key == (form if len(form) == 32 else KEY).encode()


@pytest.mark.parametrize(
    ("secret", "header", "value"),
    [
        ({"header": "X-Hook-Key", "value": "s3cret"}, "x-hook-key", "s3cret"),
        ({"username": "u", "password": "p"}, "authorization", "Basic " + base64.b64encode(b"u:p").decode()),
        ({"username": "é", "password": "ß"}, "authorization", "Basic " + base64.b64encode("é:ß".encode()).decode()),
    ],
)
def test_webhook_credentials_are_a_header_and_its_value(secret: object, header: str, value: str) -> None:
    assert values(WebhookCredentials.read(json.dumps(secret))) == {"header": header, "value": value}


MALFORMED = [None, "", "canary", "null", "[]", "{}", '"canary"', b"\xffcanary", 7]


@pytest.mark.parametrize(
    ("model", "secret"),
    [
        *[(VendorCredential, text) for text in MALFORMED],
        *(
            (VendorCredential, json.dumps({**FIVE, name: value}))
            for name in ("api_key", "secret")
            for value in ("", 7, None)
        ),
        (VendorCredential, json.dumps({**FIVE, "tenant": None})),
        *(
            (VendorCredential, json.dumps({**FIVE, name: value}))
            for name in ("api_key", "tenant", "env", "banknu")
            for value in ("canary\n", " canary", "canary ", "can\r\nary", "canary\x00", "canary€")
        ),
        *[(WebhookSecret, text) for text in MALFORMED],
        (WebhookSecret, "canary" + "x" * 27),
        *((WebhookSecret, json.dumps({"secret": value})) for value in (None, ["canary"], "canary")),
        *[(WebhookCredentials, text) for text in MALFORMED],
        *(
            (WebhookCredentials, json.dumps({one: "canary", other: value}))
            for pair in (("username", "password"), ("header", "value"))
            for one, other in (pair, pair[::-1])
            for value in ("", None, 7, ["canary"])
        ),
        (WebhookCredentials, '{"username": "canary"}'),
        (WebhookCredentials, '{"header": "x-canary"}'),
    ],
)
def test_a_malformed_secret_is_named_and_not_shown(model: Any, secret: object) -> None:
    with pytest.raises(SettingsError) as caught:
        _ = model.read(secret).key
    assert caught.value.detail.startswith(f"{model.label}: ")
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "model",
    [
        VendorCredential.read(json.dumps(FIVE)),
        WebhookSecret.read("canary" + "x" * 26),
        WebhookCredentials.read('{"header": "x", "value": "canary"}'),
    ],
)
def test_a_secret_is_in_no_repr(model: object) -> None:
    assert "canary" not in repr(model) + str(model)
