"""A vendor whose responses consist of marked values: names, numbers, tokens, error texts and image URLs."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from tests.support.sample_files import saved
from tests.support.servers import JsonHandler

WHOLE, BROKEN, HTML = "canary-run-whole", "canary-run-broken", "canary-run-html"
FAILING, MISSING, LINKED = "canary-run-failing", "canary-run-missing", "canary-run-linked"
"""Ticket ids: the first has correct responses, each other one a fault."""


def mark(number: int, text: str = "") -> str:
    return f"Qz{number:02d}Kanarienvogel{text}"


TOKEN = mark(1)
API_KEY, SECRET, TENANT, ENV, BANKNU = (mark(number) for number in range(2, 7))
WEBHOOK_SECRET = mark(7).ljust(32, "w")
CREDENTIAL_VALUE = mark(8)
CUSTOMER = mark(9)
IMAGE_URL = f"https://images.{mark(10)}.example.com/{mark(11)}?X-Amz-Signature={mark(12)}"
PERSON = {
    "fullname": mark(13, " Jane Doe"),
    "given_names": mark(14),
    "surnames": mark(15, " علي"),
    "date_of_birth": mark(16, " 1984-06-04"),
    "address": mark(17),
    "email": mark(18, "@example.com"),
    "phone": mark(19),
    "gender": mark(20),
    "nationality": mark(21),
    "place_of_birth": mark(22),
    "marital_status": mark(23),
    "zip_code": mark(24),
    "native_fields": {"given_names": mark(25), "surnames": mark(26)},
}
_DOCUMENT = ("number", "personal_number", "mrz", "issuer", "barcode", "issued")
DOCUMENT = {name: mark(number) for number, name in enumerate(_DOCUMENT, 27)}
DEVICE = {"ip": mark(33), "agent": mark(34), "location": mark(35), "fingerprint": mark(36)}
ERROR_TEXT, HTML_TEXT, BROKEN_TEXT, HEADER_TEXT = (mark(number) for number in range(37, 41))
IMAGE_TEXT = mark(41)
EVENT = {"fullname": mark(42), "email": mark(43), "ip": mark(44)}
REQUEST_AGENT, REQUEST_HEADER, JUNK_BODY, PLAIN_NAME, QUERY, CURSOR = (mark(number) for number in range(45, 51))

DETAILS = {
    "summary": {"flow_status": "ACCEPTED", "disposition": "PASSED", "confidence_score": 99.5, "cifcode": CUSTOMER},
    "user": PERSON,
    "document": DOCUMENT,
    "device": DEVICE,
}


def picture() -> bytes:
    """Return a JPEG with a marked text after its end, where some cameras write metadata."""
    return saved(Image.new("RGB", (16, 16), "teal"), "JPEG") + IMAGE_TEXT.encode()


class MarkedVendor(JsonHandler):
    def do_POST(self) -> None:
        self.answer(200, {"token": TOKEN, "expires_in": 1200})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        ticket = next((part for part in url.path.split("/") if part.startswith("canary-run-")), "")
        begins = ticket.rpartition(".")[0] or ticket
        images = url.path.endswith("/images")
        kind = parse_qs(url.query).get("type", [""])[0]
        if begins.startswith(FAILING):
            self.answer(500, {"message": ERROR_TEXT})
        elif begins.startswith(MISSING):
            self.answer(404, {"message": ERROR_TEXT, "code": ERROR_TEXT})
        elif begins.startswith(HTML) and images:
            self.answer(200, f"<html>{HTML_TEXT}</html>".encode(), "text/html")
        elif begins.startswith(BROKEN) and not images:
            self.answer(200, json.dumps({"user": BROKEN_TEXT})[:-3].encode())
        elif not images:
            self.answer(200, {"ticket": ticket, **DETAILS})
        elif begins.startswith(LINKED):
            self.answer(200, {"images": [IMAGE_URL]})
        elif kind in ("SELF_PORTRAITS", "DOCUMENT"):
            self.answer(200, {"images": [base64.b64encode(picture()).decode()]})
        else:
            self.answer(200, {"images": []})

    def answer(self, status: int, content: Any, content_type: str = "application/json", **headers: str) -> None:
        marked = {"X_Trace": HEADER_TEXT, "Set_Cookie": f"session={HEADER_TEXT}"}
        super().answer(status, content, content_type, **marked, **headers)
