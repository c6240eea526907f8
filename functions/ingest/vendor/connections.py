"""Connections that stay within the limits of the call they serve: its deadline, bytes and addresses.

A timeout of requests or urllib3 bounds one socket operation, so a peer that sends byte by byte can hold a call forever.
Here each operation gets the time left until the call's deadline. The limits belong to the thread that makes the call,
because a pooled connection serves calls of many threads, one after the other.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context

from ingest.vendor.url_policy import is_public
from ticket_archive.errors import InvalidVendorResponse


class _Limits(threading.local):
    active = False
    deadline = 0.0
    bytes_left = 0
    public_only = False
    reading_headers = False

    def next_timeout(self, at_most: float | None = None) -> float:
        """Return the timeout of the next operation. Raises TimeoutError at the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if at_most is None else min(left, at_most)

    def received(self, count: int) -> None:
        if count == 0 and self.reading_headers:
            # http.client accepts the end of the connection as the end of the headers.
            raise ConnectionResetError
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise InvalidVendorResponse("too_large")


_limits = _Limits()


@contextmanager
def limits(deadline: float, *, wire_bytes: int, public_only: bool) -> Iterator[None]:
    """Limit the connections that this thread uses.

    `deadline` is a value of time.monotonic(), `wire_bytes` how many bytes may be received. With `public_only`, every
    address of the host must be public.

    Raises TimeoutError, InvalidVendorResponse("too_large") and InvalidVendorResponse("address").
    """
    _limits.deadline, _limits.bytes_left, _limits.public_only, _limits.active = deadline, wire_bytes, public_only, True
    try:
        yield
    finally:
        _limits.active = False


def _outside_calls(_record: logging.LogRecord) -> bool:
    return not _limits.active


# urllib3 logs URLs, and header lines that it cannot parse as a warning.
for _name in ("connection", "connectionpool", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_outside_calls)


@cache
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Return the context that trusts the authorities in a PEM file. Reading certifi's takes 20 ms of CPU."""
    context = create_urllib3_context()
    context.load_verify_locations(ca_bundle)
    context.sslsocket_class = _TlsSocket
    return context


class _Socket(socket.socket):
    """http.client receives with `recv_into` and sends with `sendall`."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_limits.next_timeout())
        count = super().recv_into(buffer, nbytes or 0, flags)
        _limits.received(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(_limits.next_timeout())
        super().sendall(data, flags)


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The timeout of the connected socket bounds the whole handshake."""


class _HttpConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        """Connect to one of the addresses that were checked, so a second DNS answer has no effect (DNS rebinding)."""
        addresses = _resolve(self._dns_host, self.port)
        if _limits.public_only and not all(is_public(address[0]) for *_, address in addresses):
            raise InvalidVendorResponse("address")
        failure = OSError()
        for family, kind, protocol, _, address in addresses:
            connected = _Socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    connected.setsockopt(*option)
                connected.settimeout(_limits.next_timeout(self.timeout))
                connected.connect(address)
                connected.settimeout(_limits.next_timeout(self.timeout))  # for the TLS handshake
            except OSError as error:
                connected.close()
                failure = error
            else:
                return connected
        if isinstance(failure, TimeoutError):
            raise failure
        raise NewConnectionError(self, "") from failure

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        _limits.reading_headers = True
        try:
            return super().getresponse()
        finally:
            _limits.reading_headers = False


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


POOLS = {"http": _HttpPool, "https": _HttpsPool}
"""The pools whose connections stay within the limits of their call, for a PoolManager."""


def _resolve(host: str, port: int) -> list[Any]:
    """Return the host's addresses as socket.getaddrinfo does, or raise its error or TimeoutError.

    getaddrinfo has no timeout and cannot be interrupted, so it runs in a thread, which is abandoned at the deadline.
    """
    timeout = _limits.next_timeout()
    addresses: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            addresses.set_result(socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            addresses.set_exception(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        return addresses.result(timeout)
    except UnicodeError:  # a label is empty or too long
        raise socket.gaierror(socket.EAI_NONAME) from None
