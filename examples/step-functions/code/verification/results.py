"""The subject and the result of a verification. Pure: no I/O."""

from typing import Any, Self

from pydantic import BaseModel, model_validator

from ticket_archive_client import Ticket

CUSTOMER_NAMES = ("cifcode", "cifcod", "cif_code")
"""In lower case: the names under which the archive looks for the code, too."""


class NotArchived(Exception):
    """The archive has no result yet."""


class Subject(BaseModel):
    """The ticket, or the customer if the ticket is not known when the verification starts."""

    ticket: str | None = None
    customer: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ticket is None) == (self.customer is None):
            raise ValueError("either a ticket or a customer is needed")
        return self

    @property
    def key(self) -> str:
        """The key of its token."""
        return f"ticket#{self.ticket}" if self.ticket else f"customer#{self.customer}"


class Result(BaseModel):
    """The input of the state machine's decision. `complete` is false if the archive could not use everything."""

    ticket: str
    version: str | None
    outcome: str | None
    complete: bool

    @classmethod
    def of(cls, ticket: Ticket) -> Self:
        """Return the result in the archive's response."""
        return cls.model_validate(ticket.model_dump(include=set(cls.model_fields)))


def customer_of(details: Any) -> str | None:
    """Return the customer's code from the vendor's details, which have it at no fixed place."""
    if isinstance(details, dict):
        named = [value for name, value in details.items() if name.lower() in CUSTOMER_NAMES]
        own = [str(value).strip() for value in named if isinstance(value, str | int)]
        return next(filter(None, [*own, *map(customer_of, details.values())]), None)
    return next(filter(None, map(customer_of, details)), None) if isinstance(details, list) else None
