"""HTTP calls with requests that end by a deadline, stay within a size limit and connect only where they may.

`LimitedAdapter` adds to requests what it lacks; the sockets are in `connections.py`. Errors carry short codes and no
library's exception, because those contain URLs and headers.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import certifi
import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.response import BaseHTTPResponse

from ingest.vendor.bodies import read_body
from ingest.vendor.connections import POOLS, limits, tls_context
from ticket_archive.errors import InvalidVendorResponse, VendorUnavailable
from ticket_archive.json_text import as_utf8, json_within

_FRAMING = 262_144  # bytes on the wire for headers, chunk sizes and trailers, in addition to the body
_FAILURES = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError)
_CLOCK_SLACK = 0.001  # seconds by which a wait may end early


@dataclass(repr=False, eq=False)
class Response:
    """A complete response of any status but 1xx and 3xx.

    `headers` is case-insensitive, `body` is decompressed, and `content_type` is the media type in lower case, without
    parameters, empty if there is none. JSON in another encoding, or in a JSON string, is in UTF-8 here. A body without
    Content-Length, chunks or compression ends where the connection does: only its own format can show that it was cut
    off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str


class LimitedAdapter(HTTPAdapter):
    """Sends requests over limited connections that share one SSLContext. Refuses redirects and interim responses."""

    def __init__(self, ca_bundle: str, pool_size: int) -> None:
        self._ca_bundle = ca_bundle
        super().__init__(pool_maxsize=pool_size)

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Create the pools of limited connections."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> HTTPConnectionPool:
        """Return the pool for the request's origin. There are no proxies, and verification is the context's."""
        context = {"ssl_context": tls_context(self._ca_bundle)}
        pool: HTTPConnectionPool = self.poolmanager.connection_from_url(str(request.url), context)
        return pool

    def cert_verify(self, *_: Any) -> None:
        """Do nothing: the context verifies, and requests would have each connection read the CA bundle again."""

    def send(self, request: requests.PreparedRequest, *rest: Any, **options: Any) -> requests.Response:
        """Return the response with its body unread.

        Redirects are refused here, with their target as the error's body, because requests reads a redirect's own body
        without a limit even if it does not follow.
        """
        response = super().send(request, *rest, **options)
        if 200 <= response.status_code < 300 or response.status_code >= 400:
            return response
        response.close()
        if response.status_code < 200:  # the real response follows, and would be taken for the next call's
            raise VendorUnavailable("protocol")
        target = response.headers.get("Location", "")
        with suppress(ValueError):  # a host that is no host, such as `[`
            target = urljoin(str(request.url), target)
        raise InvalidVendorResponse("redirect", target.encode())


class HttpClient:
    """Sends HTTP requests on pooled connections. Safe to use from many threads.

    Takes nothing from the environment (proxies, netrc, CA bundle), keeps no cookies and retries nothing.
    `connect_timeout` is in seconds, per address. Up to `pool_size` connections to a host are kept. `ca_bundle` is a PEM
    file, by default certifi's.
    """

    def __init__(self, *, connect_timeout: float = 3.05, pool_size: int = 32, ca_bundle: str = "") -> None:
        self._timeout = (connect_timeout, None)  # connections bound each read themselves
        ca_bundle = ca_bundle or certifi.where()
        self._session = _session(LimitedAdapter(ca_bundle, pool_size), "https://", "http://")
        # A separate session, so that it never uses a connection whose address was not checked.
        self._public_session = _session(LimitedAdapter(ca_bundle, pool_size), "https://")

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline: float,
        max_bytes: int,
        public_only: bool = False,
    ) -> Response:
        """Send a request and return the complete response.

        `deadline` (time.monotonic()) covers everything from resolving the name to the last byte. `max_bytes` limits the
        decompressed body. With `public_only` the URL must be https and every address of its host public.

        Raises VendorUnavailable for what may pass: "deadline", "timeout" (to connect), "dns", "connect", "tls",
        "reset", "truncated", "protocol" (not HTTP, or not a request that can be sent). Compression that ends early
        ("truncated") or is broken ("encoding") may also be the answer: the error carries what could be decompressed.
        Raises InvalidVendorResponse for what is refused: "too_large", "redirect", "address".
        """
        session = self._public_session if public_only else self._session
        wire_bytes = max_bytes + max_bytes // 4 + _FRAMING
        try:
            with limits(deadline, wire_bytes=wire_bytes, public_only=public_only):
                request = requests.PreparedRequest()
                request.prepare(method, url, {"Accept-Encoding": "gzip", **headers})
                with session.send(
                    request, stream=True, timeout=self._timeout, proxies={}, allow_redirects=False
                ) as response:
                    body = _read(response.raw, max_bytes)
            content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            body = json_within(as_utf8(body, response.encoding))
            return Response(response.status_code, response.headers, body, content_type)
        except _FAILURES as error:
            code = _code(error)
        if code == "timeout" and time.monotonic() >= deadline - _CLOCK_SLACK:
            code = "deadline"
        raise VendorUnavailable(code)  # outside the handler, so that the library's exception is not its context


def _session(adapter: HTTPAdapter, *prefixes: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.adapters.clear()
    for prefix in prefixes:
        session.mount(prefix, adapter)
    return session


def _read(raw: BaseHTTPResponse, max_bytes: int) -> bytes:
    """Return the body, or b"" if that of an error response cannot be read: its status is enough."""
    try:
        return read_body(raw, max_bytes)
    except (*_FAILURES, VendorUnavailable):
        if raw.status < HTTPStatus.BAD_REQUEST:
            raise
        return b""


# The code of the first of these types among an exception and its causes. The order matters: most are OSErrors too, and
# a lost connection is also an HTTPException.
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "dns"),
    (TimeoutError, "timeout"),
    (urllib3.exceptions.NewConnectionError, "connect"),
    (ssl.SSLError, "tls"),
    (ConnectionError, "reset"),
    (http.client.IncompleteRead, "truncated"),
    (http.client.HTTPException, "protocol"),
    (urllib3.exceptions.ProtocolError, "truncated"),
)


def _code(error: BaseException) -> str:
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return next((code for kind, code in _CODES if any(isinstance(cause, kind) for cause in causes)), "protocol")
