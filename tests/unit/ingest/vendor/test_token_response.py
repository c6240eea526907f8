"""The token endpoint's response: a token in every known form, and its lifetime."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.vendor.token_response import Token, read_token
from ticket_archive.errors import InvalidVendorResponse

NOW = 1_767_323_045.0
NO_TIMES: list[Any] = [None, True, 0, -5, "soon", [], {}, "nan", "inf", 1e300]


def body(token: str = "t", **values: Any) -> bytes:
    return json.dumps({"token": token, **values}).encode()


def jwt(payload: bytes = b"", **claims: Any) -> str:
    text = base64.urlsafe_b64encode(payload or json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{text}.c2ln"


@pytest.mark.parametrize(
    ("answer", "life"),
    [
        (body(expiracy=NOW + 1200), 1200),
        (body(expiracy=int(NOW) + 1200), 1200),
        (body(expiracy=str(int(NOW) + 1200)), 1200),
        (body(expiracy=int(NOW + 1200) * 1000), 1200),
        (b"\xef\xbb\xbf" + body(expiracy=NOW + 1200), 1200),
        (body(expires_in=1200), 1200),
        (body(expires_in="1200"), 1200),
        (b'{"access_token": "t", "expires_in": 1200}', 1200),
        (body("", access_token="t", expires_in=1200), 1200),
        (body(jwt(exp=NOW + 1200)), 1200),
        (body(jwt(exp=500, iat=100)), 400),
        (body(jwt(exp=int(NOW + 1200) * 1000, iat=int(NOW) * 1000)), 1200),
        # the response counts before the JWT
        (body(jwt(exp=NOW + 60), expiracy=NOW + 1200), 1200),
        # a past or unusable value leaves it to the next
        (body(expiracy=NOW - 5, expires_in=1200), 1200),
        (body(expiracy=NOW, expires_in=1200), 1200),
        *((body(expires_in=1200, expiresIn=wrong), 1200) for wrong in NO_TIMES),
        (body(jwt(exp=NOW + 900, iat=NOW), expiracy=NOW - 5), 900),
        *((body(expiracy=wrong, expires_in=1200), 1200) for wrong in NO_TIMES),
        # no usable value: the default
        (body(), 300),
        (body(expiracy=NOW - 5), 300),
        (body(jwt(exp=100, iat=500)), 300),
        *((body(token), 300) for token in ("a.!!!.c", jwt(b"[1]"), jwt(b"\xff\xff"), jwt(b"[" * 5000))),
        # a wrong clock must not turn every call into a token call
        (body(expiracy=NOW + 2), 30),
        (body(expires_in=1), 30),
    ],
)
def test_lifetime_is_read_from_every_known_field(answer: bytes, life: float) -> None:
    token = read_token(answer, NOW)
    assert token.lifetime == pytest.approx(life, abs=1)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "code": "SUCCESS", "data": {"token": "t", "expiracy": NOW + 1200}},
        {"data": {"access_token": "t", "expires_in": 1200}},
        {"data": None, "token": "t", "expires_in": 1200},
        {"token": "Bearer t", "expires_in": 1200},
        {"token": "bearer t", "expiresIn": 1200},
        {"Token": "t", "Expiracy": NOW + 1200},
        {"AccessToken": "t", "ExpiresIn": 1200},
        {"jwt": "t", "expires-in": 1200},
        {"idToken": "x", "accessToken": "t", "expires_in": 1200},
        {"token": " t\n", "expires_in": 1200},
        {"token": "t", "access_token": {"value": "x"}, "expires_in": 1200},
        {"token": {"id": "x"}, "access_token": "t", "expires_in": 1200},
        {"token": None, "access_token": "t", "accessToken": None, "expires_in": 1200},
        {"bearer_token": "t", "expires_in": 1200},
        {"token": {"value": "t", "expiresIn": 1200}},
        {"data": {"access_token": {"token": "t", "expires_in": 1200}}},
        {"result": {"token": "t", "expiracy": NOW + 1200}},
        {"statusCode": 200, "body": '{"accessToken": "t", "expires_in": 1200}'},
        [{"payload": [{"token": "t"}], "response": "x" * 32, "expires_in": 1200}],
    ],
)
def test_a_token_is_found_in_an_envelope_and_beside_what_is_no_token(answer: object) -> None:
    assert read_token(json.dumps(answer).encode(), NOW) == Token("t", 1200.0)


@pytest.mark.parametrize("token", [jwt(exp=NOW + 1200), "MTIz-_+/~" * 4 + "=="])
@pytest.mark.parametrize(
    "form", ["{}", '"{}"', " {}\r\n", "\ufeff{}", "Bearer {}", '{{"data": "{}"}}', '[{{"result": "{}"}}]']
)
def test_a_token_may_be_the_whole_response_or_an_envelope(form: str, token: str) -> None:
    assert read_token(form.format(token).encode(), NOW).value == token


LONG = "MTIz-_+/~" * 4


@pytest.mark.parametrize(
    "answer",
    [
        {"AuthenticationResult": {"IdToken": LONG + "2", "AccessToken": LONG, "RefreshToken": LONG + "3"}},
        {"session": {"token": LONG, "id": "x" * 40}},
        {"sessionToken": LONG, "message": "x" * 40},
        {"refreshTokens": {"token": LONG + "2"}, "credentials": {"jwtToken": f"Bearer {LONG}"}},
        {"a": {"b": json.dumps({"api_token": LONG})}},
    ],
)
def test_a_long_token_is_found_in_any_object_if_no_other_is_there(answer: object) -> None:
    assert read_token(json.dumps(answer).encode(), NOW).value == LONG
    known = {"token": "t", "other": answer}
    assert read_token(json.dumps(known).encode(), NOW).value == "t"


@pytest.mark.parametrize("name", ["refreshToken", "csrfToken", "requestToken", "errorToken", "deviceToken"])
def test_a_token_for_something_else_is_not_read(name: str) -> None:
    with pytest.raises(InvalidVendorResponse):
        read_token(json.dumps({name: LONG}).encode(), NOW)


def test_a_jwt_is_found_under_any_name_but_a_refresh_tokens() -> None:
    token = base64.urlsafe_b64encode(b'{"alg": "HS256"}').decode().rstrip("=") + jwt(exp=NOW + 1200)[3:]
    assert read_token(json.dumps({"tokens": {"refresh": token, "access": token}}).encode(), NOW).lifetime > 1000
    with pytest.raises(InvalidVendorResponse):
        read_token(json.dumps({"tokens": {"refresh": token}}).encode(), NOW)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"<html>", b"\xff", b"[" * 60_000, b"null", b"[]", b'"t"', b"{}"),
        '{"token": "t"}'.encode("utf-16"),
        b'{"token": "t", "expiracy": %s}' % (b"9" * 5000),
        *(b'{"token": null}', b'{"token": ""}', b'{"token": 7}', b'{"value": "t"}', b'{"token": {"a": "t"}}'),
        *(b'{"data":' * 4 + b'{"token": "t"}' + b"}" * 4, json.dumps({"data": '{"data":' * 5000}).encode()),
        *(b'{"token": "a\\r\\nX-Evil: 1"}', b'{"token": "\\u00e9"}', b'{"token": "\\ud800"}', b'{"token": "a b"}'),
        *(b"Internal Server Error at the gateway", b"<html><body></body></html>", b"Unauthorized", b"\xe9" * 40),
        *(b"x" * 8193, b'{"data": "NotFound"}', b'{"message": "%s"}' % (b"x" * 40), b'{"a": {"token": "t"}}'),
        b'{"token": "%s"}' % (b"x" * 8193),
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_response_without_a_usable_token_is_invalid(answer: bytes) -> None:
    with pytest.raises(InvalidVendorResponse) as refusal:
        read_token(answer, NOW)
    assert refusal.value.detail == "token_missing"


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers(), max_size=1))


@given(
    st.dictionaries(st.sampled_from(["expiracy", "expires_in", "x"]), VALUES),
    st.dictionaries(st.sampled_from(["exp", "iat"]), VALUES),
)
@example({"expiracy": 10**400}, {})
@example({}, {"exp": 10**400, "iat": -(10**400)})
def test_lifetime_is_within_bounds_for_any_response(answer: dict[str, Any], claims: dict[str, Any]) -> None:
    token = read_token(body(jwt(**claims), **answer), NOW)
    assert 30 <= token.lifetime < 1e12


def test_repr_does_not_show_the_token() -> None:
    assert "canary" not in repr(read_token(b'{"token": "canary"}', NOW))
