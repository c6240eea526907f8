"""Connections whose every operation ends within the time of the call that they serve.

A time-out of urllib3 is for one operation on the socket, so a peer that drips bytes keeps a call for
ever. Here each operation gets no more than what is left of its call's own deadline. A call runs in one thread, so what
it may spend is that thread's, and the sockets ask for it: there is no timer and no watching thread to leak, to survive
a fork, or to fire after a freeze. One call at a time in a thread; a connection may serve another thread's call next.

`PublicHttpsPool` judges the address at the moment of connecting, and connects to that very address: a name that
answers differently the second time (DNS rebinding) gains nothing. The TLS server name stays the host.
"""

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context

from ingest.vendor.url_policy import is_public
from ticket_archive.errors import InvalidVendorResponse


class _Call(threading.local):
    """What the call that runs in this thread may still spend: time, patience (seconds of silence), bytes to receive."""

    running: bool = False
    expires_at: float = 0.0
    patience: float = 0.0
    bytes_left: int = 0
    awaits_head: bool = False

    def time_left(self, at_most: float | None = None) -> float:
        """Seconds for the next operation. Raises TimeoutError when there are none."""
        left = self.expires_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self.patience if at_most is None else at_most)

    def receive(self, count: int) -> None:
        if count == 0 and self.awaits_head:
            # http.client takes the end of the connection for the end of the headers: a 200 or 404 that is none.
            raise ConnectionResetError
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise InvalidVendorResponse("too_large")


_call = _Call()


@contextmanager
def within(expires_at: float, *, patience: float, bytes_on_wire: int) -> Iterator[None]:
    """Bounds what this thread does with connections: until `expires_at` (time.monotonic()), at most `patience` seconds
    between two bytes, at most so many bytes received. Beyond them TimeoutError and InvalidVendorResponse("too_large").
    """
    _call.running, _call.expires_at, _call.patience, _call.bytes_left = True, expires_at, patience, bytes_on_wire
    try:
        yield
    finally:
        _call.running = False


def keep_quiet() -> None:
    """Silences urllib3 about bounded calls: it would log URLs, and header lines that it cannot read, as a warning."""
    for name in ("connection", "connectionpool", "response", "util.retry"):
        logging.getLogger(f"urllib3.{name}").addFilter(_is_not_of_a_call)


def _is_not_of_a_call(_record: logging.LogRecord) -> bool:
    return not _call.running


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Verifies against the PEM file `ca_bundle`. To be shared: reading the bundle costs more than a handshake."""
    context = create_urllib3_context()
    context.load_verify_locations(ca_bundle)
    context.sslsocket_class = _TlsSocket
    return context


class _Socket(socket.socket):
    """http.client receives by `recv_into` (through `makefile`) and sends by `sendall`."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_call.time_left())
        count = super().recv_into(buffer, nbytes or 0, flags)
        _call.receive(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(_call.time_left())
        super().sendall(data, flags)


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The handshake is one operation for the ssl module: the time-out that the plain socket had bounds all of it."""


class _HttpConnection(HTTPConnection):
    public_only: ClassVar[bool] = False

    def _new_conn(self) -> socket.socket:
        candidates = _resolve(self._dns_host, self.port)
        if self.public_only and not all(is_public(address[0]) for *_, address in candidates):
            raise InvalidVendorResponse("address")
        fault = OSError()
        for family, kind, protocol, _, address in candidates:
            connected = _Socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    connected.setsockopt(*option)
                connected.settimeout(_call.time_left(self.timeout))
                connected.connect(address)
                connected.settimeout(_call.time_left(self.timeout))  # for the handshake
            except OSError as error:
                connected.close()
                fault = error
            else:
                return connected
        if isinstance(fault, TimeoutError):
            raise fault
        raise NewConnectionError(self, "") from fault

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        _call.awaits_head = True
        try:
            return super().getresponse()
        finally:
            _call.awaits_head = False


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class _PublicHttpsConnection(_HttpsConnection):
    public_only = True


class HttpPool(HTTPConnectionPool):
    """Connections in clear, to any address."""

    ConnectionCls = _HttpConnection


class HttpsPool(HTTPSConnectionPool):
    """Connections over TLS, to any address."""

    ConnectionCls = _HttpsConnection


class PublicHttpsPool(HTTPSConnectionPool):
    """Connections over TLS to public addresses alone. Raises InvalidVendorResponse("address") if any of a host's is not."""

    ConnectionCls = _PublicHttpsConnection


def _resolve(host: str, port: int) -> list[Any]:
    """The addresses of a host as socket.getaddrinfo gives them.

    The resolver cannot be interrupted and may take far longer than the call has: it runs in a thread of its own, which
    is left to end by itself when the time is up.
    """
    outcome: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            outcome.put(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except OSError as error:
            outcome.put(error)
        except UnicodeError:  # a label that is empty or too long
            outcome.put(socket.gaierror(socket.EAI_NONAME))

    seconds = _call.time_left()
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        found = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found
