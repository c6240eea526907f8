"""Arguments and options that several commands have, and how they are checked."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import typer

from ops.context import Context
from ops.errors import Exit, Failure
from ticket_archive.clock import now
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import customer_id, ticket_id

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_AGO = re.compile(r"(\d{1,4})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Return a moment from ISO 8601, or from an age such as `90m`, `2h`, `3d`. Raises Failure."""
    if ago := _AGO.fullmatch(text):
        return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure("not a time: use ISO 8601 (2026-01-31T12:00Z), or 90m, 2h, 3d", Exit.USAGE) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _customer(text: str) -> str:
    if (customer := customer_id(text)) is None:
        raise Failure("not a customer code: use 1 to 256 printable characters", Exit.USAGE)
    return customer


def code(text: str) -> str:
    """Return a case number or a reason, which has no personal data. Raises Failure."""
    if not _CODE.fullmatch(text):
        raise Failure("a case or reason is a code: 1 to 64 of A-Z a-z 0-9 _ . -, no free text", Exit.USAGE)
    return text


def ticket_option(text: str) -> typer.models.OptionInfo:
    """Return the option `--ticket` with a help text of its own."""
    option: typer.models.OptionInfo = typer.Option(help=text, parser=ticket_id)
    return option


Ticket = Annotated[str, typer.Argument(help="The ticket's id.", show_default=False, parser=ticket_id)]
Tickets = Annotated[list[str] | None, typer.Argument(help="Ticket ids.", show_default=False)]
ID_FILE = typer.Option(help="A file with one ticket id per line; - is stdin.", encoding="utf-8-sig", errors="replace")
IdFile = Annotated[typer.FileText | None, ID_FILE]
CUSTOMER_CODE = typer.Option(help="All tickets of this customer.", parser=_customer)
Customer = Annotated[str | None, CUSTOMER_CODE]
Version = Annotated[
    str | None, typer.Option(help="An older version from the list in `status`; may be abbreviated.", min=1)
]
DrainSeconds = Annotated[
    float, typer.Option(min=0, max=900, help="Seconds for which an earlier attempt may still store something.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this option nothing is changed.")]
Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="Messages per second at most.")]
Code = Annotated[str | None, typer.Option(help="Your own code, such as a case number. No free text.", parser=code)]
HeldCase = Annotated[str | None, typer.Option("--case", help="Only tickets that are held for this case.", parser=code)]


class GivenIds(NamedTuple):
    """Valid ids, each once and in order. `invalid` holds places, not texts: a text may be anything, a name too."""

    tickets: list[str]
    invalid: list[str]
    repeated: int


def read_ids(arguments: Iterable[str], lines: Iterable[str]) -> GivenIds:
    """Check every id. Blank lines and lines that begin with # are skipped."""
    given = [(f"argument {number}", text) for number, text in enumerate(arguments, 1)]
    numbered = [(f"line {number}", line.strip()) for number, line in enumerate(lines, 1)]
    given += [(place, text) for place, text in numbered if text and not text.startswith("#")]
    tickets: dict[str, None] = {}
    invalid: list[str] = []
    for place, text in given:
        try:
            tickets[ticket_id(text)] = None
        except InvalidRequest:
            invalid.append(place)
    return GivenIds(list(tickets), invalid, len(given) - len(invalid) - len(tickets))


def selected(
    context: Context, arguments: Iterable[str] | None, lines: Iterable[str] | None, customer: str | None
) -> list[str]:
    """Return the ids of one source: arguments, a file, or a customer, which alone needs the stack. Raises Failure."""
    if [bool(arguments), lines is not None, customer is not None].count(True) != 1:
        raise Failure("give ticket ids, --file or --customer, and only one of them", Exit.USAGE)
    if customer is not None:
        if tickets := list(context.stack.table.of_customer(customer)):
            return tickets
        raise Failure("the archive has no tickets of this customer")
    ids = read_ids(arguments or (), lines or ())
    if ids.invalid:
        raise Failure(f"not a ticket id: {', '.join(ids.invalid)}; nothing was done", Exit.USAGE)
    if not ids.tickets:
        raise Failure("no ticket ids were given", Exit.USAGE)
    return ids.tickets
