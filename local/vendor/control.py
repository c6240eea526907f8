"""The simulator's control interface for tests and the demo: methods, and the same as JSON under `/_sim/`."""

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

from local.vendor import webhooks
from local.vendor.credential import Credential, Tokens
from local.vendor.details import details
from local.vendor.fault_plan import FaultPlan
from local.vendor.pictures import ImageType
from local.vendor.service import Endpoint, Service
from local.vendor.tickets import Ticket

ACTIONS = (
    "calls", "change_credential", "counts", "expected", "forget", "health", "latency", "rate", "script", "state",
    "tickets", "webhook",
)  # fmt: skip
_KEPT = 500_000  # calls


@dataclass
class Record:
    """One recorded call, without headers and body.

    `status` is None if no status line was sent; `at` is in epoch seconds. `authorization` says whether a credential
    was sent, which must not happen at image URLs.
    """

    endpoint: str
    method: str
    path: str
    ticket: str | None
    type: str | None
    authorization: bool
    fault: str | None
    status: int | None = None
    at: float = field(default_factory=time.time)


class Control:
    """Every action takes and returns JSON values. Raises KeyError or ValueError for a bad name or value."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.records: deque[Record] = deque(maxlen=_KEPT)
        self.fault_plan = FaultPlan()
        self.script, self.rate = self.fault_plan.script, self.fault_plan.rate
        self.latencies: dict[Endpoint, float] = {}

    def health(self) -> dict[str, Any]:
        """Return the URL and the seed, as soon as the simulator serves."""
        return {"url": self.service.base_url, "seed": self.service.tickets.seed}

    def tickets(self, count: int = 10, start: int = 0) -> list[dict[str, Any]]:
        """Describe `count` tickets."""
        listed = (self.service.ticket(each) for each in self.service.tickets.ids(int(count), int(start)))
        return [
            {
                **_facts(ticket),
                "details": ticket.details_form,
                "document": ticket.document.type,
                "images": {kind: len(sizes) for kind, sizes in ticket.sizes.items()},
            }
            for ticket in listed
        ]

    def expected(self, ticket: str) -> dict[str, Any]:
        """Return what an archive of the ticket must hold: details, each image's digest by type, unusable types."""
        found = self.service.ticket(ticket)
        return {
            **_facts(found),
            "details": details(found),
            "images": {kind: [] if kind in found.unusable else self.service.digests(found, kind) for kind in ImageType},
            "unusable": dict(found.unusable),
        }

    def state(self, ticket: str, **changes: Any) -> None:
        """Change a ticket; arguments are those of `local.vendor.tickets.State`, and omitted ones stay."""
        self.service.change(ticket, **changes)

    def latency(self, **milliseconds: float) -> None:
        """Set the minimum time to the first byte, per endpoint: `latency(token=80, images=250)`."""
        self.latencies |= {Endpoint(name): value / 1000 for name, value in milliseconds.items()}

    def change_credential(self, **values: str) -> None:
        """Replace the credential; tokens of the old one become invalid."""
        self.service.credential, self.service.tokens = Credential(**values), Tokens()

    def calls(self, ticket: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the recorded calls in order of arrival, of one ticket or endpoint or of all."""
        return [
            asdict(record)
            for record in list(self.records)
            if ticket in (None, record.ticket) and endpoint in (None, record.endpoint)
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of calls per endpoint, and per fault."""
        records = list(self.records)
        return {
            "endpoints": Counter(record.endpoint for record in records),
            "faults": Counter(record.fault for record in records if record.fault),
        }

    def forget(self) -> None:
        """Clear the recorded calls."""
        self.records.clear()

    def webhook(
        self,
        ticket: str,
        url: str,
        form: str = webhooks.Form.COMPLETED,
        secret: str | None = None,
        ca_bundle: str | None = None,
    ) -> int:
        """Post the ticket's event, encrypted if there is a secret, and return the response's status."""
        content = webhooks.event(webhooks.Form(form), self.service.ticket(ticket))
        message = webhooks.encrypted(content, secret) if secret else webhooks.plaintext(content)
        return webhooks.post(url, message, ca_bundle)


def _facts(ticket: Ticket) -> dict[str, Any]:
    names = ("outcome", "customer", "shape", "absence", "flow")
    return {"ticket": ticket.id, **{name: getattr(ticket, name) for name in names}}
