"""The simulator's HTTP/1.1 server on 127.0.0.1, with keep-alive and a thread per connection."""

import contextlib
import json
import socket
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests

from local.vendor.connection import Connection
from local.vendor.control import ACTIONS, Control, Record
from local.vendor.credential import Credential
from local.vendor.faults import Call
from local.vendor.responses import Response, json_response
from local.vendor.service import Request, Service
from local.vendor.tickets import Tickets

HOST = "127.0.0.1"
CONTROL = "/_sim/"
_ELSEWHERE = "/_elsewhere"


class Simulator(Control):
    """The vendor on a port of its own: `with Simulator(seed=1) as vendor:`.

    `pause` and `hold_seconds` are as in `Connection`, `scale` as in `Tickets`.
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
    ) -> None:
        super().__init__(Service(Tickets(seed, scale), credential or Credential.generate(seed)))
        self.port, self.pause, self.hold_seconds = port, pause, hold_seconds

    @property
    def elsewhere(self) -> str:
        """Return a URL of another host name, whose calls are recorded as the endpoint `elsewhere`."""
        return self.url.replace(HOST, "localhost") + _ELSEWHERE

    def ids(self, count: int, start: int = 0) -> list[str]:
        """Return the ids of `count` tickets."""
        return list(self.service.tickets.ids(count, start))

    def __enter__(self) -> Self:
        """Start to serve, in a thread."""
        self._server = _Server((HOST, self.port), partial(_Handler, self))
        self.url = self.service.base_url = f"http://{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="vendor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections and free the port."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def server_activate(self) -> None:
        self.open: set[socket.socket] = set()
        super().server_activate()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing when a client disconnects."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, simulator: Simulator, *connection: Any) -> None:
        self._simulator = simulator
        super().__init__(*connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Print nothing: calls are recorded."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = Connection(self.connection, self._simulator.pause, self._simulator.hold_seconds)
        if self.path.startswith(CONTROL):
            connection.respond(self._control(body))
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            _vendor(self._simulator, Request(self.command, self.path, headers), connection)
        self.close_connection = self.close_connection or connection.closed

    do_POST = do_GET

    def _control(self, body: bytes) -> Response:
        name = self.path.removeprefix(CONTROL)
        if name not in ACTIONS:
            return json_response({"error": "no such action", "actions": ACTIONS}, 404)
        if self.command == "POST" and self.headers.get_content_type() != "application/json":
            # Browsers do not send this type to another origin without CORS, so no web page controls the simulator.
            return json_response({"error": "application/json only"}, 415)
        try:
            result = getattr(self._simulator, name)(**json.loads(body or b"{}"))
        except (KeyError, ValueError, TypeError) as problem:
            return json_response({"error": f"{type(problem).__name__}: {problem}"}, 400)
        except requests.RequestException as problem:
            return json_response({"error": type(problem).__name__}, 502)
        return json_response({"result": result})


def _vendor(simulator: Simulator, request: Request, connection: Connection) -> None:
    began, service, endpoint, fault = time.monotonic(), simulator.service, request.endpoint, None
    if endpoint:
        key = (request.ticket, endpoint, request.types)
        fault = simulator.fault_plan.next(key, service.requested(request))
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
    connection.on_status = partial(setattr, record, "status")
    normal = service.respond(request)
    if endpoint:
        time.sleep(max(0, simulator.latencies.get(endpoint, 0) + began - time.monotonic()))
    if fault:
        fault.act(Call(connection, request, normal, service, simulator.elsewhere))
    else:
        connection.respond(normal)
