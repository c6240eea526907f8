import json
from base64 import b64decode
from typing import Any, cast

import pytest
import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from local.vendor import Simulator, State, Ticket, Tickets
from local.vendor.tickets import Outcome
from local.vendor.webhooks import IV_HEADER, Form, encrypted, event, plaintext

SECRET = "0123456789abcdefghijklmnopqrstuv"
TICKETS = Tickets(seed=3)


def of(outcome: Outcome) -> Ticket:
    return TICKETS.get(TICKETS.id(0), State(outcome=outcome))


def decrypt(body: bytes, iv: str, secret: str = SECRET) -> Any:
    decryptor = Cipher(algorithms.AES(secret.encode()), modes.CBC(b64decode(iv, validate=True))).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(b64decode(body, validate=True)) + decryptor.finalize()
    return json.loads(unpadder.update(padded) + unpadder.finalize())


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("outcome", Outcome)
def test_an_encrypted_event_decrypts_to_the_plaintext_event(form: Form, outcome: Outcome) -> None:
    content = event(form, of(outcome))
    webhook = encrypted(content, SECRET)
    assert webhook.headers["Content-Type"] == "text/plain"
    assert decrypt(webhook.body, webhook.headers[IV_HEADER]) == content == json.loads(plaintext(content).body)


@pytest.mark.parametrize(
    ("form", "outcome", "said"),
    [
        (Form.COMPLETED, Outcome.ACCEPTED, {"event": "ticket.verification.completed", "flow_status": "ACCEPTED"}),
        (Form.COMPLETED, Outcome.REJECTED, {"flow_status": "REJECTED", "disposition": "FAILED"}),
        (Form.IN_PROGRESS, Outcome.ACCEPTED, {"event": "ticket.verification.in_progress", "remaining_attempts": 3}),
        (Form.INVITATION, Outcome.REJECTED, {"invitation_state": "COMPLETED", "transaction_status": "REJECTED"}),
        (Form.VERIFICATION, Outcome.ACCEPTED, {"event": "verification.completed", "status": "VERIFIED"}),
        (Form.VERIFICATION, Outcome.REJECTED, {"event": "verification.completed", "status": "FAILED"}),
        (Form.ONBOARDING, Outcome.ACCEPTED, {"event": "onboarding.completed", "status": "SUCCESSFUL"}),
        (Form.ONBOARDING, Outcome.REJECTED, {"event": "onboarding.completed", "status": "AWAITING"}),
    ],
)
def test_every_form_has_the_ticket_and_the_outcome(form: Form, outcome: Outcome, said: dict[str, object]) -> None:
    content = event(form, of(outcome))
    assert content["ticket"] == TICKETS.id(0)
    assert said.items() <= content.items()


def test_the_completed_event_and_the_details_have_the_same_scores(vendor: Simulator) -> None:
    ticket = vendor.service.ticket(vendor.ids(1)[0])
    data, details = event(Form.COMPLETED, ticket)["data"], vendor.expected(ticket.id)["details"]
    assert data.items() <= details.items()


def test_an_iv_is_never_used_twice() -> None:
    assert len({encrypted({}, SECRET).headers[IV_HEADER] for _ in range(50)}) == 50


def test_webhook_is_posted_encrypted_or_in_plaintext(vendor: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[requests.PreparedRequest] = []

    def accept(_: requests.Session, request: requests.PreparedRequest, **given: Any) -> requests.Response:
        assert given["allow_redirects"] is False
        sent.append(request)
        response = requests.Response()
        response.status_code = 202
        return response

    monkeypatch.setattr(requests.Session, "send", accept)
    [ticket] = vendor.ids(1)
    url = "https://archive.test/v1/webhooks/tickets"
    assert vendor.webhook(ticket, url, secret=SECRET) == 202
    assert vendor.webhook(ticket, url, "invitation") == 202
    sealed, plain = sent
    assert (sealed.method, sealed.url, sealed.headers["Content-Type"]) == ("POST", url, "text/plain")
    assert decrypt(cast("bytes", sealed.body), sealed.headers[IV_HEADER])["ticket"] == ticket
    assert plain.headers["Content-Type"] == "application/json"
    assert json.loads(plain.body or "")["invitation_state"] == "COMPLETED"


def test_an_unreachable_url_is_502(vendor: Simulator) -> None:
    answer = requests.post(
        f"{vendor.url}/_sim/webhook", json={"ticket": vendor.ids(1)[0], "url": "http://127.0.0.1:1/"}, timeout=5
    )
    assert (answer.status_code, answer.json()) == (502, {"error": "ConnectionError"})
