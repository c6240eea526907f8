"""The archive works with any server that implements the API: this one shares no code with the simulator."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from local.vendor import webhooks
from local.vendor.credential import Credential
from tests.support.sample_files import saved
from tests.support.servers import JsonHandler, serving
from tests.support.stack import LocalStack

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
    return saved(Image.new("RGB", (64, 48), colour), form)


IMAGES = {
    "SELF_PORTRAITS": [picture("red", "JPEG"), picture("green", "PNG")],
    "DOCUMENT": [picture("blue", "WEBP")],
    "DOCUMENT_PORTRAIT": [picture("white", "JPEG")],
}


class OtherVendor(JsonHandler):
    def do_POST(self) -> None:
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


@pytest.fixture
def other_vendor(stack: LocalStack) -> Iterator[None]:
    """Let the deployed function call the other server with its credential."""
    function, secret = stack.resources["IngestFunction"], stack.outputs["VendorCredentialArn"]
    before = stack.secrets.get_secret_value(SecretId=secret)["SecretString"]
    with serving(OtherVendor) as url:
        stack.secrets.put_secret_value(SecretId=secret, SecretString=json.dumps(asdict(CREDENTIAL)))
        with stack.environment(function, VENDOR_URL=url):
            yield
            stack.secrets.put_secret_value(SecretId=secret, SecretString=before)


@pytest.mark.usefixtures("other_vendor")
def test_ticket_of_another_server_is_archived(stack: LocalStack) -> None:
    completed = {"ticket": TICKET, "event": "ticket.verification.completed"}
    sent = webhooks.encrypted(completed, stack.at.webhook_secret)
    assert webhooks.post(stack.at.webhook_url, sent, stack.at.ca_bundle) == 202
    state = stack.archived(TICKET)
    facts = [state[name] for name in ("outcome", "disposition", "confidence_score")]
    assert facts == ["REJECTED", "FAILED", 12.5]
    assert stack.api.get(f"/tickets/{TICKET}/details").json() == DETAILS
    served = stack.api.get(f"/tickets/{TICKET}/images").json()["images"]
    got = [(image["type"], stack.api.fetch(image["url"]).content) for image in served]
    assert got == [(kind, image) for kind, images in IMAGES.items() for image in images]
    assert [image["sha256"] for image in served] == [hashlib.sha256(data).hexdigest() for _, data in got]
