"""Generate and post webhooks: every form of completion, with duplicates and unreadable requests, in random order."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import requests

from local.stack import SEED
from local.vendor import webhooks
from local.vendor.tickets import DetailsForm, Tickets
from local.vendor.webhooks import Form, Webhook
from tests.support.stack import LocalStack
from ticket_archive.models import ImageType
from ticket_archive.webhook_encryption import IV_HEADER

PICTURE_BYTES = 2_500
"""The size of each file; about the smallest that the simulator draws."""

SLOW = frozenset({"drip_body", "drip_headers", "stall", "stall_body"})
"""Faults that only a time-out ends. They are injected into a few calls, not at a rate."""
LATER = frozenset({"throttled_absurd"})
"""Faults that delay a ticket by 15 minutes."""

_EVENTS = (
    *[Form.COMPLETED] * 4, Form.INVITATION, Form.VERIFICATION, Form.RENAMED, Form.ENVELOPE, Form.EXPIRED,
)  # fmt: skip
"""Events that lead to an archived ticket; EXPIRED has a name that the vendor does not document."""
_ATTEMPTS = 40
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request: about `ticket`, or unreadable and then quarantined with `reason`."""

    webhook: Webhook = field(repr=False)
    ticket: str | None = None
    reason: str | None = None


def tickets(stack: LocalStack, count: int, start: int) -> list[str]:
    """Return the ids of `count` tickets of the simulator, which now have small files."""
    about: list[Mapping[str, Any]] = stack.vendor("tickets", count=count, start=start)
    for each in about:
        sizes = {kind: [PICTURE_BYTES] * number for kind, number in each["images"].items()}
        stack.vendor("state", ticket=each["ticket"], sizes=sizes)
    return [each["ticket"] for each in about]


def small_ticket(stack: LocalStack, index: int) -> str:
    """Return the id of a ticket of the simulator, which now has plain details and a small file of every type."""
    ticket, sizes = stack.ticket(index), {kind: [PICTURE_BYTES] for kind in ImageType}
    stack.vendor("state", ticket=ticket, sizes=sizes, unusable={}, details=DetailsForm.PLAIN)
    return ticket


def event_request(
    stack: LocalStack, ticket: str, form: Form = Form.COMPLETED, secret: str | None = None, **changes: Any
) -> WebhookRequest:
    """Return the ticket's encrypted event with these changes."""
    event = {**webhooks.event(form, Tickets(SEED).get(ticket)), **changes}
    return WebhookRequest(webhooks.encrypted(event, secret or stack.at.webhook_secret), ticket)


def webhook_requests(
    wanted: Sequence[str], secret: str, *, duplicates: float, unreadable: float, seed: int
) -> list[WebhookRequest]:
    """Return an event of each ticket, in any form and encoding, shuffled by the seed.

    A share `duplicates` of the events is there twice, as the same bytes or encrypted again; for a share `unreadable` of
    the tickets there is an unreadable request too.
    """
    rng = random.Random(seed)
    known = Tickets(SEED)
    made: list[WebhookRequest] = []
    for ticket in wanted:
        event = webhooks.event(rng.choice(_EVENTS), known.get(ticket))
        first, again = (rng.choice(_ENCODINGS)(webhooks.encrypted(event, secret, rng.randbytes(16))) for _ in range(2))
        made.append(WebhookRequest(first, ticket))
        if rng.random() < duplicates:
            made.append(WebhookRequest(rng.choice((first, again)), ticket))
        if rng.random() < unreadable:
            made.append(_unreadable(webhooks.event(Form.COMPLETED, known.get(ticket)), secret, rng))
    rng.shuffle(made)
    return made


def _unpadded(sent: Webhook) -> Webhook:
    return Webhook(sent.body.rstrip(b"="), {**sent.headers, IV_HEADER: sent.headers[IV_HEADER].rstrip("=")})


def _url_safe(sent: Webhook) -> Webhook:
    iv = sent.headers[IV_HEADER].replace("+", "-").replace("/", "_")
    return Webhook(sent.body.replace(b"+", b"-").replace(b"/", b"_"), {**sent.headers, IV_HEADER: iv})


_ENCODINGS: tuple[Callable[[Webhook], Webhook], ...] = (
    lambda sent: sent,
    _unpadded,
    _url_safe,
    lambda sent: replace(sent, body=b'"' + sent.body + b'"'),
    lambda sent: replace(sent, body=b"\xef\xbb\xbf" + sent.body),
)
"""The forms of base64 that Node's decoder accepts."""


def _unreadable(event: dict[str, Any], secret: str, rng: random.Random) -> WebhookRequest:
    event = {**event, "mark": rng.random()}  # each a body of its own
    nobodys = {**event, "ticket": "../../etc/passwd"}
    sealed = webhooks.encrypted(event, secret, rng.randbytes(16))
    plain = {"Content-Type": "text/plain"}
    spoilt: list[tuple[str, Callable[[], Webhook]]] = [
        ("undecipherable", lambda: webhooks.encrypted(event, "x" * 32, rng.randbytes(16))),
        ("body_not_base64", lambda: Webhook(b"!" + sealed.body, sealed.headers)),
        ("body_not_blocks", lambda: Webhook(sealed.body[:24], sealed.headers)),
        ("iv_missing", lambda: Webhook(sealed.body, plain)),
        ("iv_malformed", lambda: Webhook(sealed.body, {**plain, IV_HEADER: "c2hvcnQ="})),
        ("plaintext_refused", lambda: webhooks.plaintext({"ticket": event["ticket"], "event": rng.random()})),
        ("no_ticket", lambda: webhooks.encrypted(nobodys, secret, rng.randbytes(16))),
    ]
    reason, make = rng.choice(spoilt)
    return WebhookRequest(make(), reason=reason)


class Sender:
    """Posts requests again until they are accepted. `statuses` counts every response."""

    def __init__(self, stack: LocalStack, concurrency: int = 2) -> None:
        self.statuses: Counter[str] = Counter()
        self._stack = stack
        self._concurrency = concurrency
        self._stop = threading.Event()

    def post(self, load: Iterable[WebhookRequest]) -> list[WebhookRequest]:
        """Post all requests, `concurrency` at a time; return those that were never accepted."""
        with ThreadPoolExecutor(self._concurrency) as pool:
            work = [(request, pool.submit(self._post, request)) for request in load]
            return [request for request, accepted in work if not accepted.result()]

    def stop(self) -> None:
        """Post nothing more."""
        self._stop.set()

    def _post(self, request: WebhookRequest) -> bool:
        for _ in range(_ATTEMPTS):
            if self._stop.is_set():
                return False
            status = self._once(request.webhook)
            self.statuses[status] += 1
            if status == "202":
                return True
            self._stop.wait(_PAUSE)
        return False

    def _once(self, webhook: Webhook) -> str:
        try:
            return str(webhooks.post(self._stack.at.webhook_url, webhook, self._stack.at.ca_bundle))
        except requests.RequestException as error:
            return type(error).__name__


def personal_data(expected: Mapping[str, Any]) -> set[str]:
    """Return personal data of a ticket that no log and no queue may hold, each too long to occur by accident."""
    details = expected["details"].get("data", expected["details"])
    user, document = details["user"], details["document"]
    marks = {user["fullname"], user["native_fields"]["fullname"], user["address"], document["document_number"]}
    return {mark for mark in marks if len(mark) >= 5}


def spellings(mark: str) -> set[str]:
    """Return the forms of a text in a log: plain, and escaped as in JSON."""
    return {mark, json.dumps(mark)[1:-1]}
