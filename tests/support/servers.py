"""Small HTTP servers on the loopback: vendors of another kind than the simulator, and AWS over TLS."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local.certificate import Certificate


class JsonHandler(BaseHTTPRequestHandler):
    """`do_GET`, `do_POST` and `do_PUT` of a subclass call `answer`."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, content: Any, content_type: str = "application/json", **headers: str) -> None:
        """Send bytes as they are, and anything else as JSON; `_` in a header's name stands for `-`."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(handler: type[JsonHandler], certificate: Certificate | None = None) -> Iterator[str]:
    """Serve on a free port, over TLS if there is a certificate; yield the origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()
