"""One client's connection, with everything that can be done to it."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus

from local.vendor.responses import Response

_PEEK_SECONDS = 0.05


class Connection:
    """Writes answers to a connection, well or badly.

    `pause` is the time between the bytes of a drip and `patience` how long a stalled answer holds on, both in seconds.
    `on_status` hears of every status line before it is sent. Whatever
    waits ends at once when the client goes away or the simulator stops.
    """

    def __init__(self, connection: socket.socket, stopping: threading.Event, pause: float, patience: float) -> None:
        self._connection = connection
        self._stopping = stopping
        self._pause = pause
        self._patience = patience
        self.closed = False
        self.on_status: Callable[[int], None] = lambda _: None

    def answer(self, answer: Response) -> None:
        """The whole answer, with its length; the connection stays open."""
        self.send(self.head(answer, ("Content-Length", str(len(answer.body)))) + answer.body)

    def head(self, answer: Response, *headers: tuple[str, str]) -> bytes:
        """The status line and the headers up to the empty line; `headers` come on top of the answer's own."""
        self.on_status(answer.status)
        phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Unknown"
        own = (("Date", formatdate(usegmt=True)), ("Content-Type", answer.content_type), *answer.headers)
        lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in (*own, *headers))]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def send(self, data: bytes) -> bool:
        """Whether the client is still there to be sent more."""
        if self.closed or self._stopping.is_set():
            return False
        try:
            self._connection.sendall(data)
        except OSError:
            self.close()
            return False
        return True

    def send_all(self, pieces: Iterable[bytes]) -> None:
        """One piece after another, as long as the client takes them."""
        for piece in pieces:
            if not self.send(piece):
                return

    def drip(self, data: bytes) -> None:
        """Byte by byte, with a pause before each: after the last one the client may at once ask for more."""
        for at in range(len(data)):
            if self._wait(self._pause) or not self.send(data[at : at + 1]):
                return

    def hold(self) -> None:
        """Nothing at all, for as long as the patience lasts; then the connection is closed."""
        self._wait(self._patience)
        self.close()

    def close(self) -> None:
        """A normal end of the connection (FIN)."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """A hard end of the connection (RST): what the client has not read yet may be lost."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(self._connection.detach())  # at once, whatever files are still made of it

    def _wait(self, seconds: float) -> bool:
        """Whether the client went away, or the simulator stopped, before the time was over.

        A client that waits for an answer sends nothing: what can be read is its goodbye.
        """
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while seconds > 0:
            step = min(seconds, _PEEK_SECONDS)
            if self._stopping.is_set() or poll.poll(step * 1000):
                self.closed = True
                return True
            seconds -= step
        return False
