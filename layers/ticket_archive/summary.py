"""The few facts that the archive reads out of a ticket's details.

The vendor documents what the details contain but not where (IDV Tickets, Ticket Details), so each fact is looked for by
the names that the vendor's webhooks and SDK use, the shallowest first, at any depth. A fact that is not there stays
None: nothing is guessed, and a document in which no known name stands is no ticket's. What says that a ticket is not
final counts near the top only: deeper down it is a step of the process flow, or a device, that has a status of its own.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ticket_archive.models import customer_id

_FLOW_STATUS = ("flow_status", "flowstatus", "transaction_status", "transactionstatus", "status")
_OUTCOMES = {"ACCEPTED", "REJECTED", "VERIFIED", "FAILED", "SUCCESSFUL", "NEEDS_REVIEW", "ABANDONED"}
_NOT_FINAL = {"IN_PROGRESS", "PROCESSING", "PENDING", "AWAITING"}
_DISPOSITION = ("disposition",)
_CONFIDENCE = ("confidence_score", "confidencescore")
_RISK = ("risk_code", "riskcode")
_CUSTOMER = ("cifcode", "cifcod", "cif_code")
_OF_A_PERSON = (
    "fullname", "given_names", "first_name", "surname", "surnames", "date_of_birth", "document_number", "id_number",
    "documenttype", "document_type", "document_expiration_date", "flow", "flow_type", "flowtype",
)  # fmt: skip
_NEAR_THE_TOP = 1  # level, counted from 0: the document itself and what stands directly in it
_TEXT_MAX = 64
_NODES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What the ticket item says of the details. `outcome` is the vendor's own word, such as ACCEPTED or REJECTED."""

    outcome: str | None
    in_progress: bool
    disposition: str | None
    confidence_score: Decimal | None
    risk_code: str | None
    customer: str | None = field(repr=False)


def summarise(details: dict[str, Any]) -> Summary:
    """The summary of parsed details."""
    found = _first_of_each(details)
    outcome = next(iter(_statuses(found)), None)
    return Summary(
        outcome=None if outcome in _NOT_FINAL else outcome,
        in_progress=outcome in _NOT_FINAL,
        disposition=_text(found, _DISPOSITION),
        confidence_score=_number(found, _CONFIDENCE),
        risk_code=_text(found, _RISK),
        customer=next((code for value in _values(found, _CUSTOMER) if (code := customer_id(value))), None),
    )


def tells_of(details: dict[str, Any], ticket: str) -> bool:
    """Whether parsed details are a ticket's at all: they name it, or hold a value under a name that is known.

    An empty object is not, and neither is an error that comes as a 200.
    """
    names = {*_DISPOSITION, *_CONFIDENCE, *_RISK, *_CUSTOMER, *_OF_A_PERSON}
    for _, name, value in _scalars(details):
        if value == ticket or (name.lower() in names and value not in (None, "")):
            return True
    found = summarise(details)
    return found.outcome is not None or found.in_progress


def _statuses(found: "_Found") -> Iterator[str]:
    """The words that tell the outcome, the most telling name first."""
    for name in _FLOW_STATUS:
        for level, value in found.get(name, ()):
            word = value.strip().upper() if isinstance(value, str) else ""
            deep = level > _NEAR_THE_TOP
            if (word in _OUTCOMES and not (deep and name == "status")) or (word in _NOT_FINAL and not deep):
                yield word


_Found = dict[str, list[tuple[int, Any]]]


def _first_of_each(details: dict[str, Any]) -> _Found:
    """Scalars with their level, by lower-case name, the shallowest first."""
    wanted = {*_FLOW_STATUS, *_DISPOSITION, *_CONFIDENCE, *_RISK, *_CUSTOMER}
    found: _Found = {}
    for level, name, value in _scalars(details):
        if (plain := name.lower()) in wanted and value is not None:
            found.setdefault(plain, []).append((level, int(value) if _whole(value) else value))
    return found


def _scalars(details: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """Level, name and value, the shallowest first. Bounded: a strange document costs no time."""
    waiting: deque[tuple[int, Any]] = deque([(0, details)])
    seen = 0
    while waiting and seen < _NODES_MAX:
        level, node = waiting.popleft()
        seen += 1
        if isinstance(node, list):
            waiting.extend((level, child) for child in node if isinstance(child, dict | list))
            continue
        for name, value in node.items():
            if isinstance(value, dict | list):
                waiting.append((level + 1, value))
            else:
                yield level, name, value


def _whole(value: Any) -> bool:
    # The size first: what arithmetic does with 1e9999999 is an exception.
    return isinstance(value, Decimal) and value.adjusted() < 18 and value == value.to_integral_value()


def _values(found: _Found, names: tuple[str, ...]) -> list[Any]:
    return [value for name in names for _, value in found.get(name, ())]


def _text(found: _Found, names: tuple[str, ...]) -> str | None:
    for value in _values(found, names):
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if 0 < len(text) <= _TEXT_MAX and text.isprintable():
            return text
    return None


def _number(found: _Found, names: tuple[str, ...]) -> Decimal | None:
    for value in _values(found, names):
        if isinstance(value, bool):
            continue
        try:
            number = Decimal(value)
        except (ArithmeticError, TypeError, ValueError):
            continue
        if number.is_finite() and len(number.as_tuple().digits) <= 38 and -100 < number.adjusted() < 100:
            return number
    return None
