"""Answers that are well formed and wrong: throttled, refused, not ready, or not what they say they are."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from local.vendor.answers import HTML_PAGE, JSON, Answer, as_json, error, gateway_error, ticket_not_found
from local.vendor.fault import API, DETAILS, EVERYWHERE, FILES, IMAGES, TICKET, TOKEN, Call, Endpoint, Fault, Faults
from local.vendor.pictures import DERIVED, ImageType, Picture

WRONG_ANSWERS = Faults()

# Throttled, with every form of Retry-After (RFC 9110, 10.2.3) and what is not one.


def _throttled(retry_after: str | None) -> Answer:
    return gateway_error(429, "Too Many Requests", *([("Retry-After", retry_after)] if retry_after is not None else []))


def _throttled_date() -> Answer:
    return _throttled(format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True))


WRONG_ANSWERS.answer("throttled", _throttled(None))
WRONG_ANSWERS.answer("throttled_seconds", _throttled("1"))
WRONG_ANSWERS.answer("throttled_date", _throttled_date)
WRONG_ANSWERS.answer("throttled_past_date", _throttled("Wed, 21 Oct 2015 07:28:00 GMT"))
WRONG_ANSWERS.answer("throttled_absurd", _throttled("999999999"))
WRONG_ANSWERS.answer("throttled_negative", _throttled("-5"))
WRONG_ANSWERS.answer("throttled_malformed", _throttled("soon"))

# Refused or broken behind the gateway.

WRONG_ANSWERS.answer("server_error", error(500, "INTRNL", "Internal error"))
WRONG_ANSWERS.answer("bad_gateway", Answer(502, HTML_PAGE, "text/html"))
WRONG_ANSWERS.answer("unavailable", gateway_error(503, "Service Unavailable"))
WRONG_ANSWERS.answer("unavailable_retry_after", gateway_error(503, "Service Unavailable", ("Retry-After", "1")))
WRONG_ANSWERS.answer("gateway_timeout", gateway_error(504, "Endpoint request timed out"))
WRONG_ANSWERS.answer("forbidden", gateway_error(403, "Forbidden"))
WRONG_ANSWERS.answer("bad_request", error(400, "BDRQST", ["type must be valid", "ticket must be valid"]))
WRONG_ANSWERS.answer("odd_status", Answer(299, b"{}"))
WRONG_ANSWERS.answer("error_as_200", lambda: replace(error(500, "INTRNL", "Internal error"), status=200))


@WRONG_ANSWERS.on(TICKET)
def unauthorized(call: Call) -> None:
    """The token is revoked in mid-flight: from now on it opens nothing."""
    call.revoke()
    call.wire.answer(error(401, "UNTHRZD", "Unauthorized"))


@WRONG_ANSWERS.on(EVERYWHERE)
def redirect(call: Call) -> None:
    """To another host, where nothing secret may arrive."""
    call.wire.answer(Answer(302, b"", headers=(("Location", call.elsewhere),)))


# Not ready yet, or never: an absent derived picture looks just so.

WRONG_ANSWERS.answer("not_ready", ticket_not_found, TICKET, DERIVED)
WRONG_ANSWERS.answer("empty_list", as_json({"images": []}), IMAGES, DERIVED)
WRONG_ANSWERS.answer("null", as_json(None), IMAGES | DETAILS, DERIVED)
WRONG_ANSWERS.answer("no_content", Answer(204, b""), TICKET, DERIVED)
WRONG_ANSWERS.answer("empty_body", Answer(200, b""), EVERYWHERE, DERIVED)


@WRONG_ANSWERS.on(IMAGES, frozenset(ImageType))
def partial_list(call: Call) -> None:
    """The first half of the pictures, rounded down."""
    call.wire.answer(call.altered(lambda pictures: pictures[: len(pictures) // 2]))


# Not what it says it is.

WRONG_ANSWERS.answer("html", Answer(200, HTML_PAGE, "text/html; charset=utf-8"))
WRONG_ANSWERS.answer("html_as_json", Answer(200, HTML_PAGE))
WRONG_ANSWERS.answer(
    "json_error_as_image",
    lambda: replace(error(500, "INTRNL", "Internal error"), status=200, content_type="image/jpeg"),
)
WRONG_ANSWERS.answer("unknown_shape", as_json({"result": {"blob": 17, "parts": [{"x": True}]}}), API)
WRONG_ANSWERS.answer("scalar", as_json("ok"), API)
WRONG_ANSWERS.answer("too_deep", Answer(200, b"[" * 100_000 + b"]" * 100_000), API)
WRONG_ANSWERS.answer("long_number", Answer(200, b'{"n": ' + b"9" * 5_000 + b"}"), API)
WRONG_ANSWERS.answer("not_a_number", Answer(200, b'{"confidence_score": NaN, "images": [Infinity]}'), API)
WRONG_ANSWERS.answer("lone_surrogate", Answer(200, b'{"images": ["\\ud800"], "token": "\\ud800"}'), API)
WRONG_ANSWERS.answer("bad_utf8", Answer(200, b'{"images": ["\xff\xfe"], "token": "\xc3("}'), API)


@WRONG_ANSWERS.on(API)
def invalid_json(call: Call) -> None:
    """Of the right length, but its last bracket is a comma."""
    call.wire.answer(Answer(200, json.dumps({"status": "ok"}).encode()[:-1] + b",", JSON))


@WRONG_ANSWERS.on(API)
def mislabelled(call: Call) -> None:
    """The right body as `text/html`."""
    call.wire.answer(replace(call.normal, content_type="text/html"))


def _spoils(name: str, spoil: Callable[[Picture], Picture], deceives: frozenset[str] = frozenset()) -> None:
    """A fault of the pictures within an answer that is otherwise right; an answer without pictures stays as it is."""

    def act(call: Call) -> None:
        if call.endpoint is Endpoint.PICTURE:
            spoiled = spoil(Picture(call.normal.body, call.normal.content_type))
            call.wire.answer(Answer(200, spoiled.data, spoiled.content_type))
        else:
            call.wire.answer(call.altered(lambda pictures: [spoil(each) for each in pictures]))

    WRONG_ANSWERS[name] = Fault(name, FILES, deceives, act)


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

_spoils("truncated_image", lambda picture: replace(picture, data=picture.data[: len(picture.data) // 2]))
_spoils("html_as_image", lambda picture: replace(picture, data=HTML_PAGE))
_spoils("svg_as_image", lambda _: Picture(_SVG, "image/svg+xml"))
_spoils("empty_image", lambda picture: replace(picture, data=b""), DERIVED)  # an empty text stands for no image too
WRONG_ANSWERS.answer("bad_base64", as_json({"images": ["data:image/jpeg;base64,/9j/4AA*", "!!!!QUJD$$$"]}), IMAGES)
WRONG_ANSWERS.answer("private_url", as_json({"images": [{"url": "http://169.254.169.254/latest/meta-data/"}]}), IMAGES)

# The token's own faults.

WRONG_ANSWERS.answer("token_missing", as_json({}), TOKEN)
WRONG_ANSWERS.answer("token_without_expiry", as_json({"token": "opaque-and-unknown"}), TOKEN)
WRONG_ANSWERS.answer("token_of_another_type", as_json({"token": 17, "expiracy": "tomorrow"}), TOKEN)


@WRONG_ANSWERS.on(TOKEN)
def token_without_expiracy(call: Call) -> None:
    """A good token; when it ends stands in the JWT alone."""
    call.wire.answer(as_json({"token": json.loads(call.normal.body).get("token")}))


@WRONG_ANSWERS.on(TOKEN)
def token_expired(call: Call) -> None:
    """A token that was over before it was given, and that says so."""
    issued: Mapping[str, object] = json.loads(call.normal.body)
    call.revoke()
    call.wire.answer(as_json({**issued, "expiracy": 1_620_408_384}))
