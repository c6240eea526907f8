"""The one way to the vendor: HTTP calls that end in time, stay within a byte cap and go only where they were sent.

urllib3 keeps the connections; what it leaves open is closed here: a call has one deadline for everything
(`connections.py`), bodies are decompressed in small steps up to the cap, a redirect is an error. It knows no proxies,
cookies or credentials of the environment, as `requests` on top of it would. Errors carry short codes: the exceptions of
the libraries hold URLs and headers, so none of them stays attached.
"""

import http.client
import io
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import certifi
import urllib3.exceptions
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout, parse_url

from ingest.vendor.connections import HttpPool, HttpsPool, PublicHttpsPool, keep_quiet, tls_context, within
from ticket_archive.errors import InvalidVendorResponse, VendorUnavailable

PIECE = 65_536  # bytes read or decompressed in one step
FRAMING = 262_144  # bytes on the wire that an answer may have above its body: headers, chunk sizes, trailers
COMPRESSIONS = ("gzip", "x-gzip", "deflate")
CLOCK_SLACK = 0.001  # seconds by which a wait may end early
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9._-]+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of any status but 1xx and 3xx.

    `headers` is case-insensitive; `body` is decompressed; `content_type` is the media type alone, in lower case, empty
    if there is none. A body without Content-Length, chunks or compression ends where the peer closes the connection:
    nothing in HTTP tells then whether it was cut off. Only the content's own end does, of the JSON or of the image.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str


@cache
def usual_tls() -> ssl.SSLContext:
    """The vendor's server has a certificate of one of the usual authorities: certifi's. Takes 20 ms of CPU, once."""
    return tls_context(certifi.where())


class Transport:
    """Pooled keep-alive connections for any number of threads, TLS verified.

    Nothing comes from the environment (no proxies, no netrc, no CA bundle), no cookie is kept, nothing is retried.
    `connect_timeout` (per address) and `read_timeout` (between two bytes) are in seconds and only shorten a call's own
    deadline. `pool_size` is per host. `tls` gives the context of every connection, always the same one.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 3.05,
        read_timeout: float = 10.0,
        pool_size: int = 32,
        tls: Callable[[], ssl.SSLContext] = usual_tls,
    ) -> None:
        # The sockets bound every operation after connecting.
        self._timeout = Timeout(connect=connect_timeout, read=None)
        self._read_timeout = read_timeout
        self._tls = tls
        self._pools = _pools(pool_size, HttpPool, HttpsPool)
        # Apart from the other: no connection made without the check is ever used where it is asked for.
        self._public_pools = _pools(pool_size, PublicHttpsPool)
        keep_quiet()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        expires_at: float,
        max_bytes: int,
        public_only: bool = False,
    ) -> Answer:
        """One exchange, from resolving the name to the last byte of the body.

        `expires_at` is a value of time.monotonic(); `max_bytes` caps the decompressed body. With `public_only` the URL
        must be https and every address of its host public.

        Raises VendorUnavailable for what may pass: "deadline", "timeout" (a silence), "dns", "connect", "tls", "reset",
        "truncated", "encoding" (broken compression), "protocol" (not HTTP as this side knows it).
        Raises InvalidVendorResponse for what is refused: "too_large", "redirect", "address", "encoding" (a compression that
        was not asked for).
        """
        pools = self._public_pools if public_only else self._pools
        try:
            with within(expires_at, patience=self._read_timeout, bytes_on_wire=max_bytes + max_bytes // 4 + FRAMING):
                return self._exchange(pools, method, url, headers, max_bytes)
        except (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, zlib.error, ValueError) as error:
            code = _code(error)
        if code == "timeout" and time.monotonic() >= expires_at - CLOCK_SLACK:
            code = "deadline"
        raise VendorUnavailable(code)  # here, where no exception is being handled that would stay attached

    def close(self) -> None:
        """Closes the idle connections at once; urllib3 leaves that to the garbage collector."""
        for manager in (self._pools, self._public_pools):
            keys = manager.pools.keys()
            for pool in filter(None, map(manager.pools.get, keys)):
                pool.close()
            manager.clear()

    def _exchange(
        self, pools: PoolManager, method: str, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> Answer:
        target = parse_url(url)
        # Without a scheme urllib3 would assume one, and it asks the resolver for any host.
        if target.scheme not in pools.pool_classes_by_scheme or target.auth or not _HOST.fullmatch(target.host or ""):
            raise VendorUnavailable("protocol")
        response = pools.connection_from_host(
            target.host, target.port, target.scheme, {"ssl_context": self._tls()}
        ).urlopen(
            method,
            target.request_uri,
            headers={"Accept-Encoding": "gzip", **headers},
            retries=False,
            redirect=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        try:
            if 300 <= response.status < 400:
                raise InvalidVendorResponse("redirect")
            if response.status < 200:
                # An interim answer. The real one follows, and would be taken for the next call's.
                raise VendorUnavailable("protocol")
            body = _read(response, max_bytes)
        except BaseException:
            response.close()
            response.release_conn()
            raise
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(response.status, response.headers, body, media_type)


def _pools(pool_size: int, *pools: type[HTTPConnectionPool]) -> PoolManager:
    manager = PoolManager(maxsize=pool_size)
    manager.pool_classes_by_scheme = {pool.scheme: pool for pool in pools if pool.scheme}
    return manager


def _read(raw: BaseHTTPResponse, max_bytes: int) -> bytes:
    """The decompressed body, complete as far as HTTP and gzip can tell."""
    declared = raw.length_remaining
    if declared is None and not raw.chunked and "Content-Length" in raw.headers:
        raise VendorUnavailable("protocol")
    if declared is not None and declared > max_bytes:
        raise InvalidVendorResponse("too_large")
    coding = raw.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity", *COMPRESSIONS):
        raise InvalidVendorResponse("encoding")
    inflater = _Inflater() if coding in COMPRESSIONS and declared != 0 else None
    body = io.BytesIO()  # whose getvalue() is no second copy
    for received in raw.stream(PIECE, decode_content=False):
        for piece in inflater.feed(received) if inflater else (received,):
            if body.tell() + len(piece) > max_bytes:
                raise InvalidVendorResponse("too_large")
            body.write(piece)
    if inflater and not inflater.is_complete:
        raise VendorUnavailable("truncated")
    return body.getvalue()


class _Inflater:
    """gzip, of one member or several, or zlib's deflate, in pieces. urllib3's own takes a cut-off stream for whole."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(32 + zlib.MAX_WBITS)

    @property
    def is_complete(self) -> bool:
        return self._member.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._member.decompress(data, PIECE)
            yield piece
            data = self._member.unconsumed_tail
            if self._member.eof and self._member.unused_data:
                data = self._member.unused_data
                self._member = zlib.decompressobj(32 + zlib.MAX_WBITS)
            elif len(piece) < PIECE:  # after a full piece there may be more inside
                return


# The first kind that is found in an exception or in what caused it, and its code. The order matters: most of Python's
# own errors are OSErrors too, and a lost connection is an HTTPException as well.
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "dns"),
    (TimeoutError, "timeout"),
    (urllib3.exceptions.NewConnectionError, "connect"),
    (ssl.SSLError, "tls"),
    (ConnectionError, "reset"),
    (http.client.IncompleteRead, "truncated"),
    (zlib.error, "encoding"),
    (http.client.HTTPException, "protocol"),
    (urllib3.exceptions.ProtocolError, "truncated"),
)


def _code(error: BaseException) -> str:
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return next((code for kind, code in _CODES if any(isinstance(cause, kind) for cause in causes)), "protocol")
