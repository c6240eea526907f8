"""A ticket's details: the sections of the vendor's "IDV Tickets" page, with the field names of its SDK."""

import json
from collections.abc import Mapping
from typing import Any

from local.vendor.seeding import seeded
from local.vendor.tickets import DetailsForm, Envelope, Outcome, Ticket

FLOW = "WF-01_ID_PROOFING_AND_LIVENESS"
STEPS = ("verification.id_proofing", "verification.liveness", "verification.screening")
_BEYOND_LIMITS: Mapping[DetailsForm, Any] = {
    DetailsForm.PRECISE: {"fingerprint": 10**44 + 7, "epsilon": 1e-140, "exact": 0.1 + 0.2},
    DetailsForm.DEEP: json.loads('{"next": [' * 40 + '"leaf"' + "]}" * 40),
    DetailsForm.LARGE: {"frames": [{"at": at, "note": "é" * 40} for at in range(5_000)]},
}


def details(ticket: Ticket) -> dict[str, Any]:
    """Return the whole response body, in the ticket's envelope."""
    summary, sections = _summary(ticket), _sections(ticket)
    if ticket.details_form in _BEYOND_LIMITS:
        sections["trace"] = _BEYOND_LIMITS[ticket.details_form]
    match ticket.envelope:
        case Envelope.DATA:
            return {"status": 200, "code": "SUCCESS", "data": {**summary, **sections}}
        case Envelope.STATUS:
            ids = {name: summary.pop(name) for name in ("ticket", "cifcode")}
            return {"status": 200, "code": "SUCCESS", "data": {**ids, "status": summary, **sections}}
    return {**summary, **sections}


def scores(ticket: Ticket) -> dict[str, Any]:
    """Return the scores, which the details and the completed event share."""
    rng = seeded(ticket.seed, ticket.index, "scores", ticket.outcome)
    good = ticket.outcome is Outcome.ACCEPTED
    return {
        "confidence_score": round(rng.uniform(86, 99.99) if good else rng.uniform(3, 60), 2),
        "risk_code": rng.choice(("R-000", "R-010")) if good else rng.choice(("R-310", "R-420", "R-990")),
    }


def _summary(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket": ticket.id,
        "flow_status": ticket.outcome,
        "disposition": ticket.disposition,
        **scores(ticket),
        "cifcode": ticket.customer,
        "flow_type": FLOW,
        "created": ticket.created,
        "processed": ticket.processed,
        "remaining_attempts": seeded(ticket.seed, ticket.index, "attempts").randint(0, 2),
    }


def _sections(ticket: Ticket) -> dict[str, Any]:
    who, paper = ticket.person, ticket.document
    rng = seeded(ticket.seed, ticket.index, "sections")
    good = ticket.outcome is Outcome.ACCEPTED
    return {
        "user": {
            **who.latin,
            "first_name": who.latin["given_names"].split()[0],
            "middle_name": "",
            "date_of_birth": who.born.isoformat(),
            "gender": who.gender,
            "age": str(who.age),
            "nationality": who.nationality,
            "address_country": who.country,
            "state": None,
            "zip_code": f"{rng.randint(0, 99_999):05d}",
            "marital_status": rng.choice(("SINGLE", "MARRIED", "")),
            "native_fields": {"language": who.language, "script": who.script, **who.native},
        },
        "document": {
            "documentType": paper.type,
            "type": paper.type,
            "category": rng.choice((None, "A", "B1")),
            "document_number": paper.number,
            "id_number": paper.number,
            "documentIssuingCountry": who.country,
            "document_issuing_country": who.country,
            "document_issuing_state": "",
            "document_place_of_issue": who.latin["document_place_of_issue"],
            "document_issuing_date": paper.issued.isoformat(),
            "document_expiration_date": paper.expires.isoformat(),
            "native_fields": {"document_place_of_issue": who.native["document_place_of_issue"]},
        },
        "lexical": {
            "fields": [
                {"name": name, "visual": value, "mrz": value, "match": round(rng.uniform(0.9, 1), 6), "status": 1}
                for name, value in (("surname", who.latin["surname"]), ("document_number", paper.number))
            ],
            "checks": {
                "expired": False,
                "number_checksum": good,
                "sharpness": rng.random(),
                "glare": rng.random() * 1e-7,
            },
        },
        "device": {
            "model": rng.choice(("Pixel 9", "iPhone 16", "Galaxy A55")),
            "os": rng.choice(("Android 16", "iOS 19.1")),
            "ip": f"203.0.113.{rng.randint(1, 254)}",
            "latitude": round(rng.uniform(-55, 70), 7),
            "longitude": round(rng.uniform(-180, 180), 7),
            "accuracy": rng.randint(3, 60) + 0.0,
            "rooted": False,
            "battery": -1,
        },
        "process_flow": [
            {
                "step": step,
                "status": "PASSED" if good or step != "verification.liveness" else "FAILED",
                "score": rng.choice((rng.randint(70, 100), round(rng.uniform(70, 100), 3))),
                "started": ticket.created + 1_500 * number,
                "seconds": round(rng.uniform(0.4, 9), 3),
            }
            for number, step in enumerate(STEPS)
        ],
    }
