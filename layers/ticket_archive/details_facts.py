"""Read the few facts that the archive needs from a ticket's details.

The vendor documents what the details contain but not where (IDV Tickets, Ticket Details). So each fact is looked for
under the names that the vendor's webhooks and SDK use, on MAX_LEVELS levels, the shallowest first. One envelope
(`data`, …) and an object named `status` do not count as depth; a list does. A fact that is not there stays None:
nothing is guessed.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import ijson

from ticket_archive.json_text import json_in
from ticket_archive.models import TICKET_NAMES, customer_id

MAX_PARSER_EVENTS = 500_000
"""Parser events of streamed JSON, about half a second. Facts that come later are not read."""

MAX_LEVELS = 50
"""Deeper facts are not read. Each scalar has its path, and together these could fill the memory."""

RESPONSE_ENVELOPES = frozenset({"data", "payload", "event", "result", "response", "body"})
_FLOW_STATUS = ("flow_status", "flowstatus", "transaction_status", "transactionstatus")
_STATUS = "status"
OUTCOMES = frozenset({"ACCEPTED", "REJECTED", "VERIFIED", "FAILED", "SUCCESSFUL", "NEEDS_REVIEW", "ABANDONED"})
_PASSED = frozenset({"ACCEPTED", "VERIFIED", "SUCCESSFUL"})
SUCCESS_CODES = OUTCOMES | {"SUCCESS", "OK"}
"""Values of `code` in the vendor's envelope; any other word is an error."""
IN_PROGRESS = frozenset({"IN_PROGRESS", "PROCESSING", "PENDING", "AWAITING"})
NOT_FOUND = "TCKTNTFND"
_SEPARATORS = re.compile(r"[\W_]+")
_PLAIN_IN_PROGRESS = {_SEPARATORS.sub("", word): word for word in IN_PROGRESS}
_ENVELOPE_STATUS = frozenset({"OK", "SUCCESS", "ERROR", NOT_FOUND})  # of the response, not of the ticket
_DISPOSITION = ("disposition",)
_CONFIDENCE = ("confidence_score", "confidencescore")
_RISK = ("risk_code", "riskcode")
_CUSTOMER = ("cifcode", "cifcod", "cif_code")
_PERSON = (
    "fullname", "given_names", "first_name", "surname", "surnames", "date_of_birth", "document_number", "id_number",
    "documenttype", "document_type", "document_expiration_date", "flow", "flow_type", "flowtype",
)  # fmt: skip
_KNOWN = frozenset((*_FLOW_STATUS, *_DISPOSITION, *_CONFIDENCE, *_RISK, *_CUSTOMER, *_PERSON))
_NAMES = _KNOWN.union(TICKET_NAMES, (_STATUS,))
_MAX_TEXT = 64

T = TypeVar("T")
Scalar = tuple[Sequence[str], str, Any]
"""The keys above a scalar (empty for an element of a list), its own key, and its value."""


@dataclass(repr=False)
class TicketFacts:
    """The facts that the ticket item has. `outcome` is the vendor's own word in upper case, such as ACCEPTED.

    `tickets` are the ids that the details have for their ticket, at the top or in one envelope, also in a list there:
    each tuple has those of one name on one level. `recognized` is whether anything but an id is a ticket's: an error
    with status 200 may have its id.
    """

    outcome: str | None = None
    in_progress: bool = False
    disposition: str | None = None
    confidence_score: Decimal | None = None
    risk_code: str | None = None
    customer: str | None = None
    tickets: tuple[tuple[str, ...], ...] = ()
    recognized: bool = False


def read_facts(scalars: Iterable[Scalar]) -> TicketFacts:
    """Return the facts among the scalars of a document: those of `scalars_of`."""
    named = [
        (_depth(path), path, plain, value)
        for path, name, value in scalars
        if value not in (None, "") and ((plain := _plain(name)) in _NAMES or _is_outcome(value))
    ]
    found: dict[str, list[tuple[int, Any]]] = {}
    tickets: dict[tuple[str, int], list[str]] = {}
    for depth, path, plain, value in sorted(named, key=lambda each: (each[0], len(each[1]))):
        found.setdefault(plain, []).append((depth, value))
        if plain in TICKET_NAMES and isinstance(value, str) and _depth([key for key in path if key]) == 0:
            tickets.setdefault((plain, len(path)), []).append(value)

    def first(names: Sequence[str], read: Callable[[Any], T | None]) -> T | None:
        facts = (read(value) for name in names for _, value in found.get(name, ()))
        return next((fact for fact in facts if fact is not None), None)

    word = _flow_word(found, _verdicts(named))
    return TicketFacts(
        outcome=None if word in IN_PROGRESS else word,
        in_progress=word in IN_PROGRESS,
        disposition=first(_DISPOSITION, _text),
        confidence_score=first(_CONFIDENCE, _number),
        risk_code=first(_RISK, _text),
        customer=first(_CUSTOMER, lambda value: customer_id(_integer(value))),
        tickets=tuple(map(tuple, tickets.values())),
        recognized=not _KNOWN.isdisjoint(found) or word in OUTCOMES | IN_PROGRESS,
    )


def scalars_of(document: dict[str, Any]) -> Iterator[Scalar]:
    """Yield the scalars under a key of a parsed document. Without recursion: it may be deep.

    An envelope may be a JSON string. No other string is parsed: one with text from a person's document, such as a QR
    code, could name an outcome.
    """
    opened = {name: json_in(value) if name in RESPONSE_ENVELOPES else value for name, value in document.items()}
    stack: list[tuple[tuple[str, ...], Any]] = [((), opened)]
    while stack:
        path, node = stack.pop()
        named = list(node.items()) if isinstance(node, dict) else [("", each) for each in node]
        if len(path) < MAX_LEVELS:
            stack.extend(((*path, name), each) for name, each in reversed(named) if isinstance(each, dict | list))
        yield from ((path, name, each) for name, each in named if name and not isinstance(each, dict | list))


def stream_facts(body: bytes) -> TicketFacts:
    """Return the facts of JSON without building it: those before MAX_PARSER_EVENTS, or before it is invalid."""
    scalars: list[Scalar] = []
    with suppress(ijson.JSONError):
        scalars.extend(_stream(body))
    return read_facts(scalars)


def _stream(body: bytes) -> Iterator[Scalar]:
    """Yield the scalars whose name or word matters.

    Numbers are C numbers: ijson's parser crashes on an integer of 5,000 digits.
    """
    path: list[str] = []
    name = ""
    for event, value in islice(ijson.basic_parse(io.BytesIO(body), use_float=True), MAX_PARSER_EVENTS):
        if event == "map_key":
            name = value
            continue
        if event in ("start_map", "start_array"):
            path.append(name)
        elif event in ("end_map", "end_array"):
            path.pop()
        elif len(path) <= MAX_LEVELS + 1 and (_plain(name) in _NAMES or (name and _is_outcome(value))):
            yield path[1:], name, value
        name = ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _depth(path: Sequence[str]) -> int:
    names = [name.lower() for name in path]
    if names and names[0] in RESPONSE_ENVELOPES:
        del names[0]
    return len(names) - names.count(_STATUS)


def _is_outcome(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and value.strip().upper() in OUTCOMES


def _verdicts(named: Iterable[tuple[int, Sequence[str], str, Any]]) -> list[tuple[int, bool]]:
    """Return the depth of each outcome under any name, and whether the person passed.

    At the very top, `SUCCESSFUL` may be the response's own.
    """
    return [
        (depth, _word(value) in _PASSED)
        for depth, path, _, value in named
        if _is_outcome(value) and (path or _word(value) != "SUCCESSFUL")
    ]


def _flow_word(found: dict[str, list[tuple[int, Any]]], verdicts: list[tuple[int, bool]]) -> str | None:
    """Return the word for the ticket's status, from the most specific name.

    On the same level, a known word comes first. At the top, IN_PROGRESS does, and the `status` inside an envelope comes
    before the envelope's own, which may be the response's (`SUCCESSFUL`). Below the top, None if one says that the
    person passed and another does not: they are of several attempts or steps, and the wrong one would open an account.
    None too if a verdict of any name above it says otherwise, or one beside a `status` that says that the person passed
    and may be a step's or the response's.
    """
    for name in (*_FLOW_STATUS, _STATUS):
        words = [(depth, _word(value)) for depth, value in found.get(name, ())]
        words = [(depth, word) for depth, word in words if word and _is_flow_word(name, depth, word)]
        if not words:
            continue
        level = words[0][0]  # the shallowest
        here = [word for depth, word in words if depth == level]
        if level > 0 and len({word in _PASSED for word in here if word in OUTCOMES}) > 1:
            return None
        if level == 0 and name == _STATUS:
            here.reverse()
        here.sort(key=lambda word: word not in OUTCOMES | IN_PROGRESS)
        if level == 0:
            here.sort(key=lambda word: word not in IN_PROGRESS)
        passed = here[0] in _PASSED
        is_weak = passed and name == _STATUS and (level > 0 or here[0] == "SUCCESSFUL")
        against = [depth for depth, verdict in verdicts if verdict != passed and depth < level + is_weak]
        return None if here[0] in OUTCOMES and against else here[0]
    return None


def _is_flow_word(name: str, depth: int, word: str) -> bool:
    """Return whether a word may be the ticket's status.

    Below the first level, only a known outcome under a flow's own name counts: `status` there belongs to a device or a
    step. A `status` on the first level must be a known outcome too.
    """
    if depth > 1:
        return name != _STATUS and word in OUTCOMES
    if name == _STATUS:
        return word in OUTCOMES or (depth == 0 and word not in _ENVELOPE_STATUS and not word.isdecimal())
    return True


def _word(value: Any) -> str:
    """Return a text in upper case, "" for anything else. Every spelling of a word in IN_PROGRESS gives that word."""
    text = (_text(value) or "").upper() if isinstance(value, str) else ""
    return _PLAIN_IN_PROGRESS.get(_SEPARATORS.sub("", text), text)


def _integer(value: Any) -> Any:
    """Return a whole number of up to 18 digits as an int, anything else unchanged. 1e9999999 must not become one."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 18:
        return int(value) if value == value.to_integral_value() else value
    return value


def _text(value: Any) -> str | None:
    value = _integer(value)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= _MAX_TEXT and text.isprintable() else None


def _number(value: Any) -> Decimal | None:
    """Return a number that DynamoDB can hold, or None."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value) if isinstance(value, float) else value)
    except (ArithmeticError, TypeError, ValueError):
        return None
    fits = number.is_finite() and len(number.as_tuple().digits) <= 38 and -100 < number.adjusted() < 100
    return number if fits else None
