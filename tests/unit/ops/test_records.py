"""The table as operators use it, against botocore's Stubber: the conditions are what counts."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from ops.records import EventRecord, Records
from ticket_archive.errors import InvalidRequest, TicketErased
from ticket_archive.models import TicketState

KEY = {"ticket": {"S": "t1"}, "record": {"S": "ticket"}}
NOW = "2026-01-31T12:00:00.000000Z"
TOMBSTONE = {**KEY, "state": {"S": "erased"}, "erased_at": {"S": "2026-01-01T00:00:00.000000Z"}}


class Stub:
    def __init__(self) -> None:
        client = boto3.client("dynamodb", aws_access_key_id="a", aws_secret_access_key="b")
        self.records = Records(client, "Tickets")
        self.stubber = Stubber(client)

    def refuses(self, operation: str, old: dict[str, Any] | None) -> None:
        self.stubber.add_client_error(
            operation, "ConditionalCheckFailedException", modeled_fields={"Item": old} if old else {}
        )


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


def test_the_tombstone_replaces_the_whole_item_and_never_expires(stub: Stub) -> None:
    asked = {
        "TableName": "Tickets",
        "Item": {**KEY, "state": {"S": "erased"}, "erased_at": {"S": NOW}},
        "ConditionExpression": "attribute_not_exists(legal_hold) AND "
        "(attribute_not_exists(#state) OR #state <> :erased)",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":erased": {"S": "erased"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    stub.stubber.add_response("put_item", {}, asked)

    assert stub.records.erase("t1", NOW) == NOW


def test_an_erased_ticket_keeps_the_time_of_its_erasure(stub: Stub) -> None:
    stub.refuses("put_item", TOMBSTONE)

    assert stub.records.erase("t1", NOW) == "2026-01-01T00:00:00.000000Z"


def test_a_legal_hold_refuses_the_tombstone(stub: Stub) -> None:
    stub.refuses("put_item", {**KEY, "state": {"S": "archived"}, "legal_hold": {"S": NOW}})

    with pytest.raises(InvalidRequest, match="legal_hold"):
        stub.records.erase("t1", NOW)


@pytest.mark.parametrize("method", ["erase", "hold"])
def test_any_other_refusal_passes_through(stub: Stub, method: str) -> None:
    stub.stubber.add_client_error("put_item" if method == "erase" else "update_item", "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(stub.records, method)("t1", NOW)


def test_a_hold_keeps_its_first_time(stub: Stub) -> None:
    answer = {"Attributes": {**KEY, "state": {"S": "archived"}, "legal_hold": {"S": "2026-01-01T00:00:00Z"}}}
    asked = {
        "TableName": "Tickets",
        "Key": KEY,
        "UpdateExpression": "SET legal_hold = if_not_exists(legal_hold, :now), expires_at = :never",
        "ConditionExpression": "attribute_exists(#state) AND #state <> :erased",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {":erased": {"S": "erased"}, ":now": {"S": NOW}, ":never": {"N": "253402300799"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    stub.stubber.add_response("update_item", answer, asked)

    assert stub.records.hold("t1", NOW) == "2026-01-01T00:00:00Z"


def ends(record: str, condition: str, changes: str, end: int | None) -> dict[str, Any]:
    values = {} if end is None else {"ExpressionAttributeValues": {":end": {"N": str(end)}}}
    return {
        "TableName": "Tickets",
        "Key": {"ticket": {"S": "t1"}, "record": {"S": record}},
        "UpdateExpression": changes,
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **values,
    }


@pytest.mark.parametrize(
    ("end", "changes"),
    [(7, "SET expires_at = :end REMOVE legal_hold"), (None, "REMOVE legal_hold, expires_at")],
)
def test_a_release_gives_the_ticket_its_end_again(stub: Stub, end: int | None, changes: str) -> None:
    stub.stubber.add_response("update_item", {}, ends("ticket", "attribute_exists(legal_hold)", changes, end))

    assert stub.records.release("t1", end) is True


@pytest.mark.parametrize(("old", "was_held"), [({**KEY, "state": {"S": "archived"}}, False), (None, None)])
def test_what_is_not_held_keeps_its_end(stub: Stub, old: dict[str, Any] | None, was_held: bool | None) -> None:
    stub.refuses("update_item", old)

    assert stub.records.release("t1", 7) is was_held


def test_an_erased_ticket_is_not_released(stub: Stub) -> None:
    stub.refuses("update_item", TOMBSTONE)

    with pytest.raises(TicketErased):
        stub.records.release("t1", 7)


@pytest.mark.parametrize(("end", "changes"), [(7, "SET expires_at = :end"), (None, "REMOVE expires_at")])
def test_an_end_is_set_where_there_is_something_to_end_that_is_not_held(
    stub: Stub, end: int | None, changes: str
) -> None:
    free = "attribute_exists(received_at) AND attribute_not_exists(legal_hold)"
    stub.stubber.add_response("update_item", {}, ends("ticket", free, changes, end))
    stub.stubber.add_response("update_item", {}, ends("event#1#x", "attribute_exists(event_id)", changes, end))

    stub.records.end_ticket("t1", end)
    stub.records.end_event("t1", "event#1#x", end)


def test_what_is_held_or_gone_meanwhile_gets_no_end(stub: Stub) -> None:
    stub.refuses("update_item", {**KEY, "legal_hold": {"S": NOW}})
    stub.refuses("update_item", None)

    stub.records.end_ticket("t1", 7)
    stub.records.end_event("t1", "event#1#x", 7)


def test_no_hold_makes_an_unknown_ticket_known(stub: Stub) -> None:
    stub.refuses("update_item", None)

    assert stub.records.hold("t1", NOW) is None


def test_an_erased_ticket_takes_no_hold(stub: Stub) -> None:
    stub.refuses("update_item", TOMBSTONE)

    with pytest.raises(TicketErased):
        stub.records.hold("t1", NOW)


def test_events_are_read_page_by_page(stub: Stub) -> None:
    def event(number: int) -> dict[str, Any]:
        record, at = f"event#{number}#x", f"2026-01-0{number}T00:00:00Z"
        return {"ticket": {"S": "t1"}, "record": {"S": record}, "event": {"S": "e"}, "received_at": {"S": at}}

    last = {"ticket": {"S": "t1"}, "record": {"S": "event#1#x"}}
    stub.stubber.add_response("query", {"Items": [event(1)], "LastEvaluatedKey": last})
    stub.stubber.add_response("query", {"Items": [event(2)]})

    assert list(stub.records.events("t1")) == [
        EventRecord("event#1#x", "e", "2026-01-01T00:00:00Z"),
        EventRecord("event#2#x", "e", "2026-01-02T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("state", "day", "condition"),
    [
        (TicketState.RECEIVED, None, "#record = :record AND #state = :state"),
        (None, "2026-01-31", "#record = :record AND begins_with(#archived_at, :day)"),
    ],
)
def test_a_scan_asks_for_ids_and_times_only(
    stub: Stub, state: TicketState | None, day: str | None, condition: str
) -> None:
    asked = {
        "TableName": "Tickets",
        "FilterExpression": condition,
        "ProjectionExpression": "#ticket, #record, #state, #outcome, #received_at, #archived_at, #legal_hold",
        "ExpressionAttributeNames": ANY,
        "ExpressionAttributeValues": ANY,
        "ExclusiveStartKey": KEY,
    }
    stub.stubber.add_response("scan", {"Items": [{**KEY, "state": {"S": "received"}}], "ScannedCount": 7}, asked)

    page = stub.records.scan(state, day, KEY)

    assert ([item.ticket for item in page.items], page.scanned, page.start) == (["t1"], 7, None)
