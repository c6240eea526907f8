"""The simulator's HTTP/1.1 server on 127.0.0.1. `POST /_sim/<action>` calls an action, with its arguments as JSON."""

import json
import threading
import time
from collections import Counter, deque
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any, Self

import requests

from local.vendor import webhooks
from local.vendor.connection import Connection
from local.vendor.credential import Credential, Tokens
from local.vendor.details import details
from local.vendor.fault_plan import FaultPlan
from local.vendor.faults import Call
from local.vendor.responses import Response, json_response
from local.vendor.service import Endpoint, Request, Service
from local.vendor.tickets import Ticket, Tickets
from ticket_archive.models import ImageType

HOST = "127.0.0.1"
CONTROL = "/_sim/"
_ELSEWHERE = "/_elsewhere"
ACTIONS = (
    "calls", "change_credential", "counts", "expected", "forget", "latency", "rate", "reset", "script", "state",
    "tickets", "webhook",
)  # fmt: skip
_KEPT = 500_000  # calls


class Simulator:
    """The vendor on a port of its own: `with Simulator(seed=1) as vendor:`.

    `pause` and `hold_seconds` are as in `Connection`, `scale` as in `Tickets`. Actions take and return JSON values, and
    raise KeyError or ValueError for a bad name or value.
    """

    def __init__(
        self, seed: int = 1, *, port: int = 0, scale: float = 1.0, pause: float = 0.2, hold_seconds: float = 60
    ) -> None:
        self.service = Service(Tickets(seed, scale), Credential.generate(seed))
        self.ids = self.service.tickets.ids
        self.port, self.pause, self.hold_seconds = port, pause, hold_seconds
        self.records: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.reset()

    @property
    def elsewhere(self) -> str:
        """Return a URL of another host name, whose calls are recorded as the endpoint `elsewhere`."""
        return self.url.replace(HOST, "localhost") + _ELSEWHERE

    def __enter__(self) -> Self:
        """Start to serve, in a thread."""
        self._server = _Server((HOST, self.port), partial(_Handler, self))
        self.url = self.service.base_url = f"http://{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="vendor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Free the port. A connection ends when the client closes it."""
        self._server.shutdown()
        self._server.server_close()

    def tickets(self, count: int = 10, start: int = 0) -> list[dict[str, Any]]:
        """Return descriptions of `count` tickets."""
        listed = map(self.service.ticket, self.ids(int(count), int(start)))
        return [
            {
                **_facts(ticket),
                "details": ticket.details_form,
                "document": ticket.document.type,
                "images": {kind: len(sizes) for kind, sizes in ticket.sizes.items()},
            }
            for ticket in listed
        ]

    def expected(self, ticket: str) -> dict[str, Any]:
        """Return what an archive of the ticket must hold: details, each image's digest by type, unusable types."""
        found = self.service.ticket(ticket)
        return {
            **_facts(found),
            "details": details(found),
            "images": {kind: [] if kind in found.unusable else self.service.digests(found, kind) for kind in ImageType},
            "unusable": dict(found.unusable),
        }

    def state(self, ticket: str, **changes: Any) -> None:
        """Change a ticket; arguments are those of `local.vendor.tickets.State`, and omitted ones stay."""
        self.service.change(ticket, **changes)

    def latency(self, **milliseconds: float) -> None:
        """Set the minimum time to the first byte, per endpoint: `latency(token=80, images=250)`."""
        self.latencies |= {Endpoint(name): value / 1000 for name, value in milliseconds.items()}

    def reset(self) -> None:
        """Remove faults, latencies, changes of tickets, tokens and recorded calls."""
        self.fault_plan = FaultPlan()
        self.script, self.rate = self.fault_plan.script, self.fault_plan.rate
        self.latencies: dict[Endpoint, float] = {}
        self.service.clear()
        self.forget()

    def change_credential(self, **values: str) -> None:
        """Replace the credential; tokens of the old one become invalid."""
        self.service.credential, self.service.tokens = Credential(**values), Tokens()

    def calls(self, ticket: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the recorded calls in order of arrival, of one ticket or endpoint or of all.

        `status` is None if no status line was sent; `at` is in epoch seconds. `authorization` says whether a credential
        was sent, which must not happen at image URLs.
        """
        wanted = [(name, value) for name, value in (("ticket", ticket), ("endpoint", endpoint)) if value is not None]
        return [dict(call) for call in list(self.records) if all(call[name] == value for name, value in wanted)]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of calls per endpoint, and per fault."""
        endpoints, faults = (Counter(call[name] for call in list(self.records)) for name in ("endpoint", "fault"))
        return {"endpoints": endpoints, "faults": Counter({name: number for name, number in faults.items() if name})}

    def forget(self) -> None:
        """Clear the recorded calls."""
        self.records.clear()

    def webhook(
        self,
        ticket: str,
        url: str,
        form: str = webhooks.Form.COMPLETED,
        secret: str | None = None,
        ca_bundle: str | None = None,
    ) -> int:
        """Post the ticket's event, encrypted if there is a secret, and return the response's status."""
        content = webhooks.event(webhooks.Form(form), self.service.ticket(ticket))
        message = webhooks.encrypted(content, secret) if secret else webhooks.plaintext(content)
        return webhooks.post(url, message, ca_bundle)


class _Server(ThreadingHTTPServer):
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing when a client disconnects."""


class _Handler(Connection):
    def __init__(self, simulator: Simulator, *connection: Any) -> None:
        self._simulator = simulator
        self.pause, self.hold_seconds = simulator.pause, simulator.hold_seconds
        super().__init__(*connection)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(CONTROL):
            self.record = {}
            self.respond(self._control(body))
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._vendor(Request(self.command, self.path, headers))
        self.close_connection = self.close_connection or self.closed

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

    def _vendor(self, request: Request) -> None:
        began, simulator, endpoint, fault = time.monotonic(), self._simulator, request.endpoint, None
        if endpoint:
            key = (request.ticket, endpoint, request.types)
            fault = simulator.fault_plan.next(key, simulator.service.requested(request))
        self.record = {
            "endpoint": endpoint or ("elsewhere" if request.path == _ELSEWHERE else "unknown"),
            "method": request.method,
            "path": request.path,
            "ticket": request.ticket,
            "type": request.types,
            "authorization": "authorization" in request.headers or "x-api-key" in request.headers,
            "fault": fault.name if fault else None,
            "status": None,
            "at": time.time(),
        }
        simulator.records.append(self.record)  # before the response, so that a client finds its own call
        normal = simulator.service.respond(request)
        if endpoint:
            time.sleep(max(0, simulator.latencies.get(endpoint, 0) + began - time.monotonic()))
        if fault:
            fault.act(Call(self, request, normal, simulator.service, simulator.elsewhere))
        else:
            self.respond(normal)


def _facts(ticket: Ticket) -> dict[str, Any]:
    names = ("outcome", "customer", "shape", "absence", "flow")
    return {"ticket": ticket.id, **{name: getattr(ticket, name) for name in names}}
