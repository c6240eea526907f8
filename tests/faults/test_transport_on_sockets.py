"""HttpClient against servers on 127.0.0.1 that violate HTTP, TLS and DNS, byte by byte."""

import contextlib
import gzip
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ingest.vendor.connections
from ingest.vendor.http import HttpClient, Response
from local import certificate
from tests.support.memory import peak_of_memory
from tests.support.waiting import eventually
from ticket_archive.errors import ArchiveError, InvalidVendorResponse, VendorUnavailable

MB = 1024 * 1024
DEADLINE = 0.4  # seconds
GRACE = 2.0  # seconds after its deadline within which every call has ended, on a busy machine too
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n\r\n"
LONG = OK + b"Content-Length: 99\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
ZIPPED = gzip.compress(b"hello", mtime=0)


class Link:
    """The server's side of one connection."""

    def __init__(self, end: socket.socket, closing: threading.Event) -> None:
        self.end = end
        self.closing = closing
        self.unread = b""

    def request(self) -> bytes:
        """Return the head of the next request; empty if there is none."""
        while b"\r\n\r\n" not in self.unread:
            received = self.end.recv(65_536)
            if not received:
                return b""
            self.unread += received
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return head

    def send(self, data: bytes) -> None:
        self.end.sendall(data)

    def stall(self) -> None:
        """Keep the connection open and send nothing."""
        self.closing.wait(10)

    def reset(self) -> None:
        time.sleep(0.05)  # the client has read what came before
        self.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script = Callable[[Link], None]


class Server:
    """Plays a script on every connection, after the TLS handshake if there is a context."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.tls = tls
        self.connections = 0
        self.ends: list[socket.socket] = []
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
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
            self.ends.append(end)
            self.script(Link(end, self.closing))
        end.close()

    def close(self) -> None:
        self.closing.set()
        for end in self.ends:  # a script that waits for another request of a pooled connection
            with contextlib.suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(6)
            assert not thread.is_alive()
        self.listener.close()


def answers(*wire: bytes, heads: list[bytes] | None = None) -> Script:
    """Answer each request of a connection with the next of these, and then with the last one."""

    def script(link: Link) -> None:
        count = 0
        while head := link.request():
            if heads is not None:
                heads.append(head)
            link.send(wire[min(count, len(wire) - 1)])
            count += 1

    return script


def then(*acts: bytes | Script) -> Script:
    """After one request, send the bytes and run the scripts; then close the connection."""

    def script(link: Link) -> None:
        if link.request():
            for act in acts:
                link.send(act) if isinstance(act, bytes) else act(link)

    return script


def drips(data: bytes) -> Script:
    def script(link: Link) -> None:
        for byte in data:
            link.send(bytes([byte]))
            if link.closing.wait(0.05):
                return

    return script


def for_ever(data: bytes) -> Script:
    def script(link: Link) -> None:
        while not link.closing.is_set():
            link.send(data)

    return script


def redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


class Certificates:
    """A test authority, and a server's certificate for 127.0.0.1 and images.example.com."""

    def __init__(self, folder: Path) -> None:
        pem = certificate.make(folder, "127.0.0.1", "images.example.com")
        self.authority = str(pem.authority)
        self.server_names: list[str | None] = []
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(pem.certificate, pem.key)
        self.server.sni_callback = lambda _socket, name, _context: self.server_names.append(name)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(script: Script, **settings: Any) -> Server:
        servers.append(Server(script, **settings))
        return servers[-1]

    yield start
    for started in servers:
        started.close()


@pytest.fixture
def client(serve: Serve, certificates: Certificates) -> HttpClient:
    return HttpClient(ca_bundle=str(certificates.authority))


def send(client: HttpClient, url: str, *, within: float = 3.0, max_bytes: int = MB, **options: Any) -> Response:
    headers = {"Authorization": "Bearer canary-token", **options.pop("headers", {})}
    deadline = time.monotonic() + within
    return client.send("GET", url, headers=headers, deadline=deadline, max_bytes=max_bytes, **options)


def failure(client: HttpClient, url: str, *, within: float = 3.0, **options: Any) -> str:
    """Return how a call fails: in time, and without anything of the request or the response in the error."""
    began = time.monotonic()
    with pytest.raises(ArchiveError) as raised:
        send(client, url, within=within, **options)
    assert time.monotonic() - began < within + GRACE
    error = raised.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "canary" not in repr(error) + "".join(traceback.format_exception(error))
    assert isinstance(error, VendorUnavailable | InvalidVendorResponse)
    return str(error)


# Responses


@pytest.mark.parametrize(
    "status", [b"200 OK", b"204 No Content", b"400 Bad", b"401 No", b"404 None", b"429 Wait", b"503 Down"]
)
def test_response_has_status_headers_body_and_media_type(serve: Serve, client: HttpClient, status: bytes) -> None:
    body = b"" if status.startswith(b"204") else b"why"
    head = b"HTTP/1.1 %b\r\nContent-Type: Text/JSON; x=y\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n"
    response = send(client, serve(answers(head % (status, len(body)) + body)).url)
    assert (response.status, response.body, response.content_type) == (int(status[:3]), body, "text/json")
    assert response.headers["retry-AFTER"] == "7"


@pytest.mark.parametrize(
    "wire",
    [
        OK + b"\r\nhello",
        OK + b"Content-Length: 5, 5\r\n\r\nhello",
        CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        GZIP + ZIPPED,
        OK + b"Content-Encoding: X-GZIP\r\n\r\n" + gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0),
        OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"),
        *(OK + b"Content-Encoding: %b\r\n\r\nhello" % name for name in (b"UTF-8", b"base64", b"aws-chunked", b"")),
        *(OK + b"Content-Encoding: %b\r\n\r\n" % name + ZIPPED for name in (b"aws-chunked, gzip", b"gzip, gzip")),
        *(OK + header + b"\r\n" + ZIPPED for header in (b"", b"Content-Encoding: identity\r\n")),
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        INTERIM + HELLO,
    ],
)
def test_every_valid_framing_is_read(serve: Serve, client: HttpClient, wire: bytes) -> None:
    assert send(client, serve(then(wire)).url).body == b"hello"


@pytest.mark.parametrize("content_type", [b"application/json; charset='ISO-8859-1'", b"text/plain"])
def test_json_in_the_encoding_of_its_content_type_is_read_as_utf8(
    serve: Serve, client: HttpClient, content_type: bytes
) -> None:
    """Other encodings: tests/unit/ticket_archive/test_json_text.py."""
    text = '{"full_name": "José"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\n" % content_type
    for sent in (text, json.dumps(text)):  # a server may serialize twice
        assert send(client, serve(then(head + sent.encode("latin-1"))).url).body == text.encode()


COMPRESSIONS = [b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"compress", b"gzip, gzip", b"gzip, br"]


@pytest.mark.parametrize("encoding", COMPRESSIONS)
@pytest.mark.parametrize("body", [b"", b"h", b"hello", b'{"ticket": 1}', b"\xff\xd8\xff\xe0", b"\x8b\x05\x80hello\x03"])
@pytest.mark.parametrize("framing", [b"\r\n%b", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["closed", "chunks"])
def test_body_that_is_not_gzip_is_read_as_it_is_whatever_its_encoding(
    serve: Serve, client: HttpClient, encoding: bytes, body: bytes, framing: bytes
) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    sent = framing % body if b"%b" in framing else framing + chunks
    assert send(client, serve(then(OK + b"Content-Encoding: %b\r\n" % encoding + sent)).url).body == body


def test_request_has_only_the_given_headers_host_and_gzip(serve: Serve, client: HttpClient) -> None:
    heads: list[bytes] = []
    server = serve(answers(HELLO, heads=heads))
    send(client, server.url, headers={"User-Agent": "archive"})
    assert sorted(heads[0].lower().split(b"\r\n")[1:]) == [
        b"accept-encoding: gzip",
        b"authorization: bearer canary-token",
        b"host: 127.0.0.1:%d" % server.port,
        b"user-agent: archive",
    ]


# The deadline (threat 26)

SLOW = {
    "silence": Link.stall,
    "silence after the request": then(Link.stall),
    "dripping response": then(drips(HELLO * 9)),
    "dripping status": then(drips(b"HTTP/1.1 " + b"2" * 99)),
    "dripping header": then(OK + b"X-Slow: ", drips(b"a" * 99)),
    "dripping headers": then(OK, drips(b"X: 1\r\n" * 20)),
    "no body": then(LONG, Link.stall),
    "stalled body": then(LONG + b"hel", Link.stall),
    "dripping body": then(LONG, drips(b"a" * 99)),
    "dripping body until close": then(OK + b"\r\n", drips(b"a" * 99)),
    "dripping chunks": then(CHUNKED, drips(b"1\r\na\r\n" * 20)),
    "dripping chunk size": then(CHUNKED, drips(b"0" * 99)),
    "dripping trailers": then(CHUNKED + b"0\r\n", drips(b"X: 1\r\n" * 20)),
    "dripping gzip": then(GZIP, drips(gzip.compress(os.urandom(99)))),
    "dripping interim responses": then(drips(INTERIM * 9)),
}


OVER_TLS = ("silence after the request", "dripping response", "dripping body")


@pytest.mark.parametrize(
    ("name", "over_tls"), [*((name, False) for name in SLOW), *((name, True) for name in OVER_TLS)]
)
def test_call_ends_at_its_deadline(
    serve: Serve, client: HttpClient, certificates: Certificates, name: str, over_tls: bool
) -> None:
    url = serve(SLOW[name], tls=certificates.server if over_tls else None).url
    assert failure(client, url, within=DEADLINE) == "vendor_unavailable: deadline"


@pytest.mark.parametrize(
    "hello", [Link.stall, lambda link: link.send(b"\x16\x03\x03\x40\x00\x02"), drips(b"\x16\x03\x03\x40\x00" * 9)]
)
def test_tls_handshake_ends_at_the_deadline(serve: Serve, client: HttpClient, hello: Script) -> None:
    def script(link: Link) -> None:
        hello(link)
        link.stall()

    url = serve(script).url.replace("http:", "https:")
    assert failure(client, url, within=DEADLINE) == "vendor_unavailable: deadline"


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("calls_before", [0, 1])
@pytest.mark.parametrize("read_at_once", [0, 131_072])
def test_server_that_does_not_read_the_request_costs_no_more_than_the_deadline(
    serve: Serve, client: HttpClient, certificates: Certificates, over_tls: bool, calls_before: int, read_at_once: int
) -> None:
    def script(link: Link) -> None:
        for _ in range(calls_before):
            link.request()
            link.send(HELLO)
        while not link.closing.wait(0.03):
            if read_at_once:
                link.end.recv(read_at_once)

    server = serve(script, tls=certificates.server if over_tls else None)
    for _ in range(calls_before):
        send(client, server.url)
    large = {"X-Large": "a" * 8 * MB}
    assert failure(client, server.url, within=2.0, headers=large) == "vendor_unavailable: deadline"
    assert server.connections == 1


def test_full_backlog_costs_no_more_than_the_deadline(client: HttpClient) -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as held:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # what the kernel queues; it drops any further SYN
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        assert failure(client, url, within=DEADLINE) == "vendor_unavailable: deadline"


def test_resolver_that_hangs_costs_no_more_than_the_deadline_and_leaves_no_thread(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def hang(*_: Any) -> list[Any]:
        answered.wait(5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    before = threading.active_count()
    assert failure(client, "http://canary.test/", within=DEADLINE) == "vendor_unavailable: deadline"
    answered.set()
    eventually(lambda: threading.active_count() == before, "the end of the thread", 2)


# Truncated and broken responses (threat 27)

BROKEN = [
    *((b"HTTP/1.1 404 Not Found\r\nContent-Length"[:end], "reset") for end in (0, 12, 24, 34)),
    (OK, "reset"),
    *((LONG + body, "truncated") for body in (b"", b"hello")),
    (OK + b"Content-Length: 70000\r\n\r\n" + b"a" * 69_999, "truncated"),
    *((CHUNKED + b"5\r\nhello\r\n1"[:end], "truncated") for end in (0, 6, 8, 10, 11)),
    *((CHUNKED + size, "truncated") for size in (b"zz\r\nhello\r\n0\r\n\r\n", b"1" * 70_000)),
    *(
        (GZIP + data, "truncated")
        for data in (ZIPPED[:-1], gzip.compress(b"hello" * 99, mtime=0)[:20], ZIPPED + ZIPPED[:9])
    ),
    (OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + ZIPPED[:9], "truncated"),
    (OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello")[:-1], "truncated"),
    *((GZIP + data, "encoding") for data in (ZIPPED[:-8] + b"\0" * 8, ZIPPED + b"more")),
    *((OK + b"Content-Length: %b\r\n\r\nhello" % n, "protocol") for n in (b"5, 6", b"five", b"-1", b"9" * 5000)),
    *((b"%b\r\n\r\n" % head, "protocol") for head in (b"<html>canary</html>", b"SSH-2.0-canary", b"HTTP/1.1 canary")),
    (OK + b"X: 1\r\n" * 200 + b"\r\n", "protocol"),
    (OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n", "protocol"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol"),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO, "protocol"),
]


@pytest.mark.parametrize(("wire", "code"), BROKEN, ids=lambda value: value if isinstance(value, str) else None)
def test_broken_response_is_unavailable(serve: Serve, client: HttpClient, wire: bytes, code: str) -> None:
    assert failure(client, serve(then(wire)).url) == f"vendor_unavailable: {code}"


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 99\r\n\r\nhello",
        b"Content-Length: five\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"Content-Encoding: gzip\r\n\r\n" + ZIPPED[:-1],
    ],
)
def test_status_of_an_error_counts_whose_body_is_broken(serve: Serve, client: HttpClient, rest: bytes) -> None:
    server = serve(answers(NOT_FOUND + rest, OK + b"Content-Length: 5\r\n\r\nstale"))
    response = send(client, server.url, within=DEADLINE)
    assert (response.status, response.body) == (404, b"")
    server.script = answers(HELLO)
    assert send(client, server.url).body == b"hello"
    assert server.connections == 2, "what is left of the body is on the first one"


@pytest.mark.parametrize(
    ("data", "body"), [(ZIPPED[:-1], b"hello"), (ZIPPED[:-8] + b"\0" * 8, b""), (ZIPPED + b"more", b"hello")]
)
def test_broken_compression_carries_what_was_read(serve: Serve, client: HttpClient, data: bytes, body: bytes) -> None:
    with pytest.raises(VendorUnavailable) as raised:
        send(client, serve(then(GZIP + data)).url)
    assert raised.value.body == body


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 20", OK, LONG + b"hel"])
def test_reset_connection_is_unavailable(serve: Serve, client: HttpClient, sent: bytes) -> None:
    assert failure(client, serve(then(sent, Link.reset)).url) == "vendor_unavailable: reset"


@pytest.mark.parametrize(("act", "codes"), [(lambda _: None, {"truncated"}), (Link.reset, {"truncated", "reset"})])
def test_cut_off_body_over_tls_is_unavailable(
    serve: Serve, client: HttpClient, certificates: Certificates, act: Script, codes: set[str]
) -> None:
    """Python's ssl may report a reset as an end."""
    url = serve(then(LONG + b"hel", act), tls=certificates.server).url
    assert failure(client, url).removeprefix("vendor_unavailable: ") in codes


def test_refused_connection_is_unavailable(serve: Serve, client: HttpClient) -> None:
    server = serve(answers(HELLO))
    server.close()
    assert failure(client, server.url) == "vendor_unavailable: connect"


@pytest.mark.parametrize("host", ["canary.test", "a" * 63 + "." + "b" * 200 + ".test"])
def test_unresolved_name_is_unavailable(client: HttpClient, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def unknown(name: str, *rest: Any) -> Any:
        if name == "canary.test":
            raise socket.gaierror(socket.EAI_NONAME, "canary")
        return real(name, *rest)  # refuses the long label itself

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure(client, f"http://{host}/") == "vendor_unavailable: dns"


def test_cut_off_body_without_a_length_looks_complete(serve: Serve, client: HttpClient) -> None:
    """The reason why JSON and images are read to their own end before anything is stored."""
    assert send(client, serve(then(OK + b'\r\n{"ticket": ')).url).body == b'{"ticket": '


# Size (threats 29 and 30)


@pytest.mark.parametrize("length", [b"%d" % (MB + 1), b"9" * 21, b"%d\r\nContent-Encoding: gzip" % (MB + 1)])
def test_declared_length_over_the_limit_is_refused_unread(serve: Serve, client: HttpClient, length: bytes) -> None:
    url = serve(then(OK + b"Content-Length: " + length + b"\r\n\r\n", Link.stall)).url
    assert failure(client, url, within=5) == "invalid_vendor_response: too_large"


def bomb(wbits: int) -> bytes:
    """Return 200 MB of zeros, compressed; the stream has no end, which no client should reach."""
    press = zlib.compressobj(9, wbits=wbits)
    first, block = (press.compress(bytes(MB)) + press.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + 199 * block


BOMB = bomb(31)
EMPTY_MEMBER = b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 2000 + b"\0" + gzip.compress(b"")[10:]
BLOCK = bytes(65_536)
ENDLESS = {
    "body": then(OK + b"\r\n", for_ever(BLOCK)),
    "error body": then(b"HTTP/1.1 500 Oops\r\n\r\n", for_ever(BLOCK)),
    "chunks": then(CHUNKED, for_ever(b"10000\r\n" + BLOCK + b"\r\n")),
    "one huge chunk": then(CHUNKED + b"f" * 40 + b"\r\n", for_ever(BLOCK)),
    "a chunk of -1 bytes": then(CHUNKED + b"-1\r\n", for_ever(BLOCK)),
    "chunk extensions": then(CHUNKED, for_ever(b"1;" + b"x" * 60_000 + b"\r\na\r\n")),
    "trailers": then(CHUNKED + b"0\r\n", for_ever(b"X: " + b"a" * 60_000 + b"\r\n")),
    "bomb": then(GZIP + BOMB),
    "bomb with a length": then(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
    "bombs": then(GZIP, for_ever(BOMB)),
    "empty gzip members": then(GZIP, for_ever(EMPTY_MEMBER * 30)),
    "gzip name": then(GZIP + b"\x1f\x8b\x08\x08" + b"\0" * 6, for_ever(b"name" * 10_000)),
    "deflate bomb": then(OK + b"Content-Encoding: deflate\r\n\r\n" + bomb(15)),
    "interim responses": then(for_ever(b"HTTP/1.1 100 Continue\r\nX: " + b"a" * 60_000 + b"\r\n\r\n")),
    "redirect": then(b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Encoding: gzip\r\n\r\n", for_ever(BOMB)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_response_over_limit_is_refused_in_under_twice_its_memory(serve: Serve, client: HttpClient, name: str) -> None:
    limit = 4 * MB
    url = serve(ENDLESS[name]).url
    expected = "redirect" if name == "redirect" else "too_large"
    with peak_of_memory() as peak:
        assert failure(client, url, max_bytes=limit) == f"invalid_vendor_response: {expected}"
    assert peak.bytes < 2 * limit


@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n", b"", b"Content-Encoding: gzip\r\n"])
def test_body_of_the_limit_is_read_in_under_twice_its_memory(serve: Serve, client: HttpClient, framing: bytes) -> None:
    limit = 8 * MB
    body = bytes(limit)
    sent = gzip.compress(body) if b"gzip" in framing else body
    url = serve(then(OK + (framing % limit if b"%d" in framing else framing) + b"\r\n" + sent)).url
    with peak_of_memory() as peak:
        response = send(client, url, max_bytes=limit)
    assert response.body == body
    assert peak.bytes < 2 * limit
    assert failure(client, url, max_bytes=limit - 1) == "invalid_vendor_response: too_large"


# Destinations (threats 40, 41 and 43)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_redirect_is_refused_and_not_followed(serve: Serve, client: HttpClient, status: int) -> None:
    sentinel = serve(answers(HELLO))
    server = serve(answers(redirect(sentinel.url).replace(b"302", b"%d" % status)))
    assert failure(client, server.url) == "invalid_vendor_response: redirect"
    assert sentinel.connections == 0


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://x.test/1?a=b", "https://x.test/1?a=b"),
        ("/else", "{}/else"),
        ("", "{}/canary-path?canary=1"),
        ("http://[", "http://["),
    ],
)
def test_redirect_carries_its_absolute_target(serve: Serve, client: HttpClient, location: str, target: str) -> None:
    server = serve(answers(redirect(location)))
    with pytest.raises(InvalidVendorResponse) as raised:
        send(client, server.url)
    assert raised.value.body == target.format(f"http://127.0.0.1:{server.port}").encode()


def test_environment_has_no_effect(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heads: list[bytes] = []
    sentinel, server = serve(answers(HELLO)), serve(answers(HELLO, heads=heads))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sentinel.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none"))
    client = HttpClient()
    client.send("GET", server.url, headers={}, deadline=time.monotonic() + 3, max_bytes=MB)
    assert b"authorization" not in heads[0].lower()
    assert heads[0].startswith(b"GET /canary-path")
    assert sentinel.connections == 0


def test_cookies_are_not_kept(serve: Serve, client: HttpClient) -> None:
    heads: list[bytes] = []
    server = serve(answers(OK + b"Set-Cookie: canary=1; Path=/\r\nContent-Length: 0\r\n\r\n", heads=heads))
    for _ in range(2):
        send(client, server.url)
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)
    assert not list(client._session.cookies)


# Connections


def test_connection_is_reused_after_every_kind_of_complete_response(serve: Serve, client: HttpClient) -> None:
    zipped = gzip.compress(b"a")
    server = serve(
        answers(
            HELLO,
            b"HTTP/1.1 204 No Content\r\n\r\n",
            CHUNKED + b"1\r\na\r\n0\r\n\r\n",
            OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped) + zipped,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na",
            OK + b"Content-Length: 0\r\n\r\n",
            HELLO,
        )
    )
    assert [send(client, server.url).body for _ in range(7)] == [b"hello", b"", b"a", b"a", b"a", b"", b"hello"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "first",
    [
        LONG + b"hel",
        OK + b"Content-Length: %d\r\n\r\n" % (9 * MB),
        redirect("/").replace(b": 0", b": 5") + b"first",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_connection_is_not_reused_after_a_failure(serve: Serve, client: HttpClient, first: bytes) -> None:
    server = serve(answers(first, OK + b"Content-Length: 5\r\n\r\nstale"))
    failure(client, server.url, within=DEADLINE)
    server.script = answers(HELLO)
    assert send(client, server.url).body == b"hello"
    assert server.connections == 2


def test_connection_that_the_server_closed_is_replaced(serve: Serve, client: HttpClient) -> None:
    server = serve(then(HELLO))
    for _ in range(3):
        assert send(client, server.url).body == b"hello"
        time.sleep(0.05)
    assert server.connections == 3


def test_deadline_of_an_earlier_call_does_not_bind_a_later_one(serve: Serve, client: HttpClient) -> None:
    server = serve(answers(HELLO))
    assert send(client, server.url, within=0.3).body == b"hello"
    time.sleep(0.4)
    assert send(client, server.url).body == b"hello"
    assert server.connections == 1


def test_32_threads_get_their_own_responses_and_deadlines(serve: Serve) -> None:
    def script(link: Link) -> None:
        while head := link.request():
            path = head.split()[1]
            if path.startswith(b"/slow"):
                link.send(LONG)
                drips(b"a" * 99)(link)
                return
            link.send(OK + b"Content-Length: %d\r\n\r\n" % (len(path) * 1000) + path * 1000)

    server, client = serve(script), HttpClient()

    def work(number: int) -> list[str]:
        outcomes = []
        for turn in range(4):
            slow = (number + turn) % 4 == 0
            path = f"/{'slow' if slow else 'fast'}-{number}-{turn}"
            url = f"http://127.0.0.1:{server.port}{path}"
            if slow:
                outcomes.append(failure(client, url, within=0.3))
            else:
                assert send(client, url, within=10).body == path.encode() * 1000
                outcomes.append("complete")
        return outcomes

    with ThreadPoolExecutor(32) as threads:
        outcomes = [outcome for each in threads.map(work, range(32)) for outcome in each]
    assert outcomes.count("complete") == 96
    assert outcomes.count("vendor_unavailable: deadline") == 32


# TLS


def test_tls_connection_is_verified_and_reused(serve: Serve, client: HttpClient, certificates: Certificates) -> None:
    large = OK + b"Content-Length: %d\r\n\r\n" % MB + b"a" * MB
    server = serve(answers(HELLO, large, HELLO), tls=certificates.server)
    assert [len(send(client, server.url).body) for _ in range(3)] == [5, MB, 5]
    assert server.connections == 1
    assert failure(client, f"https://localhost:{server.port}/") == "vendor_unavailable: tls"
    assert failure(HttpClient(), server.url) == "vendor_unavailable: tls"  # certifi does not know the authority


def test_server_without_tls_is_unavailable(serve: Serve, client: HttpClient) -> None:
    server = serve(lambda link: link.send(HELLO))
    assert failure(client, server.url.replace("http:", "https:")) == "vendor_unavailable: tls"


# Public addresses (threat 40, DNS rebinding)

IMAGE_URL = "https://images.example.com/canary"
NOT_PUBLIC = "invalid_vendor_response: address"


def resolve(monkeypatch: pytest.MonkeyPatch, *turns: list[tuple[str, int]]) -> list[str]:
    """Make each look-up return the next of these address lists; return the names that were looked up."""
    names: list[str] = []

    def look_up(host: str, *_: Any) -> list[Any]:
        names.append(host)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address, port in turns[min(len(names), len(turns)) - 1]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.vendor.connections, "is_public", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("loopback_is_public")
def test_public_call_connects_to_the_checked_address_and_sends_the_hosts_name(
    serve: Serve, client: HttpClient, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel, server = serve(answers(HELLO)), serve(answers(HELLO), tls=certificates.server)
    names = resolve(monkeypatch, [("127.0.0.1", server.port)], [("127.0.0.1", sentinel.port)])
    certificates.server_names.clear()
    assert send(client, IMAGE_URL, public_only=True).body == b"hello"
    assert names == certificates.server_names == ["images.example.com"]
    assert sentinel.connections == 0


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        *((host, []) for host in ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "localhost")),
        *(("canary.test", [address]) for address in ("169.254.169.254", "::1", "::ffff:127.0.0.1")),
        ("canary.test", ["93.184.216.34", "127.0.0.1"]),
        ("canary.test", ["127.0.0.1", "93.184.216.34"]),
        ("canary.test", ["2606:2800:220:1::1", "::1"]),
    ],
)
def test_public_call_connects_nowhere_if_any_address_is_not_public(
    serve: Serve, client: HttpClient, monkeypatch: pytest.MonkeyPatch, host: str, addresses: list[str]
) -> None:
    """A name is looked up; addresses in any notation are left to the system."""
    sentinel = serve(answers(HELLO))
    if addresses:
        resolve(monkeypatch, [(address, sentinel.port) for address in addresses])
    assert failure(client, f"https://{host}:{sentinel.port}/", public_only=True) == NOT_PUBLIC
    assert sentinel.connections == 0


@pytest.mark.usefixtures("loopback_is_public")
def test_public_call_checks_the_address_of_every_new_connection(
    serve: Serve, client: HttpClient, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = serve(answers(HELLO))
    server = serve(then(OK + b"Connection: close\r\n\r\nhello"), tls=certificates.server)
    resolve(monkeypatch, [("127.0.0.1", server.port)], [("10.0.0.5", sentinel.port)])
    assert send(client, IMAGE_URL, public_only=True).body == b"hello"
    assert failure(client, IMAGE_URL, public_only=True) == NOT_PUBLIC
    assert sentinel.connections == 0


def test_public_call_reuses_no_unchecked_connection_and_never_http(
    serve: Serve, client: HttpClient, certificates: Certificates
) -> None:
    server, sentinel = serve(answers(HELLO), tls=certificates.server), serve(answers(HELLO))
    assert send(client, server.url).body == b"hello"
    assert failure(client, server.url, public_only=True) == NOT_PUBLIC
    assert failure(client, sentinel.url, public_only=True) == "vendor_unavailable: protocol"
    assert sentinel.connections == 0
