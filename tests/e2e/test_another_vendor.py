"""Another server than the simulator, with which it shares nothing: `--vendor-url` takes any that speaks the API."""

import base64
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image

from local import stack as local_stack
from local.api import Api
from local.stack import Vendor
from local.terminal import silent
from local.vendor.credential import Credential
from tests.support.waiting import eventually
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

pytestmark = pytest.mark.stack

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
CREDENTIAL = Credential(api_key="key", secret="word", tenant="t", env="e", banknu="b")
BASIC = "Basic " + base64.b64encode(b"key:word").decode()
DETAILS = {
    "ticket": TICKET,
    "summary": {"flowStatus": "REJECTED", "disposition": "FAILED", "confidenceScore": 12.5, "cifCode": "C-7"},
    "user": {"fullname": "علي حسن", "native_fields": {"given_names": "علي"}, "age": "41"},
}


def picture(colour: str, form: str) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(held, form)
    return held.getvalue()


IMAGES = {
    "SELF_PORTRAITS": [picture("red", "JPEG"), picture("green", "PNG")],
    "DOCUMENT": [picture("blue", "WEBP")],
    "DOCUMENT_PORTRAIT": [picture("white", "JPEG")],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = self.path == "/id/v1/identity/auth/token" and self.headers["Authorization"] == BASIC
        self.answer(200 if known else 401, {"access_token": "opaque", "expires_in": 1200} if known else {})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.headers["Authorization"] != "Bearer opaque" or self.headers["x-api-key"] != "key":
            return self.answer(401, {"status": 401, "code": "UNTHRZD", "message": "no"})
        if url.path == f"/id/v1/identity/transactions/{TICKET}":
            return self.answer(200, DETAILS)
        if url.path == f"/id/v1/identity/transactions/{TICKET}/images":
            [kind] = parse_qs(url.query)["type"]
            encoded = [base64.b64encode(image).decode() for image in IMAGES.get(kind, [])]
            return self.answer(200, {"status": 200, "data": {"items": [{"content": text} for text in encoded]}})
        return self.answer(404, {"status": 404, "code": "TCKTNTFND", "message": "unknown"})

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()


def test_another_server_that_speaks_the_vendors_api_does_as_well(tmp_path: Path) -> None:
    with server() as url:
        stack = local_stack.up(tmp_path, silent(), vendor=Vendor(url, CREDENTIAL))
        try:
            with Api(stack) as api:
                body, iv = encrypt_event(
                    json.dumps({"ticket": TICKET, "event": "ticket.verification.completed"}).encode(),
                    stack.webhook_secret.encode(),
                    bytes(16),
                )
                headers = {"Content-Type": "text/plain", IV_HEADER: iv}
                posted = requests.post(
                    stack.webhook_url, data=body, headers=headers, verify=stack.ca_bundle, timeout=20
                )
                assert posted.status_code == 202

                def look() -> dict[str, Any] | None:
                    answer = api.get(f"/tickets/{TICKET}")
                    return answer.json() if answer.status_code == 200 else None

                state = eventually(look, "the ticket archived")
                assert (state["outcome"], state["disposition"], state["confidence_score"]) == (
                    "REJECTED",
                    "FAILED",
                    12.5,
                )
                assert api.get(f"/tickets/{TICKET}/details").json() == DETAILS
                served = api.get(f"/tickets/{TICKET}/images").json()["images"]
                got = [(image["type"], api.download(image["url"]).content) for image in served]
                assert got == [(kind, image) for kind, images in IMAGES.items() for image in images]
                assert [image["sha256"] for image in served] == [hashlib.sha256(data).hexdigest() for _, data in got]
        finally:
            local_stack.down(tmp_path)
