"""The former names of `ticket_archive.facts`, until nothing uses them."""

from typing import Any

from ticket_archive.facts import TicketFacts as Summary
from ticket_archive.facts import read_facts, scalars_of

__all__ = ["Summary", "summarise", "tells_of"]


def summarise(details: dict[str, Any] | None) -> Summary:
    """Return the facts of parsed details."""
    return read_facts(scalars_of(details or {}))


def tells_of(details: dict[str, Any] | None, ticket: str) -> bool:
    """Return whether parsed details are a ticket's."""
    return summarise(details).recognized or any(value == ticket for _, _, value in scalars_of(details or {}))
