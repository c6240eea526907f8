"""Everything that a vendor may do wrong, as it looks on the wire: one small function per fault, found by its name."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache

from local.vendor.answers import HTML_PAGE, JSON, Answer, as_json, error, gateway_error, ticket_not_found
from local.vendor.pictures import DERIVED, ImageType, Picture
from local.vendor.wire import Wire

MEBIBYTE = 2**20
BOMB_BYTES = 200 * MEBIBYTE
HUGE_BYTES = 64 * MEBIBYTE


class Endpoint(StrEnum):
    """What is called: the vendor's three endpoints, and the addresses of single pictures."""

    TOKEN = "token"  # noqa: S105  a name, not a secret
    DETAILS = "details"
    IMAGES = "images"
    PICTURE = "picture"


@dataclass(frozen=True)
class Call:
    """One call that is about to be answered wrongly.

    `normal` is the answer it would have had; `altered` is the same answer with other pictures in it (images only).
    """

    wire: Wire
    endpoint: Endpoint
    normal: Answer
    altered: Callable[[Callable[[list[Picture]], list[Picture]]], Answer]
    revoke: Callable[[], None]
    elsewhere: str


Act = Callable[[Call], None]

EVERYWHERE = frozenset(Endpoint)
API = frozenset({Endpoint.TOKEN, Endpoint.DETAILS, Endpoint.IMAGES})
_TICKET = frozenset({Endpoint.DETAILS, Endpoint.IMAGES})
_TOKEN = frozenset({Endpoint.TOKEN})
_DETAILS = frozenset({Endpoint.DETAILS})
_IMAGES = frozenset({Endpoint.IMAGES})


@dataclass(frozen=True)
class Fault:
    """`deceives` names the image types and endpoints where the answer cannot be told from a true one.

    A derived image that is not there, for instance, is a normal answer. There a fault is played only when it is asked
    for by name, never drawn by rate: nobody could be expected to notice it.
    """

    name: str
    endpoints: frozenset[Endpoint]
    deceives: frozenset[str]
    act: Act


FAULTS: dict[str, Fault] = {}


def _fault(endpoints: frozenset[Endpoint], deceives: frozenset[str] = frozenset()) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        name = act.__name__.strip("_")
        FAULTS[name] = Fault(name, endpoints, deceives, act)
        return act

    return register


def _answers(
    name: str,
    answer: Callable[[], Answer] | Answer,
    endpoints: frozenset[Endpoint] = EVERYWHERE,
    deceives: frozenset[str] = frozenset(),
) -> None:
    """A fault that is a well-formed answer, only not the one hoped for."""

    def act(call: Call) -> None:
        call.wire.answer(answer() if callable(answer) else answer)

    FAULTS[name] = Fault(name, endpoints, deceives, act)


# Throttled, with every form of Retry-After (RFC 9110, 10.2.3) and what is not one.


def _throttled(retry_after: str | None) -> Answer:
    return gateway_error(429, "Too Many Requests", *([("Retry-After", retry_after)] if retry_after is not None else []))


def _throttled_date() -> Answer:
    return _throttled(format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True))


_answers("throttled", _throttled(None))
_answers("throttled_seconds", _throttled("1"))
_answers("throttled_date", _throttled_date)
_answers("throttled_past_date", _throttled("Wed, 21 Oct 2015 07:28:00 GMT"))
_answers("throttled_absurd", _throttled("999999999"))
_answers("throttled_negative", _throttled("-5"))
_answers("throttled_malformed", _throttled("soon"))

# Refused or broken behind the gateway.

_answers("server_error", error(500, "INTRNL", "Internal error"))
_answers("bad_gateway", Answer(502, HTML_PAGE, "text/html"))
_answers("unavailable", gateway_error(503, "Service Unavailable"))
_answers("unavailable_retry_after", gateway_error(503, "Service Unavailable", ("Retry-After", "1")))
_answers("gateway_timeout", gateway_error(504, "Endpoint request timed out"))
_answers("forbidden", gateway_error(403, "Forbidden"))
_answers("bad_request", error(400, "BDRQST", ["type must be valid", "ticket must be valid"]))
_answers("odd_status", Answer(299, b"{}"))
_answers("error_as_200", lambda: replace(error(500, "INTRNL", "Internal error"), status=200))


@_fault(_TICKET)
def unauthorized(call: Call) -> None:
    """The token is revoked in mid-flight: from now on it opens nothing."""
    call.revoke()
    call.wire.answer(error(401, "UNTHRZD", "Unauthorized"))


@_fault(EVERYWHERE)
def redirect(call: Call) -> None:
    """To another host, where nothing secret may arrive."""
    call.wire.answer(Answer(302, b"", headers=(("Location", call.elsewhere),)))


# Not ready yet, or never: an absent derived picture looks just so.

_answers("not_ready", ticket_not_found, _TICKET, DERIVED)
_answers("empty_list", as_json({"images": []}), _IMAGES, DERIVED)
_answers("null", as_json(None), _IMAGES | _DETAILS, DERIVED)
_answers("no_content", Answer(204, b""), _TICKET, DERIVED)
_answers("empty_body", Answer(200, b""), EVERYWHERE, DERIVED)


@_fault(_IMAGES, frozenset(ImageType))
def partial_list(call: Call) -> None:
    """The first half of the pictures, rounded down."""
    call.wire.answer(call.altered(lambda pictures: pictures[: len(pictures) // 2]))


# Not what it says it is.

_answers("html", Answer(200, HTML_PAGE, "text/html; charset=utf-8"))
_answers("html_as_json", Answer(200, HTML_PAGE))
_answers(
    "json_error_as_image",
    lambda: replace(error(500, "INTRNL", "Internal error"), status=200, content_type="image/jpeg"),
)
_answers("unknown_shape", as_json({"result": {"blob": 17, "parts": [{"x": True}]}}), API, _DETAILS)
_answers("scalar", as_json("ok"), API)
_answers("too_deep", Answer(200, b"[" * 100_000 + b"]" * 100_000), API)
_answers("long_number", Answer(200, b'{"n": ' + b"9" * 5_000 + b"}"), API, _DETAILS)
_answers("not_a_number", Answer(200, b'{"confidence_score": NaN, "images": [Infinity]}'), API)
_answers("lone_surrogate", Answer(200, b'{"images": ["\\ud800"], "token": "\\ud800"}'), API, _DETAILS)
_answers("bad_utf8", Answer(200, b'{"images": ["\xff\xfe"], "token": "\xc3("}'), API)


@_fault(API)
def invalid_json(call: Call) -> None:
    """Of the right length, but its last bracket is a comma."""
    call.wire.answer(Answer(200, json.dumps({"status": "ok"}).encode()[:-1] + b",", JSON))


@_fault(API)
def mislabelled(call: Call) -> None:
    """The right body as `text/html`."""
    call.wire.answer(replace(call.normal, content_type="text/html"))


def _spoils(name: str, spoil: Callable[[Picture], Picture]) -> None:
    """A fault of the pictures within an answer that is otherwise right; an answer without pictures stays as it is."""

    def act(call: Call) -> None:
        if call.endpoint is Endpoint.PICTURE:
            spoiled = spoil(Picture(call.normal.body, call.normal.content_type))
            call.wire.answer(Answer(200, spoiled.data, spoiled.content_type))
        else:
            call.wire.answer(call.altered(lambda pictures: [spoil(each) for each in pictures]))

    FAULTS[name] = Fault(name, _IMAGES | {Endpoint.PICTURE}, frozenset(), act)


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

_spoils("truncated_image", lambda picture: replace(picture, data=picture.data[: len(picture.data) // 2]))
_spoils("html_as_image", lambda picture: replace(picture, data=HTML_PAGE))
_spoils("svg_as_image", lambda _: Picture(_SVG, "image/svg+xml"))
_spoils("empty_image", lambda picture: replace(picture, data=b""))
_answers("bad_base64", as_json({"images": ["data:image/jpeg;base64,/9j/4AA*", "!!!!QUJD$$$"]}), _IMAGES)
_answers("private_url", as_json({"images": [{"url": "http://169.254.169.254/latest/meta-data/"}]}), _IMAGES)

# Cut off, slow, endless.


@_fault(EVERYWHERE)
def reset(call: Call) -> None:
    """Before the first byte."""
    call.wire.reset()


@_fault(EVERYWHERE)
def reset_midway(call: Call) -> None:
    """After the headers and half of the body."""
    call.wire.send(_sized(call) + _half(call.normal.body))
    call.wire.reset()


@_fault(EVERYWHERE)
def hang_up(call: Call) -> None:
    """The connection ends politely, without an answer."""
    call.wire.close()


@_fault(EVERYWHERE)
def cut_off(call: Call) -> None:
    """Half of the body that Content-Length promised."""
    call.wire.send(_sized(call) + _half(call.normal.body))
    call.wire.close()


@_fault(EVERYWHERE)
def cut_off_unsized(call: Call) -> None:
    """Half of the body, ended by the connection's end: nothing in HTTP says that it is not whole."""
    call.wire.send(call.wire.head(call.normal, ("Connection", "close")) + _half(call.normal.body))
    call.wire.close()


@_fault(EVERYWHERE)
def cut_off_chunked(call: Call) -> None:
    """Half of the body in one chunk, and no last chunk."""
    half = _half(call.normal.body)
    head = call.wire.head(call.normal, ("Transfer-Encoding", "chunked"))
    call.wire.send(head + f"{len(half):x}\r\n".encode() + half + b"\r\n")
    call.wire.close()


@_fault(EVERYWHERE)
def drip_body(call: Call) -> None:
    """The right body, byte by byte: no single read ever times out."""
    if call.wire.send(_sized(call)):
        call.wire.drip(call.normal.body)


@_fault(EVERYWHERE)
def drip_headers(call: Call) -> None:
    """The right headers, byte by byte."""
    call.wire.drip(_sized(call))
    call.wire.send(call.normal.body)


@_fault(EVERYWHERE)
def stall(call: Call) -> None:
    """Nothing, for a long time."""
    call.wire.hold()


@_fault(EVERYWHERE)
def stall_body(call: Call) -> None:
    """The headers and half of the body, and then nothing for a long time."""
    call.wire.send(_sized(call) + _half(call.normal.body))
    call.wire.hold()


@_fault(EVERYWHERE)
def gzip_bomb(call: Call) -> None:
    """200 MiB of spaces in about 200 KB."""
    call.wire.answer(Answer(200, _bomb(), JSON, (("Content-Encoding", "gzip"),)))


@_fault(EVERYWHERE)
def bad_gzip(call: Call) -> None:
    """Called gzip, and is not."""
    call.wire.answer(replace(call.normal, headers=(("Content-Encoding", "gzip"),)))


@_fault(EVERYWHERE)
def cut_off_gzip(call: Call) -> None:
    """Half of a gzip stream, its length told truly: whole for HTTP, cut off for gzip."""
    body = _half(gzip.compress(call.normal.body))
    call.wire.answer(replace(call.normal, body=body, headers=(("Content-Encoding", "gzip"),)))


@_fault(EVERYWHERE)
def huge_body(call: Call) -> None:
    """64 MiB, announced."""
    call.wire.send(call.wire.head(replace(call.normal, status=200), ("Content-Length", str(HUGE_BYTES))))
    call.wire.send_all(b" " * MEBIBYTE for _ in range(HUGE_BYTES // MEBIBYTE))


@_fault(EVERYWHERE)
def endless_body(call: Call) -> None:
    """Chunk after chunk, for as long as the client takes them."""
    call.wire.send(call.wire.head(replace(call.normal, status=200), ("Transfer-Encoding", "chunked")))
    call.wire.send_all(_endless())
    call.wire.close()


@_fault(EVERYWHERE)
def huge_header(call: Call) -> None:
    """A header line of 128 KiB."""
    call.wire.send(call.wire.head(call.normal, ("X-Padding", "x" * 2**17)))
    call.wire.close()


@_fault(EVERYWHERE)
def bad_length(call: Call) -> None:
    """A Content-Length that is no number."""
    call.wire.send(call.wire.head(call.normal, ("Content-Length", "many")) + call.normal.body)
    call.wire.close()


@_fault(EVERYWHERE)
def garbage(call: Call) -> None:
    """Not HTTP at all."""
    call.wire.send(b"\x15\x03\x01\x00\x02\x02(\r\n\r\n")
    call.wire.close()


# The token's own faults.

_answers("token_missing", as_json({}), _TOKEN)
_answers("token_without_expiry", as_json({"token": "opaque-and-unknown"}), _TOKEN)
_answers("token_of_another_type", as_json({"token": 17, "expiracy": "tomorrow"}), _TOKEN)


@_fault(_TOKEN)
def token_expired(call: Call) -> None:
    """A token that was over before it was given, and that says so."""
    issued: Mapping[str, object] = json.loads(call.normal.body)
    call.revoke()
    call.wire.answer(as_json({**issued, "expiracy": 1_620_408_384}))


def _sized(call: Call) -> bytes:
    return call.wire.head(call.normal, ("Content-Length", str(len(call.normal.body))))


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _endless() -> Iterator[bytes]:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    while True:
        yield chunk


@lru_cache
def _bomb() -> bytes:
    press = zlib.compressobj(9, wbits=31)
    return b"".join(press.compress(b" " * MEBIBYTE) for _ in range(BOMB_BYTES // MEBIBYTE)) + press.flush()
