"""The table: the rules of tests/support/table_rules.py, the form of its queries, errors and cursors."""

import base64
import re
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.dynamodb import attributes
from tests.support.fakes import FakeTickets
from tests.support.table_rules import TableRules
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.table import Due, IncompleteTicket, TicketTable, read_item

TICKET, NOW, THEN = "T-1", "2026-01-15T09:30:00.000000Z", "2026-01-15T09:00:00.000000Z"


@pytest.fixture
def dynamodb() -> MagicMock:
    """A client that records calls."""
    return MagicMock()


@pytest.fixture
def table(dynamodb: MagicMock) -> TicketTable:
    return TicketTable(dynamodb, "Tickets")


class TestRules(TableRules):
    @pytest.fixture
    def table(self) -> TicketTable:
        return FakeTickets()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ProvisionedThroughputExceededException"])
def test_other_errors_of_dynamodb_pass_through(dynamodb: MagicMock, table: TicketTable, code: str) -> None:
    error: Any = ClientError({"Error": {"Code": code, "Message": ""}}, "UpdateItem")
    dynamodb.update_item.side_effect = error
    item = TicketItem(ticket=TICKET, state=TicketState.RECEIVED)
    changes = {"fetched_at": NOW, "version": "v1"}
    for write in (
        lambda: table.begin(TICKET, NOW),
        lambda: table.archive(item, changes, {}),
        lambda: table.mark_incomplete(TICKET, changes, NOW, {}),
        lambda: table.expire(item, 1),
        lambda: table.postpone(IncompleteTicket(TICKET, NOW, THEN, 0), NOW),
    ):
        with pytest.raises(ClientError):
            write()


def test_a_ticket_is_read_consistently(dynamodb: MagicMock, table: TicketTable) -> None:
    dynamodb.get_item.return_value = {}
    assert table.get(TICKET) is None
    assert dynamodb.get_item.call_args.kwargs["ConsistentRead"] is True


def test_binary_attributes_are_bytes() -> None:
    item = read_item(attributes({"ticket": TICKET, "state": "archived", "details_packed": b"\x1f\x8b"}))
    assert type(item.attributes["details_packed"]) is bytes


def test_an_items_repr_shows_no_details() -> None:
    content = {"details": {"fullname": "Canary"}, "customer": "Canary"}
    assert "Canary" not in repr(read_item(attributes({"ticket": TICKET, "state": "received", **content})))


def test_a_list_that_is_longer_than_a_response_is_read_to_its_end(dynamodb: MagicMock, table: TicketTable) -> None:
    """DynamoDB returns at most 1 MB at once, whatever the limit."""
    entry = {"record": "ticket", "incomplete": "yes", "retry_at": NOW, "received_at": THEN}
    first, second = ({"ticket": ticket, **entry} for ticket in ("T-1", "T-2"))
    last = attributes({name: first[name] for name in ("ticket", "record", "incomplete", "retry_at")})
    dynamodb.query.side_effect = [{"Items": [attributes(each)], "LastEvaluatedKey": last} for each in (first, second)]
    assert [each.ticket for each in table.listed(Due.INCOMPLETE, 2)] == ["T-1", "T-2"]
    asked = [call.kwargs for call in dynamodb.query.call_args_list]
    assert [(call["Limit"], call.get("ExclusiveStartKey")) for call in asked] == [(2, None), (1, last)]


def index_key(ticket: str, archived_at: str, customer: str = "C-1") -> dict[str, Any]:
    return attributes({"ticket": ticket, "record": "ticket", "customer": customer, "archived_at": archived_at})


@pytest.mark.parametrize("customer", ["C-1", "C-2"])
def test_a_cursor_leads_to_where_the_page_ended_and_to_no_other_customer(
    dynamodb: MagicMock, table: TicketTable, customer: str
) -> None:
    ticket = "a" * 128
    dynamodb.query.side_effect = [{"Items": [], "LastEvaluatedKey": index_key(ticket, NOW)}, {"Items": []}]
    _, cursor = table.by_customer("C-1", 1, None)
    table.by_customer(customer, 1, cursor)
    assert dynamodb.query.call_args.kwargs["ExclusiveStartKey"] == index_key(ticket, NOW, customer)
    assert dynamodb.query.call_args.kwargs["ExpressionAttributeValues"] == {":customer": {"S": customer}}
    assert re.fullmatch("[A-Za-z0-9_-]+", str(cursor)), "it fits a URL"


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


OURS = cursor_of(f'["T-1","{NOW}"]')
TICKETS = ("", "../T-1", "a" * 129, "T-1\\ud800", "T-1\ud800")
FOREIGN = [
    *("!", "a", "é", "\ud800", "\0", " ", "AAAA", f"{OURS}!", f"{OURS}====", cursor_of("[" * 100_000)),
    *map(cursor_of, ("not json", "{}", '"ab"', "[]", '["T-1"]', '["T-1",""]', '["T-1","tomorrow"]', '["T-1",null]')),
    *map(cursor_of, (f'["T-1","{NOW}","x"]', f'["T-1","{NOW}"]\n', f'[1,"{NOW}"]')),
    *(cursor_of(f'["{ticket}","{NOW}"]') for ticket in TICKETS),
]


@pytest.mark.parametrize("cursor", FOREIGN)
def test_a_foreign_cursor_is_an_invalid_request(dynamodb: MagicMock, table: TicketTable, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        table.by_customer("C-1", 1, cursor)
    assert refusal.value.detail == "cursor"
    dynamodb.query.assert_not_called()


@given(st.one_of(st.text(), st.text().map(cursor_of), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_any_invented_cursor_is_an_invalid_request(cursor: str) -> None:
    # GIVEN a table that nobody can reach: an empty cursor is none, another is refused before anything is asked
    table = TicketTable(None, "Tickets")  # type: ignore[arg-type]
    if cursor:
        with pytest.raises(InvalidRequest):
            table.by_customer("C-1", 1, cursor)
