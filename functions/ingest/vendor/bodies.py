"""Read a response's body within a size limit, decompressed."""

import io
import zlib
from collections.abc import Iterator
from itertools import chain

from urllib3.response import BaseHTTPResponse

from ticket_archive.errors import InvalidVendorResponse, VendorUnavailable

PIECE = 65_536
"""Bytes that are read or decompressed in one step."""
_GZIP = b"\x1f\x8b"  # RFC 1952


def read_body(raw: BaseHTTPResponse, max_bytes: int) -> bytes:
    """Return the body, complete as far as HTTP and gzip can tell.

    Servers write into Content-Encoding what is not one (`UTF-8`; `base64` and `aws-chunked` on objects in S3, from
    their upload), or one that the body does not have, and proxies write one twice. So the first bytes decide whether
    the body is decompressed. All else is returned as it is, compressions that were not requested too.
    """
    length = raw.length_remaining
    if length is None and not raw.chunked and "Content-Length" in raw.headers:
        raise VendorUnavailable("protocol")
    if length is not None and length > max_bytes:
        raise InvalidVendorResponse("too_large")
    received = raw.stream(PIECE, decode_content=False)
    head = b""
    while len(head) < 2 and (piece := next(received, b"")):
        head += piece
    encoding = raw.headers.get("Content-Encoding", "").lower()
    named = any(name in encoding for name in ("gzip", "deflate"))
    is_gzip = head.startswith(_GZIP)  # as no file or JSON does, so it needs no header
    decoder = _Decoder() if is_gzip or (named and _is_zlib(head)) else None
    body = io.BytesIO()
    broken = ""
    try:
        for piece in chain((head,), received):
            for part in decoder.feed(piece) if decoder else (piece,):
                if body.tell() + len(part) > max_bytes:
                    raise InvalidVendorResponse("too_large")
                body.write(part)
        if decoder and not decoder.member.eof:
            broken = "truncated"
    except zlib.error:
        broken = "encoding"
    if broken:
        raise VendorUnavailable(broken, body.getvalue())
    return body.getvalue()


def _is_zlib(head: bytes) -> bool:
    """Return whether these bytes begin zlib (RFC 1950), which HTTP calls deflate."""
    return len(head) > 1 and head[0] % 16 == 8 and int.from_bytes(head[:2]) % 31 == 0


class _Decoder:
    """Decompresses gzip (one or more members) or deflate in bounded steps.

    urllib3's decoders accept a truncated stream as complete (test_urllib3_accepts_truncated_gzip).
    """

    def __init__(self) -> None:
        self.member = zlib.decompressobj(32 + zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self.member.decompress(data, PIECE)
            yield piece
            data = self.member.unconsumed_tail
            if self.member.eof and self.member.unused_data:
                data = self.member.unused_data
                self.member = zlib.decompressobj(32 + zlib.MAX_WBITS)
            elif len(piece) < PIECE:  # after a full piece there may be more inside
                return
