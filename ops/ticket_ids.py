"""Read and check ticket ids from arguments, files and customers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.errors import Exit, Failure
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import ticket_id
from ticket_archive.table import TicketItem, TicketTable

_PAGE = 100


@dataclass(frozen=True, slots=True)
class GivenIds:
    """Valid ids, each once and in order. `invalid` holds places, not texts: a text may be anything, a name too."""

    tickets: tuple[str, ...]
    invalid: tuple[str, ...]
    repeated: int


def read_ids(arguments: Iterable[str], lines: Iterable[str]) -> GivenIds:
    """Check every id. Blank lines and lines that begin with # are skipped."""
    given = [(f"argument {number}", text) for number, text in enumerate(arguments, 1)]
    given += [
        (f"line {number}", line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    tickets: dict[str, None] = {}
    invalid: list[str] = []
    for place, text in given:
        try:
            tickets[ticket_id(text)] = None
        except InvalidRequest:
            invalid.append(place)
    return GivenIds(tuple(tickets), tuple(invalid), len(given) - len(invalid) - len(tickets))


def of_customer(table: TicketTable, customer: str) -> Iterator[TicketItem]:
    """Return the customer's tickets, whatever their state, newest first."""
    cursor: str | None = None
    while True:
        page = table.by_customer(customer, _PAGE, cursor)
        yield from page.items
        if (cursor := page.cursor) is None:
            return


def selected(
    table: TicketTable, arguments: Iterable[str], lines: Iterable[str] | None, customer: str | None
) -> list[str]:
    """Return the ids of exactly one source: arguments, a file, or a customer. Raises Failure."""
    given = list(arguments)
    if [bool(given), lines is not None, customer is not None].count(True) != 1:
        raise Failure("give ticket ids, --file or --customer, and only one of them", Exit.USAGE)
    if customer is not None:
        tickets = list(dict.fromkeys(item.ticket for item in of_customer(table, customer)))
        if not tickets:
            raise Failure("the archive has no tickets of this customer")
        return tickets
    ids = read_ids(given, lines or ())
    if ids.invalid:
        raise Failure(f"not a ticket id: {', '.join(ids.invalid)}; nothing was done", Exit.USAGE)
    if not ids.tickets:
        raise Failure("no ticket ids were given", Exit.USAGE)
    return list(ids.tickets)
