"""Compressed bodies, in any pieces. Limits and errors: tests/faults/test_transport_on_sockets.py."""

import gzip
import io
import zlib
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from ingest.vendor.bodies import PIECE, _Decoder


def decode(wire: bytes, step: int) -> tuple[bytes, bool]:
    decoder = _Decoder()
    pieces = [piece for at in range(0, len(wire), step) for piece in decoder.feed(wire[at : at + step])]
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces), decoder.member.eof


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 50), st.integers(1, 2000))
def test_gzip_of_any_members_in_any_steps_is_read(members: list[bytes], step: int, repeat: int) -> None:
    bodies = [member * repeat for member in members]
    assert decode(b"".join(map(gzip.compress, bodies)), step) == (b"".join(bodies), True)


@given(st.binary(max_size=500), st.integers(1, 50), st.data())
def test_truncated_gzip_is_not_complete(body: bytes, step: int, data: st.DataObject) -> None:
    wire = gzip.compress(body)
    end = data.draw(st.integers(0, len(wire) - 1))
    assert not decode(wire[:end], step)[1]


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_body_is_decompressed_in_bounded_steps(size: int, compress: Any) -> None:
    assert decode(compress(bytes(size)), 10**6) == (bytes(size), True)


def test_urllib3_accepts_truncated_gzip() -> None:
    """When this fails, `_Decoder` is no longer needed."""
    wire = io.BytesIO(gzip.compress(b"hello" * 99)[:-9])
    response = urllib3.HTTPResponse(wire, {"Content-Encoding": "gzip"}, preload_content=False)
    assert response.read() == b"hello" * 99
