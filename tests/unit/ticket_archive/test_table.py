"""Every call to DynamoDB, with its exact conditions: they are the last authority on what happened."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from ticket_archive.errors import InvalidRequest, TicketErased, WriteConflict
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState
from ticket_archive.table import IncompleteTicket, TicketItem, TicketTable, read_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

TICKET = "T-1"
KEY = {"ticket": {"S": "T-1"}, "record": {"S": "ticket"}}
THEN, NOW, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", "2026-01-03T00:00:00.000000Z"
IMAGE = StoredImage(ImageType.DOCUMENT, 0, "tickets/T-1/images/DOCUMENT/ab.png", "ab", 4, "image/png")


def wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in DynamoDB's notation."""
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


RECEIVED = wire({"ticket": "T-1", "record": "ticket", "state": "received", "received_at": THEN, "attempts": 1})


class DynamoDB:
    """A client whose answers are given beforehand, and which remembers what it was asked.

    Every answer and every request is checked against DynamoDB's own model, and every expression for placeholders that
    are used and not defined, or defined and not used: DynamoDB refuses both.
    """

    def __init__(self, client: "DynamoDBClient", stubber: Stubber) -> None:
        self.client = client
        self._stubber = stubber
        self.asked: list[dict[str, Any]] = []

    def answers(self, operation: str, answer: dict[str, Any]) -> None:
        self._stubber.add_response(operation, answer)

    def refuses(self, operation: str, code: str, item: dict[str, Any] | None = None) -> None:
        self._stubber.add_client_error(operation, code, "Canary Doe", modeled_fields={"Item": item} if item else None)

    def remember(self, params: dict[str, Any], **_: Any) -> None:
        self.asked.append(params)
        expressions = " ".join(value for name, value in params.items() if name.endswith("Expression"))
        assert set(re.findall(r"#\w+", expressions)) == set(params.get("ExpressionAttributeNames", {}))
        assert set(re.findall(r":\w+", expressions)) == set(params.get("ExpressionAttributeValues", {}))
        assert {f"#{name}" for name in params.get("ExpressionAttributeNames", {}).values()} == set(
            params.get("ExpressionAttributeNames", {})
        )

    @property
    def only(self) -> dict[str, Any]:
        (params,) = self.asked
        return params

    def sets(self) -> dict[str, str]:
        """What the update sets, by attribute."""
        expression = self.only["UpdateExpression"].partition(" REMOVE ")[0].removeprefix("SET ")
        pairs = (part.split(" = ") for part in re.split(r", (?=#)", expression))
        return {name.removeprefix("#"): value for name, value in pairs}

    def removes(self) -> set[str]:
        """What the update removes."""
        removed = self.only["UpdateExpression"].partition(" REMOVE ")[2]
        return {name.removeprefix("#") for name in removed.split(", ") if name}


@pytest.fixture(scope="module")
def client() -> "DynamoDBClient":
    return boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def dynamodb(client: "DynamoDBClient") -> Iterator[DynamoDB]:
    with Stubber(client) as stubber:
        stub = DynamoDB(client, stubber)
        client.meta.events.register("provide-client-params.dynamodb", stub.remember)
        yield stub
        client.meta.events.unregister("provide-client-params.dynamodb", stub.remember)
        stubber.assert_no_pending_responses()


@pytest.fixture
def table(dynamodb: DynamoDB) -> TicketTable:
    return TicketTable(dynamodb.client, "Tickets")


def test_registering_counts_an_attempt_and_keeps_what_was_first(dynamodb: DynamoDB, table: TicketTable) -> None:
    # GIVEN
    dynamodb.answers("update_item", {"Attributes": RECEIVED})
    # WHEN
    item = table.register(TICKET, NOW, 1_900_000_000)
    # THEN
    assert dynamodb.only == {
        "TableName": "Tickets",
        "Key": KEY,
        "UpdateExpression": (
            "SET #received_at = if_not_exists(#received_at, :received_at), #state = if_not_exists(#state, :state), "
            "#attempts = if_not_exists(#attempts, :zero) + :attempts, #attempted_at = :attempted_at, "
            "#expires_at = if_not_exists(#expires_at, :expires_at)"
        ),
        "ConditionExpression": "attribute_not_exists(#state) OR #state <> :erased",
        "ExpressionAttributeNames": {
            "#received_at": "received_at",
            "#state": "state",
            "#attempts": "attempts",
            "#attempted_at": "attempted_at",
            "#expires_at": "expires_at",
        },
        "ExpressionAttributeValues": {
            ":zero": {"N": "0"},
            ":erased": {"S": "erased"},
            ":received_at": {"S": NOW},
            ":state": {"S": "received"},
            ":attempts": {"N": "1"},
            ":attempted_at": {"S": NOW},
            ":expires_at": {"N": "1900000000"},
        },
        "ReturnValues": "ALL_NEW",
    }
    assert (item.ticket, item.state, item.received_at, item.attempts) == ("T-1", TicketState.RECEIVED, THEN, 1)


def test_where_nothing_expires_a_ticket_gets_no_time_to_live(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("update_item", {"Attributes": RECEIVED})
    table.register(TICKET, NOW, None)
    assert "expires_at" not in json.dumps(dynamodb.only)


def test_an_erased_ticket_is_not_registered_again(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.refuses("update_item", "ConditionalCheckFailedException")
    with pytest.raises(TicketErased):
        table.register(TICKET, NOW, None)


EVENT = {
    "ticket": {"S": "T-1"},
    "record": {"S": f"event#{NOW}#e1"},
    "event_id": {"S": "e1"},
    "event": {"S": "verification.completed"},
    "received_at": {"S": NOW},
}


@pytest.mark.parametrize(("expires_at", "more"), [(None, {}), (1_900_000_000, {"expires_at": {"N": "1900000000"}})])
def test_an_event_is_a_record_of_its_own_beside_the_ticket(
    dynamodb: DynamoDB, table: TicketTable, expires_at: int | None, more: dict[str, Any]
) -> None:
    dynamodb.answers("put_item", {})
    table.put_event(TICKET, "e1", NOW, "verification.completed", expires_at)
    assert dynamodb.only == {"TableName": "Tickets", "Item": {**EVENT, **more}}


CHANGES: dict[str, Any] = {
    "images": [IMAGE.as_dict()],
    "types": {"DOCUMENT": "stored"},
    "outcome": "ACCEPTED",
    "disposition": None,
    "confidence_score": Decimal("97.5"),
    "customer": "C-1",
    "details": {"n": Decimal(1), "gone": None},
    "details_sha256": "dd",
    "details_bytes": 9,
    "fetched_at": NOW,
    "expires_at": None,
    "version": "v2",
    "previous": "v1",
    "archived_at": NOW,
}


@pytest.mark.parametrize(
    ("item", "of_version", "values"),
    [
        (TicketItem(TICKET, TicketState.RECEIVED), "attribute_not_exists(#version)", {}),
        (TicketItem(TICKET, TicketState.ARCHIVED, version="v1"), "#version = :was", {":was": {"S": "v1"}}),
    ],
)
def test_a_ticket_is_archived_from_the_version_that_was_read_and_by_the_newest_fetch(
    dynamodb: DynamoDB, table: TicketTable, item: TicketItem, of_version: str, values: dict[str, Any]
) -> None:
    # GIVEN
    dynamodb.answers("update_item", {})
    # WHEN
    table.archive(item, CHANGES)
    # THEN
    present = {name: value for name, value in CHANGES.items() if value is not None} | {"state": "archived"}
    assert dynamodb.only["Key"] == KEY
    assert dynamodb.only["ConditionExpression"] == (
        f"{of_version} AND #state <> :erased AND (attribute_not_exists(#fetched_at) OR #fetched_at < :fetched_at)"
    )
    assert dynamodb.sets() == {name: f":{name}" for name in present}
    assert dynamodb.removes() == {
        "disposition",
        "expires_at",
        "incomplete",
        "retry_at",
        "resume",
        "last_error",
        "details_packed",
        "details_key",
    }
    assert dynamodb.only["ExpressionAttributeValues"] == {
        **{f":{name}": value for name, value in wire(present).items()},
        ":erased": {"S": "erased"},
        **values,
    }
    assert dynamodb.only["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


@pytest.mark.parametrize("place", ["details", "details_packed", "details_key"])
def test_details_are_in_one_place_only(dynamodb: DynamoDB, table: TicketTable, place: str) -> None:
    dynamodb.answers("update_item", {})
    table.archive(TicketItem(TICKET, TicketState.RECEIVED), {"fetched_at": NOW, "version": "v1", place: b"x"})
    assert {"details", "details_packed", "details_key"} - dynamodb.removes() == {place}


def test_details_that_were_not_fetched_again_stay(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("update_item", {})
    table.archive(TicketItem(TICKET, TicketState.INCOMPLETE), {"fetched_at": NOW, "version": "v1"})
    assert dynamodb.removes() == {"incomplete", "retry_at", "resume", "last_error"}


def test_what_is_missing_of_an_unfinished_ticket_lists_it_as_incomplete(dynamodb: DynamoDB, table: TicketTable) -> None:
    # GIVEN
    dynamodb.answers("update_item", {})
    changes: dict[str, Any] = {
        "details": {},
        "details_sha256": "dd",
        "fetched_at": NOW,
        "resume": "e1",
        "last_error": "x",
        "risk_code": None,
    }
    # WHEN
    table.mark_incomplete(TICKET, changes, LATER)
    # THEN
    assert dynamodb.only["ConditionExpression"] == (
        "#state IN (:was_received, :was_incomplete) "
        "AND (attribute_not_exists(#fetched_at) OR #fetched_at < :fetched_at)"
    )
    assert dynamodb.only["ExpressionAttributeValues"] == {
        ":details": {"M": {}},
        ":details_sha256": {"S": "dd"},
        ":fetched_at": {"S": NOW},
        ":resume": {"S": "e1"},
        ":last_error": {"S": "x"},
        ":state": {"S": "incomplete"},
        ":retry_at": {"S": LATER},
        ":incomplete": {"S": "yes"},
        ":was_received": {"S": "received"},
        ":was_incomplete": {"S": "incomplete"},
    }
    assert dynamodb.sets()["incomplete"] == ":incomplete"
    assert dynamodb.removes() == {"risk_code", "details_packed", "details_key"}


Write = Callable[[TicketTable], object]
WRITES: list[Write] = [
    lambda table: table.archive(TicketItem(TICKET, TicketState.ARCHIVED, version="v1"), CHANGES),
    lambda table: table.archive(TicketItem(TICKET, TicketState.RECEIVED), CHANGES),
    lambda table: table.mark_incomplete(TICKET, CHANGES, LATER),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("state", ["received", "incomplete", "archived", None])
def test_a_condition_that_fails_means_that_another_attempt_was_first(
    dynamodb: DynamoDB, table: TicketTable, write: Write, state: str | None
) -> None:
    dynamodb.refuses("update_item", "ConditionalCheckFailedException", wire({"state": state}) if state else None)
    with pytest.raises(WriteConflict) as refusal:
        write(table)
    assert str(refusal.value) == "superseded: ticket"


@pytest.mark.parametrize("write", WRITES)
def test_a_condition_that_fails_on_a_tombstone_means_that_the_ticket_is_erased(
    dynamodb: DynamoDB, table: TicketTable, write: Write
) -> None:
    dynamodb.refuses("update_item", "ConditionalCheckFailedException", wire({"state": "erased"}))
    with pytest.raises(TicketErased):
        write(table)


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ProvisionedThroughputExceededException", "ValidationException"]
)
@pytest.mark.parametrize("write", [*WRITES, lambda table: table.register(TICKET, NOW, None)])
def test_every_other_error_of_dynamodbs_is_raised_as_it_is(
    dynamodb: DynamoDB, table: TicketTable, write: Write, code: str
) -> None:
    dynamodb.refuses("update_item", code)
    with pytest.raises(ClientError) as refusal:
        write(table)
    assert refusal.value.response["Error"].get("Code") == code


def test_a_ticket_is_read_consistently(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("get_item", {"Item": RECEIVED})
    item = table.get(TICKET)
    assert dynamodb.only == {"TableName": "Tickets", "Key": KEY, "ConsistentRead": True}
    assert item is not None
    assert item.ticket == "T-1"


def test_an_unknown_ticket_is_none(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("get_item", {})
    assert table.get(TICKET) is None


def test_an_item_is_read_as_it_was_written() -> None:
    # GIVEN an archived item with details in each notation
    stored = {
        **{name: value for name, value in CHANGES.items() if value is not None},
        "ticket": TICKET,
        "record": "ticket",
        "state": "archived",
        "received_at": THEN,
        "attempts": 2,
        "requeues": 3,
        "resume": "e1",
        "details_packed": b"\x1f\x8b",
    }
    # WHEN
    item = read_item(wire(stored))
    # THEN
    assert item == TicketItem(
        ticket=TICKET,
        state=TicketState.ARCHIVED,
        version="v2",
        previous="v1",
        outcome="ACCEPTED",
        received_at=THEN,
        fetched_at=NOW,
        archived_at=NOW,
        details_sha256="dd",
        details_bytes=9,
        images=(IMAGE,),
        types={ImageType.DOCUMENT: TypeState.STORED},
        resume="e1",
        attempts=2,
        requeues=3,
        attributes=stored,
    )
    assert type(item.attributes["details_packed"]) is bytes
    assert type(item.images[0].bytes) is int


def test_an_items_repr_shows_no_details() -> None:
    item = read_item({**RECEIVED, **wire({"details": {"fullname": "Canary Doe"}, "customer": "Canary"})})
    assert "Canary" not in repr(item)


def test_incomplete_tickets_come_in_the_order_in_which_they_are_due(dynamodb: DynamoDB, table: TicketTable) -> None:
    # GIVEN
    listed = {"ticket": "T-1", "record": "ticket", "incomplete": "yes", "retry_at": NOW, "received_at": THEN}
    dynamodb.answers("query", {"Items": [wire(listed), wire({**listed, "ticket": "T-2", "requeues": 4})]})
    # WHEN
    found = table.incomplete(1000)
    # THEN the index's own order, ascending by its range key, is kept
    assert dynamodb.only == {
        "TableName": "Tickets",
        "IndexName": "incomplete",
        "KeyConditionExpression": "incomplete = :mark",
        "ExpressionAttributeValues": {":mark": {"S": "yes"}},
        "Limit": 1000,
    }
    assert found == [IncompleteTicket("T-1", NOW, THEN, 0), IncompleteTicket("T-2", NOW, THEN, 4)]


def test_the_mark_that_is_looked_for_is_the_mark_that_is_set(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("update_item", {})
    dynamodb.answers("query", {"Items": []})
    table.mark_incomplete(TICKET, {"fetched_at": NOW}, LATER)
    table.incomplete(1)
    update, query = dynamodb.asked
    assert update["ExpressionAttributeValues"][":incomplete"] == query["ExpressionAttributeValues"][":mark"]


WAITING = IncompleteTicket(TICKET, NOW, THEN, 4)


def test_a_due_ticket_is_claimed_by_moving_its_time(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("update_item", {})
    assert table.postpone(WAITING, LATER) is True
    assert dynamodb.only["ConditionExpression"] == "#retry_at = :was"
    assert dynamodb.sets() == {"requeues": ":requeues", "retry_at": ":retry_at"}
    assert dynamodb.removes() == set()
    assert dynamodb.only["ExpressionAttributeValues"] == {
        ":requeues": {"N": "5"},
        ":retry_at": {"S": LATER},
        ":was": {"S": NOW},
    }


def test_a_ticket_that_is_given_up_leaves_the_list(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("update_item", {})
    assert table.postpone(WAITING, None) is True
    assert dynamodb.only["ConditionExpression"] == "#retry_at = :was"
    assert dynamodb.sets() == {"requeues": ":requeues"}
    assert dynamodb.removes() == {"retry_at", "incomplete"}


@pytest.mark.parametrize("state", ["incomplete", "archived", "erased", None])
@pytest.mark.parametrize("retry_at", [LATER, None])
def test_a_ticket_that_changed_meanwhile_is_not_claimed(
    dynamodb: DynamoDB, table: TicketTable, state: str | None, retry_at: str | None
) -> None:
    dynamodb.refuses("update_item", "ConditionalCheckFailedException", wire({"state": state}) if state else None)
    assert table.postpone(WAITING, retry_at) is False


def listed(ticket: str) -> dict[str, Any]:
    return wire({"ticket": ticket, "record": "ticket", "state": "archived", "customer": "C-1", "archived_at": NOW})


def index_key(ticket: str, archived_at: str, customer: str = "C-1") -> dict[str, Any]:
    return wire({"ticket": ticket, "record": "ticket", "customer": customer, "archived_at": archived_at})


def test_a_customers_tickets_come_newest_first(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("query", {"Items": [listed("T-1"), listed("T-2")]})
    page = table.by_customer("C-1", 20, None)
    assert dynamodb.only == {
        "TableName": "Tickets",
        "IndexName": "by-customer",
        "KeyConditionExpression": "customer = :customer",
        "ExpressionAttributeValues": {":customer": {"S": "C-1"}},
        "ScanIndexForward": False,
        "Limit": 20,
    }
    assert [item.ticket for item in page.items] == ["T-1", "T-2"]
    assert page.cursor is None


def test_a_cursor_leads_to_where_the_page_ended(dynamodb: DynamoDB, table: TicketTable) -> None:
    # GIVEN a page that is not the last, the longest id included
    ticket = "a" * 128
    dynamodb.answers("query", {"Items": [], "LastEvaluatedKey": index_key(ticket, NOW)})
    dynamodb.answers("query", {"Items": []})
    # WHEN its cursor is handed back
    page = table.by_customer("C-1", 1, None)
    assert page.cursor is not None
    table.by_customer("C-1", 1, page.cursor)
    # THEN the next page begins there; the cursor fits a URL
    assert dynamodb.asked[1]["ExclusiveStartKey"] == index_key(ticket, NOW)
    assert re.fullmatch("[A-Za-z0-9_-]+", page.cursor)


def test_a_cursor_cannot_reach_another_customer(dynamodb: DynamoDB, table: TicketTable) -> None:
    dynamodb.answers("query", {"Items": [], "LastEvaluatedKey": index_key("T-1", NOW, "C-1")})
    dynamodb.answers("query", {"Items": []})
    cursor = table.by_customer("C-1", 1, None).cursor
    table.by_customer("C-2", 1, cursor)
    assert dynamodb.asked[1]["ExclusiveStartKey"] == index_key("T-1", NOW, "C-2")
    assert dynamodb.asked[1]["ExpressionAttributeValues"] == {":customer": {"S": "C-2"}}


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


FOREIGN = [
    "!",
    "a",
    "é",
    "\ud800",
    "\0",
    " ",
    "AAAA",
    cursor_of("not json"),
    cursor_of("{}"),
    cursor_of('"ab"'),
    cursor_of("[]"),
    cursor_of('["T-1"]'),
    cursor_of(f'["T-1","{NOW}","x"]'),
    cursor_of(f'["","{NOW}"]'),
    cursor_of('["T-1",""]'),
    cursor_of(f'["../T-1","{NOW}"]'),
    cursor_of(f'["{"a" * 129}","{NOW}"]'),
    cursor_of('["T-1","tomorrow"]'),
    cursor_of(f'["T-1\\ud800","{NOW}"]'),
    cursor_of(f'["T-1\ud800","{NOW}"]'),
    cursor_of(f'["T-1","{NOW}"]\n'),
    cursor_of(f'[1,"{NOW}"]'),
    cursor_of('["T-1",null]'),
    cursor_of("[" * 100_000),
    cursor_of(f'["T-1","{NOW}"]') + "!",
    cursor_of(f'["T-1","{NOW}"]') + "====",
]


@pytest.mark.parametrize("cursor", FOREIGN)
def test_a_cursor_that_is_not_ours_is_the_callers_mistake(dynamodb: DynamoDB, table: TicketTable, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        table.by_customer("C-1", 1, cursor)
    assert refusal.value.detail == "cursor"
    assert dynamodb.asked == []


@given(st.one_of(st.text(), st.text().map(cursor_of), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_no_invented_cursor_is_anything_worse(cursor: str) -> None:
    # GIVEN a table that nobody can reach: an empty cursor is none, another is refused before anything is asked
    table = TicketTable(None, "Tickets")  # type: ignore[arg-type]
    if cursor:
        with pytest.raises(InvalidRequest):
            table.by_customer("C-1", 1, cursor)
