"""Answers that break on their way: cut off, slow, endless, or packed to do harm."""

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
    """Before the first byte."""
    call.connection.reset()


@NETWORK_FAULTS.on(EVERYWHERE)
def reset_midway(call: Call) -> None:
    """After the headers and half of the body."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.reset()


@NETWORK_FAULTS.on(EVERYWHERE)
def hang_up(call: Call) -> None:
    """The connection ends politely, without an answer."""
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off(call: Call) -> None:
    """Half of the body that Content-Length promised."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_unsized(call: Call) -> None:
    """Half of the body, ended by the connection's end: nothing in HTTP says that it is not whole."""
    call.connection.send(call.connection.head(call.normal, ("Connection", "close")) + _half(call.normal.body))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_chunked(call: Call) -> None:
    """Half of the body in one chunk, and no last chunk."""
    half = _half(call.normal.body)
    head = call.connection.head(call.normal, ("Transfer-Encoding", "chunked"))
    call.connection.send(head + f"{len(half):x}\r\n".encode() + half + b"\r\n")
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def drip_body(call: Call) -> None:
    """The right body, byte by byte: no single read ever times out."""
    if call.connection.send(_sized(call)):
        call.connection.drip(call.normal.body)


@NETWORK_FAULTS.on(EVERYWHERE)
def drip_headers(call: Call) -> None:
    """The right headers, byte by byte."""
    call.connection.drip(_sized(call))
    call.connection.send(call.normal.body)


@NETWORK_FAULTS.on(EVERYWHERE)
def stall(call: Call) -> None:
    """Nothing, for a long time."""
    call.connection.hold()


@NETWORK_FAULTS.on(EVERYWHERE)
def stall_body(call: Call) -> None:
    """The headers and half of the body, and then nothing for a long time."""
    call.connection.send(_sized(call) + _half(call.normal.body))
    call.connection.hold()


@NETWORK_FAULTS.on(EVERYWHERE)
def gzip_bomb(call: Call) -> None:
    """200 MiB of spaces in about 200 KB."""
    call.connection.answer(Response(200, _bomb(), JSON, (("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def bad_gzip(call: Call) -> None:
    """Called gzip, and is not."""
    call.connection.answer(replace(call.normal, headers=(("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def cut_off_gzip(call: Call) -> None:
    """Half of a gzip stream, its length told truly: whole for HTTP, cut off for gzip."""
    body = _half(gzip.compress(call.normal.body))
    call.connection.answer(replace(call.normal, body=body, headers=(("Content-Encoding", "gzip"),)))


@NETWORK_FAULTS.on(EVERYWHERE)
def huge_body(call: Call) -> None:
    """64 MiB, announced."""
    call.connection.send(call.connection.head(replace(call.normal, status=200), ("Content-Length", str(HUGE_BYTES))))
    call.connection.send_all(b" " * MEBIBYTE for _ in range(HUGE_BYTES // MEBIBYTE))


@NETWORK_FAULTS.on(EVERYWHERE)
def endless_body(call: Call) -> None:
    """Chunk after chunk, for as long as the client takes them."""
    call.connection.send(call.connection.head(replace(call.normal, status=200), ("Transfer-Encoding", "chunked")))
    call.connection.send_all(_endless())
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def huge_header(call: Call) -> None:
    """A header line of 128 KiB."""
    call.connection.send(call.connection.head(call.normal, ("X-Padding", "x" * 2**17)))
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def bad_length(call: Call) -> None:
    """A Content-Length that is no number."""
    call.connection.send(call.connection.head(call.normal, ("Content-Length", "many")) + call.normal.body)
    call.connection.close()


@NETWORK_FAULTS.on(EVERYWHERE)
def garbage(call: Call) -> None:
    """Not HTTP at all."""
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
