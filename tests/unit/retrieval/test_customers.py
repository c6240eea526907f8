"""GET /customers/{customer}/tickets."""

import base64
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import CUSTOMER, TICKET, World, incomplete, item
from ticket_archive.errors import InvalidRequest
from ticket_archive.table import TicketTable

TICKETS = "/customers/{customer}/tickets"


def test_a_page_shows_what_the_index_projects(call: Call, world: World) -> None:
    # GIVEN the index's entry: its keys, state, outcome, version, disposition, and nothing else
    kept = {"ticket", "record", "customer", "archived_at", "state", "outcome", "version", "disposition"}
    world.tickets.add(item(**{name: None for name in item().attributes if name not in kept}))
    world.tickets.next_cursor = "the-next"

    answer = call(TICKETS, {"customer": CUSTOMER})

    assert answer.json == {
        "customer": CUSTOMER,
        "tickets": [
            {
                "ticket": TICKET,
                "state": "archived",
                "outcome": "ACCEPTED",
                "disposition": "PASSED",
                "version": "a" * 64,
                "archived_at": "2026-01-15T09:30:02.000000Z",
            }
        ],
        "cursor": "the-next",
    }


def test_an_unknown_customer_has_no_tickets(call: Call) -> None:
    answer = call(TICKETS, {"customer": "nobody"})

    assert (answer.status, answer.json) == (200, {"customer": "nobody", "tickets": [], "cursor": None})


def test_a_ticket_that_is_not_archived_is_listed_with_its_state(call: Call, world: World) -> None:
    world.tickets.add(incomplete(outcome=None))

    (listed,) = call(TICKETS, {"customer": CUSTOMER}).json["tickets"]

    assert (listed["state"], listed["outcome"], listed["archived_at"]) == ("incomplete", None, None)


def test_an_erased_ticket_is_not_listed(call: Call, world: World) -> None:
    world.tickets.add(item(state="erased"))

    assert call(TICKETS, {"customer": CUSTOMER}).json["tickets"] == []


def test_limit_and_cursor_are_passed_to_the_table(call: Call, world: World) -> None:
    call(TICKETS, {"customer": CUSTOMER}, {"limit": "100", "cursor": "a-cursor"})

    assert world.tickets.asked == (CUSTOMER, 100, "a-cursor")


def test_a_page_has_20_tickets_by_default(call: Call, world: World) -> None:
    call(TICKETS, {"customer": CUSTOMER})

    assert world.tickets.asked == (CUSTOMER, 20, None)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "x"])
def test_an_invalid_limit_is_400_and_reads_nothing(call: Call, world: World, limit: str) -> None:
    answer = call(TICKETS, {"customer": CUSTOMER}, {"limit": limit})

    assert (answer.status, answer.json["detail"].partition(":")[0]) == (400, "limit")
    assert world.tickets.reads == 0


@pytest.mark.parametrize("customer", [" ", "\u0000", "a\nb", "a" * 257])
def test_an_invalid_customer_code_is_400_and_reads_nothing(call: Call, world: World, customer: str) -> None:
    assert call(TICKETS, {"customer": customer}).status == 400
    assert world.tickets.reads == 0


@pytest.mark.parametrize("cursor", ["not-a-cursor", "a" * 513, "", "WyJhIiwiYiJd", "WzEsMl0", "e30"])
def test_an_invalid_cursor_is_400_that_names_it(call: Call, world: World, cursor: str) -> None:
    world.tickets.by_customer = table().by_customer  # type: ignore[method-assign]

    answer = call(TICKETS, {"customer": CUSTOMER}, {"cursor": cursor})

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"].startswith("cursor: ")


TICKET_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True)
TIMES = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


@given(ticket=TICKET_IDS, archived_at=TIMES, customer=st.text(min_size=1, max_size=9))
def test_a_cursor_continues_after_the_previous_page(ticket: str, archived_at: str, customer: str) -> None:
    # GIVEN a page that ends at a ticket
    end = {
        "ticket": {"S": ticket},
        "record": {"S": "ticket"},
        "customer": {"S": customer},
        "archived_at": {"S": archived_at},
    }
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_response("query", {"Items": [], "LastEvaluatedKey": end}, None)
        cursor = TicketTable(client, "tickets").by_customer(customer, 1, None).cursor
        assert cursor is not None
        assert len(cursor) <= 512

        # WHEN the next one is asked for THEN it begins there
        stubber.add_response("query", {"Items": []}, {**query(customer), "ExclusiveStartKey": end})
        assert TicketTable(client, "tickets").by_customer(customer, 1, cursor).cursor is None


@given(
    st.one_of(
        st.text(min_size=1, max_size=60),
        st.binary(min_size=1, max_size=60).map(lambda junk: base64.urlsafe_b64encode(junk).decode()),
        st.from_regex(r'\["[^"]{0,9}","[^"]{0,9}"\]', fullmatch=True).map(
            lambda text: base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
        ),
        st.just(base64.urlsafe_b64encode(b"[" * 5000).decode()),
    )
)
def test_a_made_up_cursor_is_rejected_or_stays_with_its_customer(cursor: str) -> None:
    asked: dict[str, Any] = {}

    class Client:
        def query(self, **parameters: Any) -> dict[str, Any]:
            asked.update(parameters)
            return {"Items": []}

    try:
        TicketTable(Client(), "tickets").by_customer(CUSTOMER, 1, cursor)  # type: ignore[arg-type]
    except InvalidRequest:
        assert asked == {}
    else:
        start = asked["ExclusiveStartKey"]
        assert start["customer"] == {"S": CUSTOMER}
        assert all(value["S"].isascii() and value["S"] for value in start.values())


def table() -> TicketTable:
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    return TicketTable(client, "tickets")


def query(customer: str) -> dict[str, Any]:
    return {
        "TableName": "tickets",
        "IndexName": "by-customer",
        "KeyConditionExpression": "customer = :customer",
        "ExpressionAttributeValues": {":customer": {"S": customer}},
        "ScanIndexForward": False,
        "Limit": 1,
    }
