"""How tests and the demo steer the simulator: the same actions in process and, as JSON, under `/_sim/`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.vendor import webhooks
from local.vendor.details import details
from local.vendor.fault import Endpoint
from local.vendor.faults import FAULTS
from local.vendor.pictures import ImageType
from local.vendor.request_log import Journal
from local.vendor.script import Line, Rate, Script
from local.vendor.service import Service
from local.vendor.shapes import Absence, Shape
from local.vendor.tickets import DetailsForm, Outcome

ACTIONS = (
    "calls", "counts", "expected", "faults", "forget", "health", "latency", "rate", "reset", "revoke_tokens", "script",
    "state", "tickets", "webhook",
)  # fmt: skip


class Control:
    """Every action takes and gives what JSON can say; a bad name or value raises `KeyError` or `ValueError`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.journal = Journal()
        self.plot = Script()
        self.latencies: dict[Endpoint, float] = {}

    def health(self) -> dict[str, Any]:
        """Answers as soon as the simulator does."""
        return {"url": self.service.base_url, "seed": self.service.tickets.seed}

    def tickets(self, count: int = 10, start: int = 0) -> list[dict[str, Any]]:
        """What the first tickets are like."""
        known = (self.service.ticket(each) for each in self.service.tickets.ids(int(count), int(start)))
        return [
            {
                "index": ticket.index,
                "ticket": ticket.id,
                "outcome": ticket.outcome,
                "customer": ticket.customer,
                "shape": ticket.shape,
                "absence": ticket.absence,
                "details": ticket.details_form,
                "document": ticket.document.type,
                "script": ticket.person.script,
                "images": {kind: len(sizes) for kind, sizes in ticket.sizes.items()},
            }
            for ticket in known
        ]

    def expected(self, ticket: str) -> dict[str, Any]:
        """What an archive of the ticket must hold: the details, and per type the digest of every image in order."""
        found = self.service.ticket(ticket)
        return {
            "ticket": ticket,
            "outcome": found.outcome,
            "customer": found.customer,
            "shape": found.shape,
            "absence": found.absence,
            "details": details(found),
            "images": {kind: self.service.digests(found, kind) for kind in ImageType},
        }

    def state(
        self,
        ticket: str,
        *,
        outcome: str | None = None,
        revision: int | None = None,
        take: int | None = None,
        shape: str | None = None,
        absence: str | None = None,
        details: str | None = None,
        sizes: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Changes a ticket; what is not given stays. `sizes` gives the bytes of every image per type."""
        given: dict[str, Any] = {
            "outcome": outcome and Outcome(outcome),
            "revision": revision,
            "take": take,
            "shape": shape and Shape(shape),
            "absence": absence and Absence(absence),
            "details": details and DetailsForm(details),
            "sizes": None if sizes is None else tuple((ImageType(kind), tuple(sizes[kind])) for kind in sizes),
        }
        changes = {name: value for name, value in given.items() if value is not None}
        self.service.set_state(ticket, replace(self.service.state(ticket), **changes))

    def faults(self) -> dict[str, list[str]]:
        """The names of all faults, each with the endpoints that it exists for."""
        return {name: sorted(fault.endpoints) for name, fault in FAULTS.items()}

    def script(
        self,
        fault: str,
        endpoint: str,
        ticket: str | None = None,
        type: str | None = None,  # noqa: A002  the vendor's name for it
        times: int | None = 1,
    ) -> None:
        """The first `times` calls of each (ticket, endpoint, type) that fit go wrong; `times=None`: all of them.

        Lines for the same call are played one after the other.
        """
        self.plot.add(Line(FAULTS[fault], Endpoint(endpoint), ticket, type, times))

    def rate(
        self,
        share: float,
        seed: int = 1,
        faults: Sequence[str] = (),
        endpoints: Sequence[str] = tuple(Endpoint),
        most: int | None = None,
    ) -> None:
        """From now on a share of all calls goes wrong, `most` at most per (ticket, endpoint, type).

        Without `faults` all are drawn from, except where one could not be told from a true answer.
        """
        self.plot.rate(Rate(share, seed, tuple(faults), tuple(map(Endpoint, endpoints)), most))

    def latency(self, **milliseconds: float) -> None:
        """The least time until the first byte of an answer, per endpoint: `latency(token=80, images=250)`."""
        self.latencies |= {Endpoint(name): value / 1000 for name, value in milliseconds.items()}

    def revoke_tokens(self) -> None:
        """No token issued so far opens anything any more."""
        self.service.tokens.revoke()

    def calls(self, ticket: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """The recorded calls, of one ticket or endpoint or of all."""
        return self.journal.calls(ticket, endpoint)

    def counts(self) -> dict[str, Any]:
        """Calls per endpoint, fault and ticket, and the most that were under way at once."""
        return self.journal.counts()

    def forget(self) -> None:
        """Clears the recorded calls only."""
        self.journal.clear()

    def reset(self) -> None:
        """As new: no faults, latencies, changed tickets, tokens or recorded calls."""
        self.plot.clear()
        self.latencies = {}
        self.service.clear()
        self.journal.clear()

    def webhook(
        self,
        ticket: str,
        url: str,
        form: str = webhooks.Form.COMPLETED,
        secret: str | None = None,
        headers: dict[str, str] | None = None,
        basic: Sequence[str] | None = None,
        ca_bundle: str | None = None,
    ) -> int:
        """Posts the ticket's event, enciphered where there is a secret, and gives the status of the answer."""
        content = webhooks.event(webhooks.Form(form), self.service.ticket(ticket))
        message = webhooks.enciphered(content, secret) if secret else webhooks.in_clear(content)
        pair = (basic[0], basic[1]) if basic else None
        return webhooks.post(url, message, headers=headers, basic=pair, ca_bundle=ca_bundle)
