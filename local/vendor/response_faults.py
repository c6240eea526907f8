"""Faults that are well-formed responses: throttled, rejected, not ready, or not what they claim to be."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from local.vendor.fault import API, DETAILS, EVERYWHERE, FILES, IMAGES, TICKET, TOKEN, Call, Endpoint, Fault, Faults
from local.vendor.pictures import DERIVED, ImageType, Picture
from local.vendor.responses import HTML_PAGE, JSON, SVG, Response, error, gateway_error, json_response, ticket_not_found

RESPONSE_FAULTS = Faults()

# Throttled, with valid and invalid forms of Retry-After (RFC 9110, 10.2.3).


def _throttled(retry_after: str | None) -> Response:
    return gateway_error(429, "Too Many Requests", *([("Retry-After", retry_after)] if retry_after is not None else []))


def _throttled_date() -> Response:
    return _throttled(format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True))


RESPONSE_FAULTS.response("throttled", _throttled(None))
RESPONSE_FAULTS.response("throttled_seconds", _throttled("1"))
RESPONSE_FAULTS.response("throttled_date", _throttled_date)
RESPONSE_FAULTS.response("throttled_past_date", _throttled("Wed, 21 Oct 2015 07:28:00 GMT"))
RESPONSE_FAULTS.response("throttled_absurd", _throttled("999999999"))
RESPONSE_FAULTS.response("throttled_negative", _throttled("-5"))
RESPONSE_FAULTS.response("throttled_malformed", _throttled("soon"))

# Rejected, or failed behind the gateway.

RESPONSE_FAULTS.response("server_error", error(500, "INTRNL", "Internal error"))
RESPONSE_FAULTS.response("bad_gateway", Response(502, HTML_PAGE, "text/html"))
RESPONSE_FAULTS.response("unavailable", gateway_error(503, "Service Unavailable"))
RESPONSE_FAULTS.response("unavailable_retry_after", gateway_error(503, "Service Unavailable", ("Retry-After", "1")))
RESPONSE_FAULTS.response("gateway_timeout", gateway_error(504, "Endpoint request timed out"))
RESPONSE_FAULTS.response("forbidden", gateway_error(403, "Forbidden"))
RESPONSE_FAULTS.response("bad_request", error(400, "BDRQST", ["type must be valid", "ticket must be valid"]))
RESPONSE_FAULTS.response("odd_status", Response(299, b"{}"))
RESPONSE_FAULTS.response("error_as_200", lambda: replace(error(500, "INTRNL", "Internal error"), status=200))


@RESPONSE_FAULTS.on(TICKET)
def unauthorized(call: Call) -> None:
    """Revoke the call's token and return 401."""
    call.revoke()
    call.connection.respond(error(401, "UNTHRZD", "Unauthorized"))


@RESPONSE_FAULTS.on(EVERYWHERE)
def redirect(call: Call) -> None:
    """Redirect to another host, which must not receive credentials."""
    call.connection.respond(Response(302, b"", headers=(("Location", call.elsewhere),)))


# Not ready yet, or never: an absent derived image has the same response.

RESPONSE_FAULTS.response("not_ready", ticket_not_found, TICKET, DERIVED)
RESPONSE_FAULTS.response("empty_list", json_response({"images": []}), IMAGES, DERIVED)
RESPONSE_FAULTS.response("null", json_response(None), IMAGES | DETAILS, DERIVED)
RESPONSE_FAULTS.response("no_content", Response(204, b""), TICKET, DERIVED)
RESPONSE_FAULTS.response("empty_body", Response(200, b""), EVERYWHERE, DERIVED)
RESPONSE_FAULTS.response(
    "not_found_as_200",
    json_response({"status": 200, "code": "TCKTNTFND", "message": ["Ticket not found"], "ticket": "T"}),
    TICKET,
    DERIVED,
)


@RESPONSE_FAULTS.on(IMAGES, frozenset(ImageType))
def partial_list(call: Call) -> None:
    """Return the first half of the files, rounded down."""
    call.connection.respond(call.altered(lambda pictures: pictures[: len(pictures) // 2]))


# Not what it claims to be.

RESPONSE_FAULTS.response("html", Response(200, HTML_PAGE, "text/html; charset=utf-8"))
RESPONSE_FAULTS.response("html_as_json", Response(200, HTML_PAGE))
RESPONSE_FAULTS.response(
    "json_error_as_image",
    lambda: replace(error(500, "INTRNL", "Internal error"), status=200, content_type="image/jpeg"),
)
RESPONSE_FAULTS.response("unknown_shape", json_response({"result": {"blob": 17, "parts": [{"x": True}]}}), API)
RESPONSE_FAULTS.response("scalar", json_response("ok"), API)
RESPONSE_FAULTS.response("too_deep", Response(200, b"[" * 100_000 + b"]" * 100_000), API)
RESPONSE_FAULTS.response("long_number", Response(200, b'{"n": ' + b"9" * 5_000 + b"}"), API)
RESPONSE_FAULTS.response("not_a_number", Response(200, b'{"confidence_score": NaN, "images": [Infinity]}'), API)
RESPONSE_FAULTS.response("lone_surrogate", Response(200, b'{"images": ["\\ud800"], "token": "\\ud800"}'), API)
RESPONSE_FAULTS.response("bad_utf8", Response(200, b'{"images": ["\xff\xfe"], "token": "\xc3("}'), API)


@RESPONSE_FAULTS.on(API)
def invalid_json(call: Call) -> None:
    """Return JSON of the correct length whose last bracket is a comma."""
    call.connection.respond(Response(200, json.dumps({"status": "ok"}).encode()[:-1] + b",", JSON))


@RESPONSE_FAULTS.on(API)
def mislabelled(call: Call) -> None:
    """Return the correct body as `text/html`."""
    call.connection.respond(replace(call.normal, content_type="text/html"))


def _alters(name: str, alter: Callable[[Picture], Picture], deceives: frozenset[str] = frozenset()) -> None:
    """Register a fault that changes every file of a response."""

    def act(call: Call) -> None:
        if call.endpoint is Endpoint.PICTURE:
            altered = alter(Picture(call.normal.body, call.normal.content_type))
            call.connection.respond(Response(200, altered.data, altered.content_type))
        else:
            call.connection.respond(call.altered(lambda pictures: [alter(each) for each in pictures]))

    RESPONSE_FAULTS[name] = Fault(name, FILES, deceives, act)


_alters("truncated_image", lambda picture: replace(picture, data=picture.data[: len(picture.data) // 2]))
_alters("html_as_image", lambda picture: replace(picture, data=HTML_PAGE))
_alters("svg_as_image", lambda _: Picture(SVG, "image/svg+xml"))
_alters("empty_image", lambda picture: replace(picture, data=b""), DERIVED)  # an empty string also means no image
RESPONSE_FAULTS.response(
    "bad_base64", json_response({"images": ["data:image/jpeg;base64,/9j/4AA*", "!!!!QUJD$$$"]}), IMAGES
)
RESPONSE_FAULTS.response(
    "private_url", json_response({"images": [{"url": "http://169.254.169.254/latest/meta-data/"}]}), IMAGES
)


@RESPONSE_FAULTS.on(DETAILS)
def details_of_another_ticket(call: Call) -> None:
    """Return the details with the ids of another ticket and customer."""
    document = json.loads(call.normal.body)
    holder = document.get("data", document)
    call.connection.respond(
        json_response({**document, **({"data": {**holder, **_OTHER}} if holder is not document else _OTHER)})
    )


_OTHER = {"ticket": "11111111-2222-4333-8444-555555555555", "cifcode": "CIF999999"}


@RESPONSE_FAULTS.on(DETAILS, frozenset({Endpoint.DETAILS}))
def details_without_outcome(call: Call) -> None:
    """Return the details with the outcome under a name that nobody documented."""
    call.connection.respond(replace(call.normal, body=call.normal.body.replace(b'"flow_status"', b'"verdict"')))


# Faults of the token.

RESPONSE_FAULTS.response("token_missing", json_response({}), TOKEN)
RESPONSE_FAULTS.response("token_without_expiry", json_response({"token": "opaque-and-unknown"}), TOKEN)
RESPONSE_FAULTS.response("token_of_another_type", json_response({"token": 17, "expiracy": "tomorrow"}), TOKEN)


@RESPONSE_FAULTS.on(TOKEN)
def token_without_expiracy(call: Call) -> None:
    """Return a valid token whose expiry is in the JWT alone."""
    call.connection.respond(json_response({"token": json.loads(call.normal.body).get("token")}))


@RESPONSE_FAULTS.on(TOKEN)
def token_expired(call: Call) -> None:
    """Return a token that has already expired, and its expiry."""
    issued: Mapping[str, object] = json.loads(call.normal.body)
    call.revoke()
    call.connection.respond(json_response({**issued, "expiracy": 1_620_408_384}))
