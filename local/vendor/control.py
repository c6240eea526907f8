"""The simulator's control interface for tests and the demo: methods, and the same as JSON under `/_sim/`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from local.vendor import webhooks
from local.vendor.credential import Credential
from local.vendor.details import details
from local.vendor.fault_plan import FaultPlan, Rate, ScriptedFault
from local.vendor.faults import FAULTS, Endpoint
from local.vendor.pictures import FileFormat, ImageType
from local.vendor.request_log import RequestLog
from local.vendor.service import Service
from local.vendor.shapes import Absence, Shape, Unusable
from local.vendor.tickets import DetailsForm, Envelope, Flow, Outcome

ACTIONS = (
    "calls", "change_credential", "counts", "expected", "faults", "forget", "health", "latency", "rate", "reset",
    "revoke_tokens", "script", "state", "tickets", "webhook",
)  # fmt: skip


class Control:
    """Every action takes and returns JSON values. Raises KeyError or ValueError for a bad name or value."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.request_log = RequestLog()
        self.fault_plan = FaultPlan()
        self.latencies: dict[Endpoint, float] = {}

    def health(self) -> dict[str, Any]:
        """Return the URL and the seed, as soon as the simulator serves."""
        return {"url": self.service.base_url, "seed": self.service.tickets.seed}

    def tickets(self, count: int = 10, start: int = 0) -> list[dict[str, Any]]:
        """Describe `count` tickets."""
        listed = (self.service.ticket(each) for each in self.service.tickets.ids(int(count), int(start)))
        return [
            {
                "index": ticket.index,
                "ticket": ticket.id,
                "outcome": ticket.outcome,
                "customer": ticket.customer,
                "shape": ticket.shape,
                "absence": ticket.absence,
                "details": ticket.details_form,
                "flow": ticket.flow,
                "envelope": ticket.envelope,
                "document": ticket.document.type,
                "script": ticket.person.script,
                "images": {kind: len(sizes) for kind, sizes in ticket.sizes.items()},
            }
            for ticket in listed
        ]

    def expected(self, ticket: str) -> dict[str, Any]:
        """Return what an archive of the ticket must hold: details, each image's digest by type, unusable types."""
        found = self.service.ticket(ticket)
        return {
            "ticket": ticket,
            "outcome": found.outcome,
            "customer": found.customer,
            "shape": found.shape,
            "absence": found.absence,
            "details": details(found),
            "flow": found.flow,
            "images": {kind: [] if kind in found.unusable else self.service.digests(found, kind) for kind in ImageType},
            "unusable": dict(found.unusable),
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
        flow: str | None = None,
        envelope: str | None = None,
        formats: Mapping[str, str] | None = None,
        unusable: Mapping[str, str] | None = None,
        ready_after: float | None = None,
    ) -> None:
        """Change a ticket; arguments are those of `local.vendor.tickets.State`, and omitted ones stay."""
        given: dict[str, Any] = {
            "outcome": outcome and Outcome(outcome),
            "revision": revision,
            "take": take,
            "shape": shape and Shape(shape),
            "absence": absence and Absence(absence),
            "details": details and DetailsForm(details),
            "sizes": None if sizes is None else tuple((ImageType(kind), tuple(sizes[kind])) for kind in sizes),
            "flow": flow and Flow(flow),
            "envelope": envelope and Envelope(envelope),
            "formats": None if formats is None else _pairs(formats, FileFormat),
            "unusable": None if unusable is None else _pairs(unusable, Unusable),
            "ready_after": ready_after,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        self.service.set_state(ticket, replace(self.service.state(ticket), **changes))

    def faults(self) -> dict[str, list[str]]:
        """Return the names of all faults, each with its endpoints."""
        return {name: sorted(fault.endpoints) for name, fault in FAULTS.items()}

    def script(
        self,
        fault: str,
        endpoint: str,
        ticket: str | None = None,
        type: str | None = None,  # noqa: A002  the vendor's name for it
        times: int | None = 1,
    ) -> None:
        """Inject the fault into the first `times` matching calls per (ticket, endpoint, type); `times=None`: all.

        Faults for the same call are injected in the order of these calls.
        """
        self.fault_plan.add(ScriptedFault(FAULTS[fault], Endpoint(endpoint), ticket, type, times))

    def rate(
        self,
        share: float,
        seed: int = 1,
        faults: Sequence[str] = (),
        endpoints: Sequence[str] = tuple(Endpoint),
        most: int | None = None,
    ) -> None:
        """Inject a random fault into a share of all calls, at most `most` per (ticket, endpoint, type).

        Without `faults` all are used, except where the response could not be told from a correct one.
        """
        self.fault_plan.rate(Rate(share, seed, tuple(faults), tuple(map(Endpoint, endpoints)), most))

    def latency(self, **milliseconds: float) -> None:
        """Set the minimum time to the first byte, per endpoint: `latency(token=80, images=250)`."""
        self.latencies |= {Endpoint(name): value / 1000 for name, value in milliseconds.items()}

    def revoke_tokens(self) -> None:
        """Revoke every token issued so far."""
        self.service.tokens.revoke()

    def change_credential(self, **values: str) -> None:
        """Accept another credential instead of the one so far, whose tokens end."""
        self.service.credential = Credential(**values)
        self.revoke_tokens()

    def calls(self, ticket: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the recorded calls, of one ticket or endpoint or of all."""
        return self.request_log.calls(ticket, endpoint)

    def counts(self) -> dict[str, Any]:
        """Return the calls per endpoint, fault and ticket, and the peak concurrency."""
        return self.request_log.counts()

    def forget(self) -> None:
        """Clear the recorded calls."""
        self.request_log.clear()

    def reset(self) -> None:
        """Remove faults, latencies, changes of tickets, tokens and recorded calls."""
        self.fault_plan.clear()
        self.latencies = {}
        self.service.clear()
        self.request_log.clear()

    def webhook(
        self,
        ticket: str,
        url: str,
        form: str = webhooks.Form.COMPLETED,
        secret: str | None = None,
        headers: dict[str, str] | None = None,
        basic: Sequence[str] | None = None,
        ca_bundle: str | None = None,
        encoding: str = webhooks.Encoding.STANDARD,
    ) -> int:
        """Post the ticket's event, encrypted if there is a secret, and return the response's status."""
        content = webhooks.event(webhooks.Form(form), self.service.ticket(ticket))
        message = (
            webhooks.encrypted(content, secret, encoding=webhooks.Encoding(encoding))
            if secret
            else webhooks.plaintext(content)
        )
        pair = (basic[0], basic[1]) if basic else None
        return webhooks.post(url, message, headers=headers, basic=pair, ca_bundle=ca_bundle)


_Value = TypeVar("_Value", bound=StrEnum)


def _pairs(given: Mapping[str, str], values: type[_Value]) -> tuple[tuple[ImageType, _Value], ...]:
    return tuple((ImageType(kind), values(value)) for kind, value in given.items())
