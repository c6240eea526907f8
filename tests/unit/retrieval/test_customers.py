"""GET /customers/{customer}/tickets."""

import pytest

from tests.support.stubbing import client
from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import CUSTOMER, TICKET, World, incomplete, item
from ticket_archive.table import TicketTable

TICKETS = "/customers/{customer}/tickets"


def test_a_page_shows_what_the_index_projects(call: Call, world: World) -> None:
    # GIVEN the index's entry: its keys, state, outcome, version, disposition, and nothing else
    kept = {"ticket", "record", "customer", "archived_at", "state", "outcome", "version", "disposition"}
    world.tickets.add(item(**{name: None for name in item().attributes if name not in kept}))
    world.tickets.next_cursor = "the-next"

    answer = call(TICKETS, {"customer": CUSTOMER})

    ticket = {"ticket": TICKET, "state": "archived", "outcome": "ACCEPTED", "disposition": "PASSED"}
    ticket |= {"version": "a" * 64, "archived_at": "2026-01-15T09:30:02.000000Z"}
    assert answer.json == {"customer": CUSTOMER, "tickets": [ticket], "cursor": "the-next"}


def test_an_unknown_customer_has_no_tickets(call: Call, world: World) -> None:
    answer = call(TICKETS, {"customer": "nobody"})
    assert world.tickets.asked == ("nobody", 20, None)
    assert (answer.status, answer.json) == (200, {"customer": "nobody", "tickets": [], "cursor": None})


def test_a_ticket_is_listed_with_its_state_unless_it_is_erased(call: Call, world: World) -> None:
    world.tickets.add(incomplete(outcome=None))
    (listed,) = call(TICKETS, {"customer": CUSTOMER}).json["tickets"]
    assert (listed["state"], listed["outcome"], listed["archived_at"]) == ("incomplete", None, None)
    world.tickets.add(item(state="erased"))
    assert call(TICKETS, {"customer": CUSTOMER}).json["tickets"] == []


def test_limit_and_cursor_are_passed_to_the_table(call: Call, world: World) -> None:
    call(TICKETS, {"customer": CUSTOMER}, {"limit": "100", "cursor": "a-cursor"})
    assert world.tickets.asked == (CUSTOMER, 100, "a-cursor")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", limit) for limit in ("0", "101", "-1", "1.5", "", "x", "+5", "5 ", "5.0", "1_0")),
        *(("customer", code) for code in (" ", "\u0000", "a\nb", "a" * 257)),
    ],
)
def test_an_invalid_limit_or_customer_is_400_and_reads_nothing(call: Call, world: World, name: str, value: str) -> None:
    given = {"customer": CUSTOMER, name: value}
    answer = call(TICKETS, {"customer": given.pop("customer")}, given)
    assert (answer.status, answer.json["detail"].partition(":")[0]) == (400, name)
    assert world.tickets.reads == 0


@pytest.mark.parametrize("cursor", ["not-a-cursor", "a" * 513, "", "WyJhIiwiYiJd", "WzEsMl0", "e30"])
def test_an_invalid_cursor_is_400_that_names_it(call: Call, world: World, cursor: str) -> None:
    real = TicketTable(client("dynamodb"), "tickets")
    world.tickets.by_customer = real.by_customer  # type: ignore[method-assign]
    answer = call(TICKETS, {"customer": CUSTOMER}, {"cursor": cursor})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"].startswith("cursor: ")
