"""The simulator's HTTP/1.1 server on 127.0.0.1, with keep-alive and a thread per connection."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests

from local.vendor.connection import Connection
from local.vendor.control import ACTIONS, Control, Record
from local.vendor.credential import Credential
from local.vendor.faults import LINKS, Call, Endpoint
from local.vendor.responses import Response, json_response
from local.vendor.service import TEN_MEBIBYTES, Request, Service, types_of
from local.vendor.tickets import Tickets

HOST = "127.0.0.1"
CONTROL = "/_sim/"
_ELSEWHERE = "/_elsewhere"


class Simulator(Control):
    """The vendor on a port of its own: `with Simulator(seed=1) as vendor:`.

    `stop` and `start` simulate an outage: port and state stay. `pause` and `hold_seconds` are as in `Connection`,
    `scale` as in `Tickets`, `body_limit` as in `Service`.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        port: int = 0,
        credential: Credential | None = None,
        scale: float = 1.0,
        pause: float = 0.2,
        hold_seconds: float = 60,
        body_limit: int = TEN_MEBIBYTES,
    ) -> None:
        self.credential = credential or Credential.generate(seed)
        super().__init__(Service(Tickets(seed, scale), self.credential, body_limit))
        self.port = port
        self.pause, self.hold_seconds = pause, hold_seconds
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Return the origin, without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    @property
    def elsewhere(self) -> str:
        """Return a URL of another host name, whose calls are recorded as the endpoint `elsewhere`."""
        return self.url.replace(HOST, "localhost") + _ELSEWHERE

    def ids(self, count: int, start: int = 0) -> list[str]:
        """Return the ids of `count` tickets."""
        return list(self.service.tickets.ids(count, start))

    def start(self) -> None:
        """Start to serve, in a thread."""
        self._server = _Server((HOST, self.port), partial(_Handler, self))
        self.port = self._server.server_port
        self.service.base_url = self.url
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="vendor", daemon=True).start()

    def stop(self) -> None:
        """Close all connections and free the port."""
        if self._server:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing when a client disconnects."""

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def __init__(self, simulator: Simulator, *connection: Any) -> None:
        self._simulator = simulator
        super().__init__(*connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Print nothing: calls are recorded."""

    def do_GET(self) -> None:
        simulator = self._simulator
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = Connection(self.connection, self.server.stopping, simulator.pause, simulator.hold_seconds)
        if self.path.startswith(CONTROL):
            connection.respond(_control(simulator, self.command, self.path, self.headers.get_content_type(), body))
        else:
            request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            _vendor(simulator, request, connection)
        self.close_connection = self.close_connection or connection.closed

    do_POST = do_GET


def _vendor(simulator: Simulator, request: Request, connection: Connection) -> None:
    began = time.monotonic()
    endpoint, fault = request.endpoint, None
    if endpoint:
        try:
            requested = frozenset[str](types_of(request.types or ""))
        except ValueError:
            requested = frozenset()
        if endpoint is Endpoint.IMAGES and simulator.service.has_links(request.ticket or ""):
            requested |= {LINKS}
        fault = simulator.fault_plan.next((request.ticket, endpoint, request.types), requested)
    record = Record(
        endpoint=endpoint or ("elsewhere" if request.path == _ELSEWHERE else "unknown"),
        method=request.method,
        path=request.path,
        ticket=request.ticket,
        type=request.types,
        authorization="authorization" in request.headers or "x-api-key" in request.headers,
        fault=fault.name if fault else None,
    )
    simulator.records.append(record)  # before the response, so that a client finds its own call
    normal = simulator.service.respond(request)
    connection.on_status = partial(setattr, record, "status")
    if not endpoint:
        connection.respond(normal)
        return
    time.sleep(max(0, simulator.latencies.get(endpoint, 0) + began - time.monotonic()))
    if not fault:
        connection.respond(normal)
        return
    altered, revoke = partial(simulator.service.respond, request), partial(_revoke, simulator, request, normal)
    fault.act(Call(connection, endpoint, normal, altered, revoke, simulator.elsewhere))


def _revoke(simulator: Simulator, request: Request, normal: Response) -> None:
    """Revoke the call's token, or the one just issued."""
    token = json.loads(normal.body).get("token") if request.endpoint is Endpoint.TOKEN else request.bearer
    if token:
        simulator.service.tokens.revoke(token)


def _control(simulator: Simulator, method: str, target: str, content_type: str, body: bytes) -> Response:
    name = target.removeprefix(CONTROL)
    if name not in ACTIONS:
        return json_response({"error": "no such action", "actions": ACTIONS}, 404)
    if method == "POST" and content_type != "application/json":
        # Browsers do not send this type to another origin without CORS, so no web page controls the simulator.
        return json_response({"error": "application/json only"}, 415)
    try:
        result = getattr(simulator, name)(**json.loads(body or b"{}"))
    except (KeyError, ValueError, TypeError) as problem:
        return json_response({"error": f"{type(problem).__name__}: {problem}"}, 400)
    except requests.RequestException as problem:
        return json_response({"error": type(problem).__name__}, 502)
    return json_response({"result": result})
