"""Which requests are kept: by their form alone, credentials first, one answer for all."""

import base64
import json
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.webhooks.event import Webhook
from ingest.webhooks.request import BODY_MAX, Credentials, Rejected, accepted, read_credentials, receive, refused
from ticket_archive.errors import SettingsError

NOW = "2026-01-02T03:04:05.000000Z"
BASIC = read_credentials('{"username": "preventor", "password": "s3cret"}')
OF_OTHER_LETTERS = read_credentials('{"username": "préventor", "password": "geheimnis-ß"}')
HEADER = read_credentials('{"header": "X-Hook-Key", "value": "s3cret"}')


def request(
    body: str | None = "aGVsbG8=", *, binary: bool = False, headers: dict[str, str] | None = None, **more: str
) -> dict[str, Any]:
    """A good request as API Gateway hands it over, with its headers in both forms."""
    given_headers = {"Content-Type": "text/plain", "x-pvt-cipher-iv": "aXY=", **(headers or {}), **more}
    return {
        "body": body,
        "isBase64Encoded": binary,
        "headers": given_headers,
        "multiValueHeaders": {name: [value] for name, value in given_headers.items()},
    }


def status_of(event: dict[str, Any], credentials: Credentials | None = None) -> HTTPStatus:
    with pytest.raises(Rejected) as refusal:
        receive(event, [credentials] if credentials else None, NOW)
    return refusal.value.status


def test_a_request_is_kept_as_it_came() -> None:
    webhook = receive(request(" aGVsbG8=\n"), None, NOW)
    assert webhook == Webhook(b" aGVsbG8=\n", "aXY=", "text/plain", NOW)


def test_a_request_without_an_iv_is_kept_too() -> None:
    event = request('{"ticket": "T-1"}')
    for form in ("headers", "multiValueHeaders"):
        del event[form]["x-pvt-cipher-iv"]
    assert receive(event, None, NOW).iv is None


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "Text/Plain; charset=utf-8", "application/json;x"]
)
def test_both_content_types_are_taken_with_any_parameter(content_type: str) -> None:
    event = request(headers={"Content-Type": content_type})
    assert receive(event, None, NOW).content_type == content_type.partition(";")[0].lower()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "text/plainer",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain, text/plain",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    assert status_of(request(headers={"Content-Type": content_type})) == 415


def test_no_content_type_at_all_is_refused() -> None:
    assert status_of({"body": "x"}) == 415


@pytest.mark.parametrize("body", [None, "", " ", "\r\n\t "])
def test_an_empty_body_is_refused(body: str | None) -> None:
    assert status_of(request(body)) == 400


@pytest.mark.parametrize("body", ["", "IA==", "not base64!", "!!!!QUJD$$$", "QUJD\n", "YQ", "é"])
def test_an_empty_or_broken_binary_body_is_refused(body: str) -> None:
    assert status_of(request(body, binary=True)) == 400


@given(st.binary(min_size=1).filter(bytes.strip))
def test_a_binary_body_is_kept_byte_by_byte(body: bytes) -> None:
    assert receive(request(base64.b64encode(body).decode(), binary=True), None, NOW).body == body


@given(
    st.text(st.characters(exclude_categories=()), min_size=1).filter(
        lambda text: text.encode("utf-8", "surrogatepass").strip()
    )
)
def test_a_text_body_is_kept_whatever_it_holds(body: str) -> None:
    assert receive(request(body), None, NOW).body == body.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("character", ["x", "é"])
def test_a_body_has_256_kib_at_most(binary: bool, character: str) -> None:
    # GIVEN bodies at the border, counted in bytes and not in characters
    assert BODY_MAX == 262_144
    whole = (character * BODY_MAX).encode()[:BODY_MAX].decode()

    def event(text: str) -> dict[str, Any]:
        return request(base64.b64encode(text.encode()).decode() if binary else text, binary=binary)

    # WHEN / THEN
    assert len(receive(event(whole), None, NOW).body) == BODY_MAX
    assert status_of(event(whole + "x")) == 413


@pytest.mark.parametrize(
    ("credentials", "header", "value"),
    [
        (BASIC, "Authorization", "Basic " + base64.b64encode(b"preventor:s3cret").decode()),
        (HEADER, "X-Hook-Key", "s3cret"),
        (HEADER, "x-hook-key", "s3cret"),
        (OF_OTHER_LETTERS, "Authorization", "Basic " + base64.b64encode("préventor:geheimnis-ß".encode()).decode()),
    ],
)
def test_the_right_credentials_open_the_door(credentials: Credentials, header: str, value: str) -> None:
    assert receive(request(headers={header: value}), [credentials], NOW).body


def test_during_a_rotation_either_credentials_open_the_door() -> None:
    """Even where the vendor goes from one kind to the other."""
    for each in (BASIC, HEADER):
        assert receive(request(headers={each.header: each.value}), [HEADER, BASIC], NOW).body
    with pytest.raises(Rejected) as refusal:
        receive(request(headers={HEADER.header: BASIC.value, BASIC.header: HEADER.value}), [HEADER, BASIC], NOW)
    assert refusal.value.status == 401


def test_credentials_of_which_there_are_none_open_nothing() -> None:
    with pytest.raises(Rejected) as refusal:
        receive(request(), [], NOW)
    assert refusal.value.status == 401


@pytest.mark.parametrize("credentials", [BASIC, HEADER])
@pytest.mark.parametrize(
    "spoil", [lambda v: "", lambda v: v[:-1], lambda v: v + "x", str.upper, lambda v: f" {v}", lambda v: "\ud800"]
)
def test_any_other_credentials_do_not(credentials: Credentials, spoil: Any) -> None:
    assert status_of(request(headers={credentials.header: spoil(credentials.value)}), credentials) == 401


@pytest.mark.parametrize("credentials", [BASIC, HEADER])
def test_missing_or_repeated_credentials_do_not_either(credentials: Credentials) -> None:
    assert status_of(request(), credentials) == 401
    event = request()
    event["multiValueHeaders"][credentials.header] = [credentials.value, credentials.value]
    assert status_of(event, credentials) == 401


@pytest.mark.parametrize(
    "event",
    [
        {},
        request(headers={"Content-Type": "text/html"}),
        request(""),
        request("x" * (BODY_MAX + 1)),
        request("not base64!", binary=True),
    ],
)
def test_who_has_no_credentials_learns_nothing_else(event: dict[str, Any]) -> None:
    assert status_of(event, BASIC) == 401


def test_credentials_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a comparison that tells what it was asked, and denies what is equal
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda one, other: compared.append((one, other)))
    # WHEN / THEN it alone decides
    assert status_of(request(headers={"X-Hook-Key": "s3cret"}), HEADER) == 401
    assert compared == [(b"s3cret", b"s3cret")]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-pvt-cipher-iv": ["aXY=", "aXY="]},
        {"x-pvt-cipher-iv": ["aXY="], "X-Pvt-Cipher-Iv": ["aXY="]},
    ],
)
def test_a_repeated_iv_does_not_pass_for_one(headers: dict[str, list[str]]) -> None:
    event = {"body": "x", "multiValueHeaders": {"Content-Type": ["text/plain"], **headers}}
    assert receive(event, None, NOW).iv == "aXY=,aXY="


def test_headers_are_read_where_only_one_form_is_given() -> None:
    event = request()
    del event["multiValueHeaders"]
    assert receive(event, None, NOW).iv == "aXY="
    event = request()
    event["headers"] = None
    assert receive(event, None, NOW).iv == "aXY="


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "not json",
        "null",
        "[]",
        '"username"',
        "{}",
        '{"username": "canary"}',
        '{"password": "canary"}',
        '{"username": "canary", "password": ""}',
        '{"username": "", "password": "canary"}',
        '{"username": "canary", "password": null}',
        '{"username": 7, "password": "canary"}',
        '{"header": "x-canary"}',
        '{"header": "x-canary", "value": ""}',
        '{"header": "", "value": "canary"}',
        '{"header": "x-canary", "value": null}',
        '{"header": "x-canary", "value": ["canary"]}',
    ],
)
def test_malformed_credentials_are_an_error_and_no_open_door(secret: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_credentials(secret)
    assert refusal.value.detail == "webhook credentials: malformed"
    assert "canary" not in repr(refusal.value)


def test_credentials_show_in_no_repr() -> None:
    assert "s3cret" not in repr(HEADER)
    assert BASIC.value not in repr(BASIC)


def test_everything_that_is_kept_has_the_same_answer() -> None:
    assert accepted() == {
        "statusCode": 202,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": '{"status": "accepted"}',
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("status", [400, 401, 413, 415, 503])
def test_a_refusal_is_a_problem_in_rfc_9457s_form(status: int) -> None:
    # GIVEN / WHEN
    answer = refused(HTTPStatus(status))
    # THEN
    assert answer["statusCode"] == status
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert json.loads(answer["body"]) == {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    assert ("Retry-After" in answer["headers"]) is (status == 503)
    assert ("WWW-Authenticate" in answer["headers"]) is (status == 401)
    assert "Location" not in answer["headers"]
