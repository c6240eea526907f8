"""What the transport decides without a network: codes of errors, decompression, what a session is made of."""

import gzip
import http.client
import itertools
import logging
import socket
import ssl
import threading
import time
import zlib
from typing import Any

import pytest
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from ingest.vendor.connections import limits
from ingest.vendor.http import PIECE, HttpClient, Response, _code, _Decoder
from ticket_archive.errors import InvalidVendorResponse, VendorUnavailable


def caused(*chain: BaseException) -> BaseException:
    """The first of these, raised because of the second, and so on."""
    for effect, cause in itertools.pairwise(chain):
        effect.__context__ = cause
    return chain[0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (caused(urllib3.exceptions.ProtocolError(), socket.gaierror()), "dns"),
        (caused(urllib3.exceptions.ProtocolError(), TimeoutError()), "timeout"),
        (caused(urllib3.exceptions.ProtocolError(), ConnectionResetError()), "reset"),
        (caused(urllib3.exceptions.ProtocolError(), http.client.RemoteDisconnected("")), "reset"),
        (caused(urllib3.exceptions.ProtocolError(), BrokenPipeError()), "reset"),
        (caused(urllib3.exceptions.SSLError(), ssl.SSLCertVerificationError()), "tls"),
        (caused(urllib3.exceptions.NewConnectionError(None, ""), OSError()), "connect"),  # type: ignore[arg-type]
        (caused(urllib3.exceptions.ProtocolError(), http.client.IncompleteRead(b"")), "truncated"),
        (urllib3.exceptions.ProtocolError("Response ended prematurely"), "truncated"),
        (zlib.error(), "encoding"),
        (caused(urllib3.exceptions.ProtocolError(), http.client.BadStatusLine("canary")), "protocol"),
        (caused(urllib3.exceptions.ProtocolError(), http.client.LineTooLong("canary")), "protocol"),
        (urllib3.exceptions.LocationParseError("canary"), "protocol"),
        (ValueError("canary"), "protocol"),
    ],
)
def test_an_error_has_the_code_of_what_caused_it(error: BaseException, code: str) -> None:
    assert _code(error) == code


def inflated(wire: bytes, step: int) -> tuple[bytes, bool]:
    inflater = _Decoder()
    pieces = [piece for at in range(0, len(wire), step) for piece in inflater.feed(wire[at : at + step])]
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces), inflater.is_complete


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 50), st.integers(1, 2000))
def test_gzip_reads_back_whatever_its_members_and_however_it_arrives(
    members: list[bytes], step: int, repeated: int
) -> None:
    bodies = [member * repeated for member in members]
    assert inflated(b"".join(map(gzip.compress, bodies)), step) == (b"".join(bodies), True)


@given(st.binary(max_size=500), st.integers(1, 50), st.data())
def test_gzip_that_is_cut_off_anywhere_is_not_complete(body: bytes, step: int, data: st.DataObject) -> None:
    wire = gzip.compress(body)
    end = data.draw(st.integers(0, len(wire) - 1))
    assert not inflated(wire[:end], step)[1]


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE])
def test_a_body_of_any_size_comes_in_small_pieces(size: int) -> None:
    assert inflated(gzip.compress(bytes(size)), 10**6) == (bytes(size), True)
    assert inflated(zlib.compress(bytes(size)), 10**6) == (bytes(size), True)


def test_an_answers_repr_shows_neither_headers_nor_body() -> None:
    assert "canary" not in repr(Response(200, {"canary": "canary"}, b"canary", "text/html"))


def test_building_a_transport_opens_nothing_and_starts_nothing() -> None:
    before = threading.active_count()
    transport = HttpClient()  # sockets are off in these tests
    assert threading.active_count() == before
    transport.close()


def test_a_call_whose_time_is_over_does_not_even_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: asked.append(arguments))
    transport = HttpClient()
    with pytest.raises(VendorUnavailable, match="deadline"):
        transport.send("GET", "http://canary.test/", headers={}, deadline=time.monotonic(), max_bytes=1)
    transport.close()
    assert asked == []


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
def test_a_request_that_cannot_be_made_says_nothing_of_itself(url: str, headers: dict[str, str]) -> None:
    transport = HttpClient()
    with pytest.raises(VendorUnavailable) as raised:
        transport.send("GET", url, headers=headers, deadline=time.monotonic() + 1, max_bytes=1)
    transport.close()
    assert str(raised.value) == "vendor_unavailable: protocol"
    assert raised.value.__context__ is raised.value.__cause__ is None


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "::1", "64:ff9b::7f00:1"])
def test_a_public_call_connects_to_no_other_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    transport = HttpClient()
    with pytest.raises(InvalidVendorResponse, match="address"):
        transport.send(
            "GET",
            "https://canary.test/",
            headers={},
            deadline=time.monotonic() + 1,
            max_bytes=1,
            public_only=True,
        )
    transport.close()


def test_urllib3_is_quiet_inside_a_call_and_only_there(caplog: pytest.LogCaptureFixture) -> None:
    HttpClient().close()
    caplog.set_level(logging.DEBUG)
    names = {f"urllib3.{name}" for name in ("connection", "connectionpool", "response", "util.retry")}
    for name in names:
        log = logging.getLogger(name)
        with limits(time.monotonic() + 1, idle_timeout=1, wire_bytes=1, public_only=False):
            log.warning("canary")
        log.warning("outside")
    assert "canary" not in caplog.text
    assert {record.name for record in caplog.records if record.message == "outside"} == names
