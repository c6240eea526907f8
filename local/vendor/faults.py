"""Faults that replace a correct response: at which endpoints, and where the response still looks correct."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from local.vendor.connection import Connection
from local.vendor.pictures import DERIVED, Picture
from local.vendor.responses import HTML_PAGE, NOT_FOUND, UNAUTHORIZED, Response, error, gateway_error, json_response
from local.vendor.service import Endpoint, Request, Service
from local.vendor.shapes import LINKS, UNUSABLE, Unusable
from ticket_archive.models import ImageType

EVERYWHERE = frozenset(Endpoint)
API = EVERYWHERE - {Endpoint.PICTURE}
TICKET = frozenset({Endpoint.DETAILS, Endpoint.IMAGES})
TOKEN, DETAILS, IMAGES = (frozenset({each}) for each in (Endpoint.TOKEN, Endpoint.DETAILS, Endpoint.IMAGES))

MEBIBYTE = 2**20
BOMB_MEBIBYTES, HUGE_MEBIBYTES = 200, 64
_AS_200 = {"status": 200, "code": "TCKTNTFND", "message": ["Ticket not found"], "ticket": "T"}
_CHUNKED = ("Transfer-Encoding", "chunked")
_HUGE = ("Content-Length", str(HUGE_MEBIBYTES * MEBIBYTE))


@dataclass(frozen=True)
class Call:
    """A call to which a fault is applied. `normal` is the correct response, `elsewhere` a URL of another host."""

    connection: Connection
    request: Request
    normal: Response
    service: Service
    elsewhere: str

    def head(self, *headers: tuple[str, str], **changed: Any) -> bytes:
        """Return the status line and the headers of the correct response with these changes."""
        return self.connection.head(replace(self.normal, **changed), *headers)

    def revoke(self) -> None:
        """Revoke the call's token, or the one just issued."""
        issued = self.request.endpoint is Endpoint.TOKEN and json.loads(self.normal.body).get("token")
        self.service.tokens.revoke(issued or self.request.bearer)


@dataclass(frozen=True)
class Fault:
    """`deceives` names the image types, endpoints and LINKS where the response looks correct.

    A missing derived image, for instance, is a correct response. There the fault is injected by name only, never at
    random, because no client could notice it.
    """

    name: str
    endpoints: frozenset[Endpoint]
    deceives: frozenset[str]
    act: Callable[[Call], None]


FAULTS: dict[str, Fault] = {}


def _responds(
    name: str,
    response: Response | Callable[[Call], Response],
    endpoints: frozenset[Endpoint] = EVERYWHERE,
    deceives: frozenset[str] = frozenset(),
) -> None:
    """Define a fault that is a well-formed response."""

    def act(call: Call) -> None:
        call.connection.respond(response if isinstance(response, Response) else response(call))

    FAULTS[name] = Fault(name, endpoints, deceives, act)


def _throttled(*retry_after: str) -> Response:
    return gateway_error(429, "Too Many Requests", *(("Retry-After", value) for value in retry_after))


def _unauthorized(call: Call) -> Response:
    call.revoke()
    return UNAUTHORIZED


def _alters(name: str, alter: Callable[[Picture], Picture], deceives: frozenset[str] = frozenset()) -> None:
    """Define a fault that changes every file of a response."""

    def response(call: Call) -> Response:
        if call.request.endpoint is Endpoint.PICTURE:
            altered = alter(Picture(call.normal.body, call.normal.content_type))
            return Response(200, altered.data, altered.content_type)
        return call.service.respond(call.request, lambda pictures: [alter(each) for each in pictures])

    _responds(name, response, frozenset({Endpoint.IMAGES, Endpoint.PICTURE}), deceives)


def _details_of_another_ticket(call: Call) -> Response:
    document = json.loads(call.normal.body)
    holder = document.get("data", document)
    holder.update(ticket="11111111-2222-4333-8444-555555555555", cifcode="CIF999999")
    return json_response(document)


def _with_body(call: Call, old: bytes, new: bytes) -> Response:
    return replace(call.normal, body=call.normal.body.replace(old, new))


def _token_expired(call: Call) -> Response:
    """Return a token that has already expired, and its expiry."""
    call.revoke()
    return json_response({**json.loads(call.normal.body), "expiracy": 1_620_408_384})


def _sends(
    name: str, pieces: Callable[[Call], Iterable[bytes]], end: Callable[[Connection], None] = Connection.close
) -> None:
    """Define a fault that sends some bytes, then ends the connection."""

    def act(call: Call) -> None:
        for piece in pieces(call):
            if not call.connection.send(piece):
                break
        end(call.connection)

    FAULTS[name] = Fault(name, EVERYWHERE, frozenset(), act)


def _sized(call: Call) -> bytes:
    return call.head(("Content-Length", str(len(call.normal.body))))


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _half_sent(call: Call) -> Iterable[bytes]:
    return [_sized(call) + _half(call.normal.body)]


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _zipped(normal: Response, body: bytes) -> Response:
    return replace(normal, body=body, headers=(("Content-Encoding", "gzip"),))


@lru_cache
def _bomb() -> bytes:
    """Return 200 MiB of spaces in about 200 KB of gzip."""
    press = zlib.compressobj(9, wbits=31)
    return b"".join(press.compress(b" " * MEBIBYTE) for _ in range(BOMB_MEBIBYTES)) + press.flush()


# Throttled, with valid and invalid forms of Retry-After (RFC 9110, 10.2.3).
_responds("throttled", _throttled())
_responds("throttled_seconds", _throttled("1"))
_responds(
    "throttled_date", lambda _: _throttled(format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True))
)
_responds("throttled_past_date", _throttled("Wed, 21 Oct 2015 07:28:00 GMT"))
_responds("throttled_absurd", _throttled("999999999"))
_responds("throttled_negative", _throttled("-5"))
_responds("throttled_malformed", _throttled("soon"))

# Rejected, or failed behind the gateway.
_responds("server_error", error(500, "INTRNL", "Internal error"))
_responds("bad_gateway", Response(502, HTML_PAGE, "text/html"))
_responds("unavailable", gateway_error(503, "Service Unavailable"))
_responds("unavailable_retry_after", gateway_error(503, "Service Unavailable", ("Retry-After", "1")))
_responds("gateway_timeout", gateway_error(504, "Endpoint request timed out"))
_responds("forbidden", gateway_error(403, "Forbidden"))
_responds("bad_request", error(400, "BDRQST", ["type must be valid", "ticket must be valid"]))
_responds("odd_status", Response(299, b"{}"))
_responds("error_as_200", replace(error(500, "INTRNL", "Internal error"), status=200))
_responds("unauthorized", _unauthorized, TICKET)
# Another host must not receive credentials.
_responds("redirect", lambda call: Response(302, b"", headers=(("Location", call.elsewhere),)))

# Not ready yet, or never: an absent derived image has the same response.
_responds("not_ready", NOT_FOUND, TICKET, DERIVED)
_responds("empty_list", json_response({"images": []}), IMAGES, DERIVED)
_responds("null", json_response(None), IMAGES | DETAILS, DERIVED)
_responds("no_content", Response(204, b""), TICKET, DERIVED)
_responds("empty_body", Response(200, b""), EVERYWHERE, DERIVED)
_responds("not_found_as_200", json_response(_AS_200), TICKET, DERIVED)
_responds(
    "partial_list",
    lambda call: call.service.respond(call.request, lambda files: files[: len(files) // 2]),
    IMAGES,
    frozenset(ImageType),
)

# Not what it claims to be.
_responds("html", UNUSABLE[Unusable.HTML])
_responds("html_as_json", Response(200, HTML_PAGE))
_responds("json_error_as_image", replace(error(500, "INTRNL", "Internal error"), status=200, content_type="image/jpeg"))
_responds("unknown_shape", UNUSABLE[Unusable.UNKNOWN_JSON], API)
_responds("scalar", json_response("ok"), API)
_responds("too_deep", Response(200, b"[" * 100_000 + b"]" * 100_000), API)
_responds("long_number", Response(200, b'{"n": ' + b"9" * 5_000 + b"}"), API)
_responds("not_a_number", Response(200, b'{"confidence_score": NaN, "images": [Infinity]}'), API)
_responds("lone_surrogate", Response(200, b'{"images": ["\\ud800"], "token": "\\ud800"}'), API)
_responds("bad_utf8", Response(200, b'{"images": ["\xff\xfe"], "token": "\xc3("}'), API)
_responds("invalid_json", Response(200, b'{"status": "ok",'), API)
_responds("mislabelled", lambda call: replace(call.normal, content_type="text/html"), API)

_alters("truncated_image", lambda picture: replace(picture, data=_half(picture.data)), frozenset({LINKS}))
_alters("html_as_image", lambda picture: replace(picture, data=HTML_PAGE))
_alters("svg_as_image", lambda _: Picture(UNUSABLE[Unusable.SVG].body, "image/svg+xml"))
_alters("empty_image", lambda picture: replace(picture, data=b""), DERIVED)  # an empty string also means no image
_responds("bad_base64", json_response({"images": ["data:image/jpeg;base64,/9j/4AA*", "!!!!QUJD$$$"]}), IMAGES)
_responds("private_url", UNUSABLE[Unusable.PRIVATE_URL], IMAGES)

# Faults of the details, and of the token.
_responds("details_of_another_ticket", _details_of_another_ticket, DETAILS)
_responds(  # under a name that nobody documented
    "details_without_outcome", lambda call: _with_body(call, b'"flow_status"', b'"verdict"'), DETAILS, DETAILS
)
_responds("token_missing", json_response({}), TOKEN)
_responds("token_without_expiry", json_response({"token": "opaque-and-unknown"}), TOKEN)
_responds("token_of_another_type", json_response({"token": 17, "expiracy": "tomorrow"}), TOKEN)
_responds("token_without_expiracy", lambda call: _with_body(call, b'"expiracy"', b'"_"'), TOKEN)  # but in the JWT
_responds("token_expired", _token_expired, TOKEN)

# Faults of the transfer: cut off, slow, endless or harmful.
_sends("reset", lambda _: (), Connection.reset)
_sends("reset_midway", _half_sent, Connection.reset)
_sends("hang_up", lambda _: ())
_sends("cut_off", _half_sent)
# Without a length, HTTP cannot tell that the body is cut off.
_sends("cut_off_unsized", lambda call: [call.head(("Connection", "close")) + _half(call.normal.body)])
_sends("cut_off_chunked", lambda call: [call.head(_CHUNKED) + _chunk(_half(call.normal.body))])
_sends("stall", lambda _: (), Connection.hold)
_sends("stall_body", _half_sent, Connection.hold)
# Byte by byte, so that no single read times out.
_sends("drip_body", lambda call: chain([_sized(call)], call.connection.slowly(call.normal.body)))
_sends("drip_headers", lambda call: chain(call.connection.slowly(_sized(call)), [call.normal.body]))

_responds("gzip_bomb", lambda _: _zipped(Response(200, b""), _bomb()))
_responds("bad_gzip", lambda call: _zipped(call.normal, call.normal.body))
# Complete for HTTP, cut off for gzip.
_responds("cut_off_gzip", lambda call: _zipped(call.normal, _half(gzip.compress(call.normal.body))))
_sends("huge_body", lambda call: chain([call.head(_HUGE, status=200)], repeat(b" " * MEBIBYTE, HUGE_MEBIBYTES)))
# Until the client disconnects.
_sends("endless_body", lambda call: chain([call.head(_CHUNKED, status=200)], repeat(_chunk(b" " * 0x10000))))
_sends("huge_header", lambda call: [call.head(("X-Padding", "x" * 2**17))])
_sends("bad_length", lambda call: [call.head(("Content-Length", "many")) + call.normal.body])
_sends("garbage", lambda _: [b"\x15\x03\x01\x00\x02\x02(\r\n\r\n"])
