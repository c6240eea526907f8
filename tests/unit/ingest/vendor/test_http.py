"""HttpClient without a network: decompression, requests that cannot be sent. Errors: test_transport_on_sockets.py."""

import gzip
import io
import logging
import socket
import threading
import time
import zlib
from typing import Any

import pytest
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from ingest.vendor.connections import limits
from ingest.vendor.http import PIECE, HttpClient, Response, _Decoder
from ticket_archive.errors import RetryableError, VendorUnavailable


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


def test_repr_of_a_response_shows_neither_headers_nor_body() -> None:
    assert "canary" not in repr(Response(200, {"canary": "canary"}, b"canary", "text/html"))


def fail(url: str, *, seconds: float = 1.0, **options: Any) -> RetryableError:
    """Return the error of a call. Sockets are disabled in unit tests, so creating one would raise another."""
    before = threading.active_count()
    client = HttpClient()
    assert threading.active_count() == before
    with pytest.raises(RetryableError) as raised:
        client.send("GET", url, deadline=time.monotonic() + seconds, max_bytes=1, **{"headers": {}, **options})
    assert raised.value.__context__ is raised.value.__cause__ is None
    return raised.value


def test_call_after_its_deadline_resolves_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: names.append(arguments))
    assert str(fail("http://canary.test/", seconds=0)) == "vendor_unavailable: deadline"
    assert names == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://[canary/", {}),
        ("http:///canary", {}),
        ("canary", {}),
        ("ftp://canary.test/", {}),
        ("http://*.canary.test/", {}),
        ("http://canary.test/", {"X-Canary": "canary\r\nX-More: 1"}),
    ],
)
def test_request_that_cannot_be_sent_is_not_in_the_error(url: str, headers: dict[str, str]) -> None:
    error = fail(url, headers=headers)
    assert isinstance(error, VendorUnavailable)
    assert str(error) == "vendor_unavailable: protocol"


def test_urllib3_logs_nothing_within_a_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    names = {f"urllib3.{name}" for name in ("connection", "connectionpool", "response", "util.retry")}
    for name in names:
        log = logging.getLogger(name)
        with limits(time.monotonic() + 1, wire_bytes=1, public_only=False):
            log.warning("canary")
        log.warning("outside")
    assert "canary" not in caplog.text
    assert {record.name for record in caplog.records if record.message == "outside"} == names
