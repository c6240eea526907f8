"""Faults of the transfer: cut off, slow, endless or harmful bodies."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from local.vendor.fault import EVERYWHERE, Call, Faults
from local.vendor.responses import JSON, Response

MEBIBYTE = 2**20
BOMB_BYTES = 200 * MEBIBYTE
HUGE_BYTES = 64 * MEBIBYTE

NETWORK_FAULTS = Faults()


@NETWORK_FAULTS.on(EVERYWHERE)
def reset(call: Call) -> None:
    """Reset the connection before the first byte."""
    call.connection.reset()


@NETWORK_FAULTS.on(EVERYWHERE)
def reset_midway(call: Call) -> None:
    """Reset the connection after half of the body."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.reset()


@NETWORK_FAULTS.on(EVERYWHERE)
def hang_up(call: Call) -> None:
    """Close the connection without a response."""
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off(call: Call) -> None:
    """Send half of the body that Content-Length announced."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_unsized(call: Call) -> None:
    """Send half of a body without a length, so that HTTP cannot tell that it is cut off."""
    call.connection.send(call.connection.head(call.normal, ("Connection", "close")) + _half(call.normal.body))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_chunked(call: Call) -> None:
    """Send half of the body in one chunk, and no last chunk."""
    half = _half(call.normal.body)
    head = call.connection.head(call.normal, ("Transfer-Encoding", "chunked"))
    call.connection.send(head + f"{len(half):x}\r\n".encode() + half + b"\r\n")
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def drip_body(call: Call) -> None:
    """Send the correct body byte by byte, so that no single read times out."""
    if call.connection.send(_sized(call)):
        call.connection.drip(call.normal.body)


@NETWORK_FAULTS.on(EVERYWHERE)
def drip_headers(call: Call) -> None:
    """Send the correct headers byte by byte."""
    call.connection.drip(_sized(call))
    call.connection.send(call.normal.body)


@NETWORK_FAULTS.on(EVERYWHERE)
def stall(call: Call) -> None:
    """Send nothing for a long time."""
    call.connection.hold()


@NETWORK_FAULTS.on(EVERYWHERE)
def stall_body(call: Call) -> None:
    """Send half of the body, then nothing for a long time."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.hold()


@NETWORK_FAULTS.on(EVERYWHERE)
def gzip_bomb(call: Call) -> None:
    """Send 200 MiB of spaces in about 200 KB of gzip."""
    call.connection.respond(Response(200, _bomb(), JSON, (("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def bad_gzip(call: Call) -> None:
    """Send a body that is not gzip as gzip."""
    call.connection.respond(replace(call.normal, headers=(("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_gzip(call: Call) -> None:
    """Send half of a gzip stream with its correct length: complete for HTTP, cut off for gzip."""
    body = _half(gzip.compress(call.normal.body))
    call.connection.respond(replace(call.normal, body=body, headers=(("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def huge_body(call: Call) -> None:
    """Send 64 MiB with Content-Length."""
    call.connection.send(call.connection.head(replace(call.normal, status=200), ("Content-Length", str(HUGE_BYTES))))
    call.connection.send_all(b" " * MEBIBYTE for _ in range(HUGE_BYTES // MEBIBYTE))


@NETWORK_FAULTS.on(EVERYWHERE)
def endless_body(call: Call) -> None:
    """Send chunks until the client disconnects."""
    call.connection.send(call.connection.head(replace(call.normal, status=200), ("Transfer-Encoding", "chunked")))
    call.connection.send_all(_endless())
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def huge_header(call: Call) -> None:
    """Send a header line of 128 KiB."""
    call.connection.send(call.connection.head(call.normal, ("X-Padding", "x" * 2**17)))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def bad_length(call: Call) -> None:
    """Send a Content-Length that is not a number."""
    call.connection.send(call.connection.head(call.normal, ("Content-Length", "many")) + call.normal.body)
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def garbage(call: Call) -> None:
    """Send bytes that are not HTTP."""
    call.connection.send(b"\x15\x03\x01\x00\x02\x02(\r\n\r\n")
    call.connection.close()


def _sized(call: Call) -> bytes:
    return call.connection.head(call.normal, ("Content-Length", str(len(call.normal.body))))


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
