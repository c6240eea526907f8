"""A client's connection, and the ways to respond on it or to break it."""

import contextlib
import http.client
import select
import socket
import struct
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

from local.vendor.responses import Response


class Connection(BaseHTTPRequestHandler):
    """Sends responses, correct or not.

    `pause` is the seconds between the bytes of `slowly`, `hold_seconds` how long `hold` waits; both end when the client
    disconnects. `record` has the status before it is sent.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pause: float
    hold_seconds: float
    record: dict[str, Any]
    closed = False

    def respond(self, response: Response) -> None:
        """Send the whole response with its length; the connection stays open."""
        self.send(self.head(response, ("Content-Length", str(len(response.body)))) + response.body)

    def head(self, response: Response, *headers: tuple[str, str]) -> bytes:
        """Return the status line and the headers: the response's own and `headers`."""
        self.record["status"] = response.status
        phrase = http.client.responses.get(response.status, "Unknown")
        own = (("Date", formatdate(usegmt=True)), ("Content-Type", response.content_type), *response.headers)
        lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in (*own, *headers))]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def send(self, data: bytes) -> bool:
        """Send the data; return whether the client is still connected."""
        try:
            self.connection.sendall(data)
        except OSError:  # the client or this class closed it
            self.closed = True
        return not self.closed

    def slowly(self, data: bytes) -> Iterator[bytes]:
        """Yield byte by byte, with a pause before each, while the client is connected."""
        return (bytes([byte]) for byte in data if not self._wait(self.pause))

    def hold(self) -> None:
        """Send nothing for `hold_seconds`, then close."""
        self._wait(self.hold_seconds)
        self.close()

    def close(self) -> None:
        """Close the connection normally (FIN)."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Reset the connection (RST); the client may lose what it has not read."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self.connection.detach())  # closes it even while file objects refer to it

    def log_message(self, *_: object) -> None:
        """Print nothing: calls are recorded."""

    def _wait(self, seconds: float) -> bool:
        """Wait; return whether the client disconnected: it sends nothing now, so what can be read is the end."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        self.closed = bool(poll.poll(seconds * 1000))
        return self.closed
