"""The vendor's end of the wire misbehaves in every way that was thought of, and each call ends as it should, in time.

A peer is a real server on 127.0.0.1 that speaks bytes, so that nothing between the wire and the client is assumed.
"""

import contextlib
import datetime as dt
import gzip
import ipaddress
import json
import logging
import os
import select
import socket
import ssl
import struct
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import ingest.vendor.connections
from ingest.vendor.connections import tls_context
from ingest.vendor.http import HttpClient, Response
from ticket_archive.errors import ArchiveError, InvalidVendorResponse, VendorUnavailable

MB = 1024 * 1024
DEADLINE = 0.4  # seconds
GRACE = 0.5  # seconds after its deadline within which every call has ended
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


class Link:
    """The peer's side of one connection."""

    def __init__(self, end: socket.socket, closing: threading.Event) -> None:
        self.end = end
        self.closing = closing
        self.unread = b""

    def request(self) -> bytes:
        """The next request's head; empty when there is none."""
        while b"\r\n\r\n" not in self.unread:
            received = self.end.recv(65_536)
            if not received:
                return b""
            self.unread += received
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        self.end.sendall(data)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        for byte in data:
            self.send(bytes([byte]))
            if self.closing.wait(every):
                return

    def stall(self) -> None:
        """Keeps the connection and says nothing."""
        self.closing.wait(10)

    def reset(self) -> None:
        self.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script = Callable[[Link], None]


class Peer:
    """A server on 127.0.0.1 that plays a script on every connection, after the TLS handshake if it has a context."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.tls = tls
        self.connections = 0
        self.closing = threading.Event()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/canary-path?canary=1"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            if not select.select([self.listener], [], [], 0.02)[0]:
                continue
            end, _ = self.listener.accept()
            self.connections += 1
            self.threads.append(threading.Thread(target=self._play, args=(end,)))
            self.threads[-1].start()

    def _play(self, end: socket.socket) -> None:
        end.settimeout(5)
        with contextlib.suppress(OSError):
            if self.tls:
                end = self.tls.wrap_socket(end, server_side=True)
            self.script(Link(end, self.closing))
        end.close()

    def close(self) -> None:
        self.closing.set()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        self.listener.close()


def answers(*wire: bytes) -> Script:
    """Answers each request of a connection with the next of these (the last one for ever)."""

    def script(link: Link) -> None:
        count = 0
        while link.request():
            link.send(wire[min(count, len(wire) - 1)])
            count += 1

    return script


def then(*acts: Script) -> Script:
    """After one request: these, and the connection is closed."""

    def script(link: Link) -> None:
        if link.request():
            for act in acts:
                act(link)

    return script


def says(data: bytes) -> Script:
    return lambda link: link.send(data)


def drips(data: bytes) -> Script:
    return lambda link: link.drip(data)


def for_ever(data: bytes) -> Script:
    def script(link: Link) -> None:
        while not link.closing.is_set():
            link.send(data)

    return script


class Certificates:
    """A certificate authority and a server's certificate for 127.0.0.1 and images.example.com."""

    def __init__(self, folder: Path) -> None:
        now = dt.datetime.now(dt.UTC)
        authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

        def signed(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(name)
                .issuer_name(authority_name)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - dt.timedelta(days=1))
                .not_valid_after(now + dt.timedelta(days=1))
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
                )
            )

        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        authority = (
            signed(authority_name, authority_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
            .sign(authority_key, hashes.SHA256())
        )
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("images.example.com")]
        server = (
            signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")]), server_key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        self.ca_bundle = str(folder / "authority.pem")
        Path(self.ca_bundle).write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        chain = folder / "server.pem"
        chain.write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + server.public_bytes(serialization.Encoding.PEM)
        )
        self.server_names: list[str | None] = []
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(chain)
        self.server.sni_callback = lambda _socket, name, _context: self.server_names.append(name)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(script: Script, **settings: Any) -> Peer:
        peers.append(Peer(script, **settings))
        return peers[-1]

    yield start
    for started in peers:
        started.close()


@pytest.fixture
def transport(certificates: Certificates) -> Iterator[HttpClient]:
    opened = HttpClient(tls=cache(lambda: tls_context(certificates.ca_bundle)))
    yield opened
    opened.close()


def send(transport: HttpClient, url: str, *, within: float = 3.0, max_bytes: int = MB, **options: Any) -> Response:
    return transport.send(
        "GET",
        url,
        headers={"Authorization": "Bearer canary-token", **options.pop("headers", {})},
        deadline=time.monotonic() + within,
        max_bytes=max_bytes,
        **options,
    )


def error_for_response(transport: HttpClient, url: str, *, within: float = 3.0, **options: Any) -> str:
    """How a call ends that must fail: in time, without anything of the request or the answer in the error."""
    began = time.monotonic()
    with pytest.raises(ArchiveError) as raised:
        send(transport, url, within=within, **options)
    assert time.monotonic() - began < within + GRACE
    error = raised.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "canary" not in repr(error) + "".join(traceback.format_exception(error))
    assert isinstance(error, VendorUnavailable | InvalidVendorResponse)
    return str(error)


# What arrives


def test_an_answer_has_its_status_headers_body_and_media_type(peer: Callable[..., Peer], transport: HttpClient) -> None:
    server = peer(answers(HELLO))
    answer = send(transport, server.url)
    assert (answer.status, answer.body, answer.content_type) == (200, b"hello", "application/json")
    assert answer.headers["CONTENT-length"] == "5"


@pytest.mark.parametrize(
    "status", [b"200 OK", b"204 No Content", b"400 Bad", b"401 No", b"404 None", b"429 Wait", b"503 Down"]
)
def test_any_status_but_a_redirect_is_an_answer(
    peer: Callable[..., Peer], transport: HttpClient, status: bytes
) -> None:
    body = b"" if status.startswith(b"204") else b"why"
    server = peer(answers(b"HTTP/1.1 %b\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)))
    answer = send(transport, server.url)
    assert (answer.status, answer.body, answer.content_type) == (int(status[:3]), body, "")
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"\r\nhello",
        OK + b"Content-Length: 5, 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"),
        OK + b"Content-Encoding: X-GZIP\r\n\r\n" + gzip.compress(b"hel") + gzip.compress(b"lo"),
        OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"),
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO,
    ],
)
def test_every_regular_framing_is_read(peer: Callable[..., Peer], transport: HttpClient, wire: bytes) -> None:
    assert send(transport, peer(then(says(wire))).url).body == b"hello"


def test_gzip_is_all_that_is_asked_for_and_nothing_is_added_but_that(
    peer: Callable[..., Peer], transport: HttpClient
) -> None:
    heads: list[bytes] = []

    def script(link: Link) -> None:
        heads.append(link.request())
        link.send(HELLO)

    server = peer(script)
    send(transport, server.url, headers={"User-Agent": "archive"})
    assert sorted(heads[0].lower().split(b"\r\n")[1:]) == [
        b"accept-encoding: gzip",
        b"authorization: bearer canary-token",
        b"host: 127.0.0.1:%d" % server.port,
        b"user-agent: archive",
    ]


# Time


@pytest.mark.parametrize(
    "script",
    [
        Link.stall,
        then(Link.stall),
        then(drips(HELLO * 9)),
        then(drips(b"HTTP/1.1 " + b"2" * 99)),
        then(says(OK + b"X-Slow: "), drips(b"a" * 99)),
        then(says(OK), drips(b"X: 1\r\n" * 20)),
        then(says(OK + b"Content-Length: 99\r\n\r\n"), Link.stall),
        then(says(OK + b"Content-Length: 99\r\n\r\nhel"), Link.stall),
        then(says(OK + b"Content-Length: 99\r\n\r\n"), drips(b"a" * 99)),
        then(says(OK + b"\r\n"), drips(b"a" * 99)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n"), drips(b"1\r\na\r\n" * 20)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n"), drips(b"0" * 99)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"), drips(b"X: 1\r\n" * 20)),
        then(says(OK + b"Content-Encoding: gzip\r\n\r\n"), drips(gzip.compress(os.urandom(99)))),
        then(drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 9)),
    ],
    ids=[
        "silence", "silence after the request", "dripping answer", "dripping status", "dripping header",
        "dripping headers", "no body", "stalled body", "dripping body", "dripping body to the close", "dripping chunks",
        "dripping chunk size", "dripping trailers", "dripping gzip", "dripping interim answers",
    ],
)  # fmt: skip
def test_a_call_ends_at_its_deadline(peer: Callable[..., Peer], transport: HttpClient, script: Script) -> None:
    assert error_for_response(transport, peer(script).url, within=DEADLINE) == "vendor_unavailable: deadline"


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("calls_before", [0, 1])
@pytest.mark.parametrize("read_at_once", [0, 131_072])
def test_a_peer_that_does_not_read_or_reads_slowly_costs_no_more_than_the_deadline(
    peer: Callable[..., Peer],
    transport: HttpClient,
    certificates: Certificates,
    over_tls: bool,
    calls_before: int,
    read_at_once: int,
) -> None:
    def script(link: Link) -> None:
        for _ in range(calls_before):
            link.request()
            link.send(HELLO)
        while not link.closing.wait(0.03):
            if read_at_once:
                link.end.recv(read_at_once)

    server = peer(script, tls=certificates.server if over_tls else None)
    for _ in range(calls_before):
        send(transport, server.url)
    large = {"X-Large": "a" * 8 * MB}
    assert error_for_response(transport, server.url, within=DEADLINE, headers=large) == "vendor_unavailable: deadline"
    assert server.connections == 1


def test_a_full_backlog_costs_no_more_than_the_deadline(transport: HttpClient) -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as held:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # what the kernel queues; a further SYN is dropped
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        assert error_for_response(transport, url, within=DEADLINE) == "vendor_unavailable: deadline"


def test_a_silence_ends_a_call_before_its_deadline(peer: Callable[..., Peer]) -> None:
    transport = HttpClient(idle_timeout=0.2)
    server = peer(then(says(OK + b"Content-Length: 9\r\n\r\nhel"), Link.stall))
    began = time.monotonic()
    assert error_for_response(transport, server.url, within=5) == "vendor_unavailable: timeout"
    assert time.monotonic() - began < 0.7
    transport.close()


def test_a_body_that_comes_slowly_but_in_time_is_read(peer: Callable[..., Peer]) -> None:
    transport = HttpClient(idle_timeout=0.3)
    server = peer(then(says(OK + b"Content-Length: 20\r\n\r\n"), drips(b"a" * 20)))
    assert send(transport, server.url).body == b"a" * 20
    transport.close()


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline_and_leaves_no_thread(
    transport: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def hang(*_: Any) -> list[Any]:
        answered.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = threading.active_count()
    assert error_for_response(transport, "http://canary.test/", within=DEADLINE) == "vendor_unavailable: deadline"
    answered.set()
    until = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_a_call_without_time_reaches_nobody(peer: Callable[..., Peer], transport: HttpClient) -> None:
    server = peer(answers(HELLO))
    with pytest.raises(VendorUnavailable, match="deadline"):
        send(transport, server.url, within=-1.0)
    assert server.connections == 0


# What is cut off or broken


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200", "reset"),
        (b"HTTP/1.1 404 Not Found\r\n", "reset"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Le", "reset"),
        (OK, "reset"),
        (OK + b"Content-Length: 9\r\n\r\n", "truncated"),
        (OK + b"Content-Length: 9\r\n\r\nhello", "truncated"),
        (OK + b"Content-Length: 70000\r\n\r\n" + b"a" * 69_999, "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000, "truncated"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")[:-1], "truncated"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 99)[:20], "truncated"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + gzip.compress(b"hello")[:9], "truncated"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello") + gzip.compress(b"!")[:9], "truncated"),
        (OK + b"Content-Encoding: gzip\r\n\r\nhello", "encoding"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")[:-8] + b"\0" * 8, "encoding"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello") + b"more", "encoding"),
        (OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello")[:-1], "truncated"),
        (OK + b"Content-Length: 5, 6\r\n\r\nhello", "protocol"),
        (OK + b"Content-Length: five\r\n\r\nhello", "protocol"),
        (OK + b"Content-Length: -1\r\n\r\nhello", "protocol"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello", "protocol"),
        (b"<html>canary</html>\r\n\r\n", "protocol"),
        (b"SSH-2.0-canary\r\n", "protocol"),
        (b"HTTP/1.1 canary\r\n\r\n", "protocol"),
        (OK + b"X: 1\r\n" * 200 + b"\r\n", "protocol"),
        (OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO, "protocol"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_a_broken_answer_is_no_answer(peer: Callable[..., Peer], transport: HttpClient, wire: bytes, code: str) -> None:
    assert error_for_response(transport, peer(then(says(wire))).url) == f"vendor_unavailable: {code}"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", OK, OK + b"Content-Length: 9\r\n\r\nhel"])
def test_a_reset_is_no_answer(peer: Callable[..., Peer], transport: HttpClient, said: bytes) -> None:
    server = peer(then(says(said), lambda link: time.sleep(0.05), Link.reset))
    assert error_for_response(transport, server.url) == "vendor_unavailable: reset"


def test_a_refused_connection_is_no_answer(peer: Callable[..., Peer], transport: HttpClient) -> None:
    server = peer(answers(HELLO))
    server.close()
    assert error_for_response(transport, server.url) == "vendor_unavailable: connect"


@pytest.mark.parametrize("host", ["canary.test", "a" * 64 + ".canary.test"])
def test_a_name_that_does_not_resolve_is_no_answer(
    transport: HttpClient, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def nobody(name: str, *rest: Any) -> Any:
        if name == "canary.test":
            raise socket.gaierror(socket.EAI_NONAME, "canary")
        return real(name, *rest)  # refuses the long label before it asks anybody

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert error_for_response(transport, f"http://{host}/") == "vendor_unavailable: dns"


def test_a_body_without_a_length_that_is_cut_off_cannot_be_told_from_a_whole_one(
    peer: Callable[..., Peer], transport: HttpClient
) -> None:
    """The reason why JSON is parsed and images are read to their end marker before anything is stored."""
    server = peer(then(says(OK + b'\r\n{"ticket": ')))
    assert send(transport, server.url).body == b'{"ticket": '


# Size


@pytest.mark.parametrize(
    "script",
    [
        then(says(OK + b"Content-Length: %d\r\n\r\n" % (MB + 1)), Link.stall),
        then(says(OK + b"Content-Length: 999999999999999999999\r\n\r\n"), Link.stall),
        then(says(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (MB + 1)), Link.stall),
    ],
)
def test_a_declared_length_above_the_cap_is_refused_unread(
    peer: Callable[..., Peer], transport: HttpClient, script: Script
) -> None:
    began = time.monotonic()
    assert error_for_response(transport, peer(script).url, max_bytes=MB) == "invalid_vendor_response: too_large"
    assert time.monotonic() - began < 0.5


BOMB = gzip.compress(bytes(200 * MB), 9)
EMPTY_MEMBER = b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 2000 + b"\0" + gzip.compress(b"")[10:]
BLOCK = bytes(65_536)
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"


@pytest.mark.parametrize(
    "script",
    [
        then(says(OK + b"\r\n"), for_ever(BLOCK)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n"), for_ever(CHUNK)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n"), for_ever(BLOCK)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"), for_ever(BLOCK)),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n"), for_ever(b"1;" + b"x" * 60_000 + b"\r\na\r\n")),
        then(says(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"), for_ever(b"X: " + b"a" * 60_000 + b"\r\n")),
        then(says(OK + b"Content-Encoding: gzip\r\n\r\n" + BOMB)),
        then(says(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)),
        then(says(OK + b"Content-Encoding: gzip\r\n\r\n"), for_ever(BOMB)),
        then(says(OK + b"Content-Encoding: gzip\r\n\r\n"), for_ever(EMPTY_MEMBER * 30)),
        then(says(OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08" + b"\0" * 6), for_ever(b"name" * 10_000)),
        then(says(OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(bytes(200 * MB), 9))),
        then(for_ever(b"HTTP/1.1 100 Continue\r\nX: " + b"a" * 60_000 + b"\r\n\r\n")),
        then(says(b"HTTP/1.1 500 Oops\r\n\r\n"), for_ever(BLOCK)),
    ],
    ids=[
        "endless", "endless chunks", "one huge chunk", "a chunk of -1 bytes", "huge chunk extensions",
        "endless trailers", "bomb", "bomb with a length", "endless bombs", "endless empty gzip members",
        "endless gzip name", "deflate bomb", "endless interim answers", "endless error",
    ],
)  # fmt: skip
def test_what_is_beyond_the_cap_is_refused_in_less_than_twice_its_memory(
    peer: Callable[..., Peer], transport: HttpClient, script: Script
) -> None:
    cap = 4 * MB
    url = peer(script).url
    tracemalloc.start()
    try:
        assert error_for_response(transport, url, max_bytes=cap) == "invalid_vendor_response: too_large"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * cap


@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n", b"", b"Content-Encoding: gzip\r\n"])
def test_a_body_as_large_as_the_cap_is_read_in_less_than_twice_its_memory(
    peer: Callable[..., Peer], transport: HttpClient, framing: bytes
) -> None:
    cap = 8 * MB
    body = bytes(cap)
    sent = gzip.compress(body) if b"gzip" in framing else body
    wire = OK + (framing % cap if b"%d" in framing else framing) + b"\r\n" + sent
    url = peer(then(says(wire))).url
    tracemalloc.start()
    try:
        answer = send(transport, url, max_bytes=cap)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.body == body
    assert peak < 2 * cap


def test_one_byte_above_the_cap_is_too_large(peer: Callable[..., Peer], transport: HttpClient) -> None:
    server = peer(then(says(OK + b"\r\n" + b"a" * 1001)))
    assert send(transport, server.url, max_bytes=1001).body == b"a" * 1001
    assert error_for_response(transport, server.url, max_bytes=1000) == "invalid_vendor_response: too_large"


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"compress", b"gzip, gzip", b"gzip, br", b"canary"])
def test_a_compression_that_was_not_asked_for_is_refused(
    peer: Callable[..., Peer], transport: HttpClient, coding: bytes
) -> None:
    server = peer(then(says(OK + b"Content-Encoding: %b\r\nContent-Length: 5\r\n\r\nhello" % coding)))
    assert error_for_response(transport, server.url) == "invalid_vendor_response: encoding"


# Where it goes


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_a_redirect_is_refused_and_nobody_is_asked_again(
    peer: Callable[..., Peer], transport: HttpClient, status: int
) -> None:
    sentinel = peer(answers(HELLO))
    location = sentinel.url.encode()
    server = peer(answers(b"HTTP/1.1 %d Over There\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location)))
    assert error_for_response(transport, server.url) == "invalid_vendor_response: redirect"
    assert sentinel.connections == 0


def test_a_redirects_body_is_not_read(peer: Callable[..., Peer], transport: HttpClient) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Encoding: gzip\r\n\r\n"
    url = peer(then(says(head), for_ever(BOMB))).url
    tracemalloc.start()
    try:
        assert error_for_response(transport, url) == "invalid_vendor_response: redirect"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MB


def test_the_environment_has_no_say(peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sentinel = peer(answers(HELLO))
    heads: list[bytes] = []

    def script(link: Link) -> None:
        heads.append(link.request())
        link.send(HELLO)

    server = peer(script)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sentinel.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\ndefault login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none"))
    transport = HttpClient()
    transport.send("GET", server.url, headers={}, deadline=time.monotonic() + 3, max_bytes=MB)
    transport.close()
    assert b"authorization" not in heads[0].lower()
    assert heads[0].startswith(b"GET /canary-path")
    assert sentinel.connections == 0


def test_cookies_are_not_kept(peer: Callable[..., Peer], transport: HttpClient) -> None:
    heads: list[bytes] = []

    def script(link: Link) -> None:
        while head := link.request():
            heads.append(head)
            link.send(OK + b"Set-Cookie: canary=1; Path=/\r\nContent-Length: 0\r\n\r\n")

    server = peer(script)
    send(transport, server.url)
    send(transport, server.url)
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


# Connections


def test_a_connection_serves_many_calls(peer: Callable[..., Peer], transport: HttpClient) -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    zipped = gzip.compress(b"a")
    compressed = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na"
    server = peer(answers(HELLO, empty, chunked, compressed, missing, OK + b"Content-Length: 0\r\n\r\n", HELLO))
    bodies = [send(transport, server.url).body for _ in range(7)]
    assert bodies == [b"hello", b"", b"a", b"a", b"a", b"", b"hello"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        OK + b"Content-Length: 9\r\n\r\nhel",
        OK + b"Content-Length: %d\r\n\r\n" % (9 * MB),
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5\r\n\r\nfirst",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nfirst",
    ],
)
def test_a_connection_that_failed_serves_no_further_call(
    peer: Callable[..., Peer], transport: HttpClient, first: bytes
) -> None:
    server = peer(answers(first, OK + b"Content-Length: 5\r\n\r\nstale"))
    error_for_response(transport, server.url, within=DEADLINE)
    server.script = answers(HELLO)
    assert send(transport, server.url).body == b"hello"
    assert server.connections == 2


def test_a_connection_that_the_peer_closed_meanwhile_is_replaced(
    peer: Callable[..., Peer], transport: HttpClient
) -> None:
    server = peer(then(says(HELLO)))
    for _ in range(3):
        assert send(transport, server.url).body == b"hello"
        time.sleep(0.05)
    assert server.connections == 3


def test_an_earlier_calls_deadline_does_not_bind_a_later_call(peer: Callable[..., Peer], transport: HttpClient) -> None:
    def script(link: Link) -> None:
        while link.request():
            time.sleep(0.1)
            link.send(HELLO)

    server = peer(script)
    assert send(transport, server.url, within=0.3).body == b"hello"
    time.sleep(0.3)
    assert send(transport, server.url, within=0.3).body == b"hello"
    assert server.connections == 1


def test_32_threads_get_each_its_own_answer_and_its_own_deadline(peer: Callable[..., Peer]) -> None:
    def script(link: Link) -> None:
        while head := link.request():
            path = head.split()[1]
            if path.startswith(b"/slow"):
                link.send(OK + b"Content-Length: 99\r\n\r\n")
                link.drip(b"a" * 99)
                return
            link.send(OK + b"Content-Length: %d\r\n\r\n" % (len(path) * 1000) + path * 1000)

    server = peer(script)
    transport = HttpClient(pool_size=32)
    before = threading.active_count()

    def work(number: int) -> list[str]:
        outcome = []
        for turn in range(4):
            slow = (number + turn) % 4 == 0
            path = f"/{'slow' if slow else 'fast'}-{number}-{turn}"
            url = f"http://127.0.0.1:{server.port}{path}"
            if slow:
                outcome.append(error_for_response(transport, url, within=0.2))
            else:
                assert send(transport, url).body == path.encode() * 1000
                outcome.append("whole")
        return outcome

    with ThreadPoolExecutor(32) as threads:
        outcomes = [end for ends in threads.map(work, range(32)) for end in ends]
    transport.close()
    assert outcomes.count("whole") == 96
    assert outcomes.count("vendor_unavailable: deadline") == 32
    assert server.connections <= 32 + 32
    server.close()
    assert threading.active_count() < before


def test_neither_building_nor_calling_leaves_a_thread(peer: Callable[..., Peer]) -> None:
    server = peer(answers(HELLO))
    before = threading.active_count()
    transport = HttpClient()
    assert threading.active_count() == before
    send(transport, server.url)
    assert threading.active_count() == before + 1  # the peer's, for the connection
    transport.close()


def test_closing_ends_the_idle_connections_at_once(peer: Callable[..., Peer], transport: HttpClient) -> None:
    ended = threading.Event()

    def script(link: Link) -> None:
        answers(HELLO)(link)
        ended.set()

    server = peer(script)
    send(transport, server.url)
    with pytest.raises(InvalidVendorResponse) as kept:  # its traceback refers to the pool
        send(transport, server.url, max_bytes=1)
    ended.clear()
    send(transport, server.url)
    transport.close()
    assert ended.wait(1)
    assert kept.value.__traceback__ is not None


def test_nothing_of_a_call_is_logged(
    peer: Callable[..., Peer], transport: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = peer(then(says(b"HTTP/1.1 200 OK\r\ncanary header without a colon\r\nContent-Length: 5\r\n\r\nhello")))
    send(transport, server.url)
    server.script = then(says(OK + b"Content-Length: 9\r\n\r\n"))
    error_for_response(transport, server.url)
    server.close()
    error_for_response(transport, server.url)
    assert "canary" not in caplog.text
    logging.getLogger("urllib3.connectionpool").warning("others may speak")
    assert "others may speak" in caplog.text


# TLS, and the public internet


def test_calls_go_over_verified_tls_and_share_a_connection(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates
) -> None:
    large = OK + b"Content-Length: %d\r\n\r\n" % MB + b"a" * MB
    server = peer(answers(HELLO, large, HELLO), tls=certificates.server)
    assert [len(send(transport, server.url).body) for _ in range(3)] == [5, MB, 5]
    assert server.connections == 1


def test_a_certificate_of_another_authority_is_refused(peer: Callable[..., Peer], certificates: Certificates) -> None:
    transport = HttpClient()
    server = peer(answers(HELLO), tls=certificates.server)
    assert error_for_response(transport, server.url) == "vendor_unavailable: tls"
    transport.close()


def test_a_certificate_for_another_name_is_refused(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates
) -> None:
    server = peer(answers(HELLO), tls=certificates.server)
    assert error_for_response(transport, f"https://localhost:{server.port}/") == "vendor_unavailable: tls"


def test_a_peer_that_does_not_speak_tls_is_no_answer(peer: Callable[..., Peer], transport: HttpClient) -> None:
    server = peer(then(says(HELLO)))
    server.script = says(HELLO)
    assert error_for_response(transport, server.url.replace("http:", "https:")) == "vendor_unavailable: tls"


@pytest.mark.parametrize(
    "script",
    [Link.stall, says(b"\x16\x03\x03\x40\x00\x02"), drips(b"\x16\x03\x03\x40\x00\x02" + bytes(99))],
    ids=["silent", "stalled", "dripping"],
)
def test_a_handshake_ends_at_the_deadline(peer: Callable[..., Peer], transport: HttpClient, script: Script) -> None:
    def never_ending(link: Link) -> None:
        script(link)
        link.stall()

    url = peer(never_ending).url.replace("http:", "https:")
    assert error_for_response(transport, url, within=DEADLINE) == "vendor_unavailable: deadline"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (then(Link.stall), "deadline"),
        (then(drips(HELLO * 9)), "deadline"),
        (then(says(OK + b"Content-Length: 99\r\n\r\n"), drips(b"a" * 99)), "deadline"),
        (then(says(OK + b"\r\n"), drips(b"a" * 99)), "deadline"),
        (then(says(OK + b"Content-Length: 9\r\n\r\nhel")), "truncated"),
        # To Python's ssl module a reset is an end like any other.
        (then(says(OK + b"Content-Length: 9\r\n\r\nhel"), lambda link: time.sleep(0.05), Link.reset), "truncated"),
    ],
    ids=["stall", "dripping answer", "dripping body", "dripping to the close", "cut off", "reset"],
)
def test_over_tls_a_call_ends_in_time_too(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates, script: Script, code: str
) -> None:
    url = peer(script, tls=certificates.server).url
    assert error_for_response(transport, url, within=DEADLINE) == f"vendor_unavailable: {code}"


def resolves_to(monkeypatch: pytest.MonkeyPatch, *turns: list[tuple[str, int]]) -> list[str]:
    """Makes each look-up give the next of these lists of addresses; returns the names that were asked for."""
    asked: list[str] = []

    def look_up(host: str, *_: Any) -> list[Any]:
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address, port in turns[min(len(asked), len(turns)) - 1]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def is_public_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.vendor.connections, "is_public", lambda address: address == "127.0.0.1")


def test_a_public_call_goes_to_the_address_that_was_judged_and_names_its_host(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel, server = peer(answers(HELLO)), peer(answers(HELLO), tls=certificates.server)
    is_public_here(monkeypatch)
    asked = resolves_to(monkeypatch, [("127.0.0.1", server.port)], [("127.0.0.1", sentinel.port)])
    certificates.server_names.clear()
    assert send(transport, "https://images.example.com/canary", public_only=True).body == b"hello"
    assert asked == ["images.example.com"]
    assert certificates.server_names == ["images.example.com"]
    assert sentinel.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["127.8.8.8"], ["0.0.0.0"], ["10.0.0.5"], ["100.64.0.1"], ["169.254.169.254"], ["172.16.0.1"],
        ["192.168.1.1"], ["224.0.0.1"], ["255.255.255.255"], ["::1"], ["::"], ["::ffff:127.0.0.1"],
        ["::ffff:169.254.169.254"], ["64:ff9b::7f00:1"], ["64:ff9b:1::7f00:1"], ["2002:7f00:1::"],
        ["2001:0:4136:e378:8000:63bf:80ff:fffe"], ["fe80::1"], ["fd00:ec2::254"], ["ff02::1"],
        ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"], ["2606:2800:220:1::1", "::1"],
    ],
    ids=",".join,
)  # fmt: skip
def test_a_public_call_goes_nowhere_if_any_address_is_not_public(
    peer: Callable[..., Peer], transport: HttpClient, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    sentinel = peer(answers(HELLO))
    resolves_to(monkeypatch, [(address, sentinel.port) for address in addresses])
    assert (
        error_for_response(transport, "https://images.example.com/canary", public_only=True)
        == "invalid_vendor_response: address"
    )
    assert sentinel.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "localhost"])
def test_a_public_call_is_not_fooled_by_another_notation(
    peer: Callable[..., Peer], transport: HttpClient, host: str
) -> None:
    sentinel = peer(answers(HELLO))
    assert (
        error_for_response(transport, f"https://{host}:{sentinel.port}/", public_only=True)
        == "invalid_vendor_response: address"
    )
    assert sentinel.connections == 0


def test_a_name_that_turns_private_is_judged_again_for_the_next_connection(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = peer(answers(HELLO))
    server = peer(then(says(OK + b"Connection: close\r\n\r\nhello")), tls=certificates.server)
    is_public_here(monkeypatch)
    resolves_to(monkeypatch, [("127.0.0.1", server.port)], [("10.0.0.5", sentinel.port)])
    assert send(transport, "https://images.example.com/", public_only=True).body == b"hello"
    assert (
        error_for_response(transport, "https://images.example.com/", public_only=True)
        == "invalid_vendor_response: address"
    )
    assert sentinel.connections == 0


def test_a_connection_made_without_the_check_does_not_serve_a_public_call(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates
) -> None:
    server = peer(answers(HELLO), tls=certificates.server)
    assert send(transport, server.url).body == b"hello"
    assert error_for_response(transport, server.url, public_only=True) == "invalid_vendor_response: address"


def test_a_public_call_in_clear_reaches_nobody(peer: Callable[..., Peer], transport: HttpClient) -> None:
    sentinel = peer(answers(HELLO))
    assert "vendor_" in error_for_response(transport, sentinel.url, public_only=True)
    assert sentinel.connections == 0


def test_a_public_call_does_not_follow_a_redirect(
    peer: Callable[..., Peer], transport: HttpClient, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = peer(answers(HELLO))
    location = sentinel.url.encode()
    server = peer(answers(b"HTTP/1.1 302 Found\r\nLocation: %b\r\n\r\n" % location), tls=certificates.server)
    is_public_here(monkeypatch)
    resolves_to(monkeypatch, [("127.0.0.1", server.port)])
    assert (
        error_for_response(transport, "https://images.example.com/", public_only=True)
        == "invalid_vendor_response: redirect"
    )
    assert sentinel.connections == 0


def test_a_json_body_survives_the_whole_way(peer: Callable[..., Peer], transport: HttpClient) -> None:
    ticket = {"ticket": "T-1", "name": "María José Ñandú", "native": "محمد"}
    body = json.dumps(ticket, ensure_ascii=False).encode()
    packed = gzip.compress(body)
    server = peer(answers(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed))
    assert json.loads(send(transport, server.url).body) == ticket
