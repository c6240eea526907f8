"""A ticket's details: the sections of the vendor's "IDV Tickets" page, with the field names of its SDK."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from local.json_templates import render_json
from local.vendor.seeding import seeded
from local.vendor.tickets import DetailsForm, Envelope, Ticket

_BEYOND_LIMITS: Mapping[DetailsForm, Any] = {
    DetailsForm.PRECISE: {"fingerprint": 10**44 + 7, "epsilon": 1e-140, "exact": 0.1 + 0.2},
    DetailsForm.DEEP: json.loads('{"next": [' * 40 + '"leaf"' + "]}" * 40),
    DetailsForm.LARGE: {"frames": [{"at": at, "note": "é" * 40} for at in range(5_000)]},
}


def details(ticket: Ticket) -> dict[str, Any]:
    """Return the whole response body, in the ticket's envelope."""
    rng = partial(seeded, ticket.seed, ticket.index)
    summary, sections = render_json("vendor_details.json.j2", ticket=ticket, seeded=rng).values()
    if ticket.details_form in _BEYOND_LIMITS:
        sections["trace"] = _BEYOND_LIMITS[ticket.details_form]
    match ticket.envelope:
        case Envelope.DATA:
            return {"status": 200, "code": "SUCCESS", "data": {**summary, **sections}}
        case Envelope.STATUS:
            ids = {name: summary.pop(name) for name in ("ticket", "cifcode")}
            return {"status": 200, "code": "SUCCESS", "data": {**ids, "status": summary, **sections}}
    return {**summary, **sections}
