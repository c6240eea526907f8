"""Which requests are enqueued: credentials first, then size; the content is not looked at."""

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.webhooks.request import MAX_BODY_BYTES, Rejected, accepted_response, parse_request, rejected_response
from ticket_archive.messages import Webhook, read_message, webhook_message
from ticket_archive.secrets import WebhookCredentials

NOW = "2026-01-02T03:04:05.000000Z"
BASIC = WebhookCredentials.read('{"username": "preventor", "password": "geheimnis-ß"}')
HEADER = WebhookCredentials.read('{"header": "X-Hook-Key", "value": "s3cret"}')


def request(
    body: str | None = "aGVsbG8=", headers: Mapping[str, str] = MappingProxyType({}), *, binary: bool = False
) -> dict[str, Any]:
    """Return a request as API Gateway passes it on, with headers in both forms."""
    sent = {"Content-Type": "text/plain", "x-pvt-cipher-iv": "aXY=", **headers}
    return {
        "body": body,
        "isBase64Encoded": binary,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
    }


def parsed(event: dict[str, Any], *credentials: WebhookCredentials) -> Webhook:
    return parse_request(event, credentials or None, NOW)


def status_of(event: dict[str, Any], *credentials: WebhookCredentials) -> int:
    try:
        parsed(event, *credentials)
    except Rejected as rejection:
        return rejection.status.value
    return 202


def test_a_request_is_stored_unchanged() -> None:
    assert parsed(request(" aGVsbG8=\n")) == Webhook(
        body=b" aGVsbG8=\n", iv="aXY=", content_type="text/plain", received_at=NOW
    )


@given(content_type=st.none() | st.sampled_from(["", "*/*", "application/octet-stream", "text/html"]) | st.text())
def test_every_content_type_is_accepted_none_included(content_type: str | None) -> None:
    event: dict[str, Any] = {"body": "x", "headers": {} if content_type is None else {"content-type": content_type}}
    webhook = parsed(event)
    assert (webhook.body, webhook.iv) == (b"x", None)
    assert read_message(webhook_message(webhook)) == webhook


@pytest.mark.parametrize(
    ("body", "binary"),
    [
        *((body, False) for body in (None, "", " ", "\r\n\t ")),
        *((body, True) for body in ("", "IA==", "not base64!", "!!!!QUJD$$$", "QUJD\n", "YQ", "é")),
    ],
)
def test_an_empty_or_broken_body_is_rejected(body: str | None, binary: bool) -> None:
    assert status_of(request(body, binary=binary)) == 400


@given(st.binary(min_size=1).filter(bytes.strip))
def test_a_binary_body_is_stored_unchanged(body: bytes) -> None:
    assert parsed(request(base64.b64encode(body).decode(), binary=True)).body == body


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_text_body_is_stored_unchanged(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    if body.strip():
        assert parsed(request(text)).body == body


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("character", ["x", "é"])
def test_a_body_has_at_most_256_kib(binary: bool, character: str) -> None:
    assert MAX_BODY_BYTES == 262_144
    largest = (character * MAX_BODY_BYTES).encode()[:MAX_BODY_BYTES].decode()

    def event(text: str) -> dict[str, Any]:
        return request(base64.b64encode(text.encode()).decode() if binary else text, binary=binary)

    assert len(parsed(event(largest)).body) == MAX_BODY_BYTES
    assert status_of(event(largest + "x")) == 413


@pytest.mark.parametrize("credentials", [BASIC, HEADER])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_the_right_credentials_are_accepted(credentials: WebhookCredentials, case: Any) -> None:
    headers = {case(credentials.header): credentials.value.get_secret_value()}
    assert parsed(request(headers=headers), credentials).body


def test_either_credentials_are_accepted_during_a_rotation() -> None:
    for each in (BASIC, HEADER):
        assert parsed(request(headers={each.header: each.value.get_secret_value()}), HEADER, BASIC).body
    crossed = {HEADER.header: BASIC.value.get_secret_value(), BASIC.header: HEADER.value.get_secret_value()}
    assert status_of(request(headers=crossed), HEADER, BASIC) == 401


def test_without_current_credentials_every_request_is_rejected() -> None:
    with pytest.raises(Rejected):
        parse_request(request(), [], NOW)


@pytest.mark.parametrize("credentials", [BASIC, HEADER])
@pytest.mark.parametrize(
    "spoil", [lambda v: "", lambda v: v[:-1], lambda v: v + "x", str.upper, lambda v: f" {v}", lambda v: "\ud800"]
)
def test_any_other_credentials_are_rejected(credentials: WebhookCredentials, spoil: Any) -> None:
    value = spoil(credentials.value.get_secret_value())
    assert status_of(request(headers={credentials.header: value}), credentials) == 401


@pytest.mark.parametrize("credentials", [BASIC, HEADER])
def test_missing_or_repeated_credentials_are_rejected(credentials: WebhookCredentials) -> None:
    assert status_of(request(), credentials) == 401
    event = request()
    event["multiValueHeaders"][credentials.header] = [credentials.value.get_secret_value()] * 2
    assert status_of(event, credentials) == 401


@pytest.mark.parametrize(
    "event", [{}, request(""), request("x" * (MAX_BODY_BYTES + 1)), request("not base64!", binary=True)]
)
def test_credentials_are_checked_before_anything_else(event: dict[str, Any]) -> None:
    assert status_of(event, BASIC) == 401


def test_credentials_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: compared.append((one, other)))
    assert status_of(request(headers={"X-Hook-Key": "s3cret"}), HEADER) == 401, "the comparison alone decides"
    assert compared == [(b"s3cret", b"s3cret")]


@pytest.mark.parametrize(
    "headers", [{"x-pvt-cipher-iv": ["aXY=", "aXY="]}, {"x-pvt-cipher-iv": ["aXY="], "X-Pvt-Cipher-Iv": ["aXY="]}]
)
def test_a_repeated_iv_is_malformed(headers: dict[str, list[str]]) -> None:
    assert parsed({"body": "x", "multiValueHeaders": headers}).iv == "aXY=,aXY="


@pytest.mark.parametrize("missing", ["headers", "multiValueHeaders"])
def test_either_form_of_the_headers_is_read(missing: str) -> None:
    assert parsed({**request(), missing: None}).iv == "aXY="


def test_every_accepted_request_has_the_same_response() -> None:
    assert accepted_response() == {
        "statusCode": 202,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": '{"status": "accepted"}',
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("status", [400, 401, 413, 503])
def test_a_rejection_is_a_problem_of_rfc_9457(status: int) -> None:
    problem = json.loads(rejected_response(HTTPStatus(status))["body"])
    assert problem == {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
