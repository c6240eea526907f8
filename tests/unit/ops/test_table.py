"""The operators' table against botocore's Stubber: what counts are the conditions."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.table import STATUS, SUMMARY, EventRecord, Filter, OperatorTable
from ticket_archive.errors import InvalidRequest, TicketErased

KEY = {"ticket": {"S": "t1"}, "record": {"S": "ticket"}}
PROJECTION = ", ".join(f"#{name}" for name in SUMMARY)
NOW = "2026-01-31T12:00:00.000000Z"
TOMBSTONE = {**KEY, "state": {"S": "erased"}, "erased_at": {"S": "2026-01-01T00:00:00.000000Z"}}


class Stub:
    def __init__(self) -> None:
        client = boto3.client("dynamodb", aws_access_key_id="a", aws_secret_access_key="b")
        self.records = OperatorTable(client, "Tickets")
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


ARCHIVED = {**KEY, "state": {"S": "archived"}}


@pytest.mark.parametrize(
    ("method", "arguments", "old", "outcome"),
    [
        ("erase", [NOW], TOMBSTONE, "2026-01-01T00:00:00.000000Z"),
        ("erase", [NOW], {**ARCHIVED, "legal_hold": {"S": NOW}}, InvalidRequest),
        ("hold", [NOW, "C-1", "me"], None, None),
        ("hold", [NOW, "C-1", "me"], TOMBSTONE, TicketErased),
        ("release", [7], ARCHIVED, False),
        ("release", [7], None, None),
        ("release", [7], TOMBSTONE, TicketErased),
    ],
)
def test_a_condition_that_fails_says_what_the_ticket_is(
    stub: Stub, method: str, arguments: list[Any], old: dict[str, Any] | None, outcome: Any
) -> None:
    stub.refuses("put_item" if method == "erase" else "update_item", old)
    change = partial(getattr(stub.records, method), "t1", *arguments)

    if isinstance(outcome, type):
        with pytest.raises(outcome):
            change()
    else:
        assert change() == outcome


@pytest.mark.parametrize("method", ["erase", "hold"])
def test_another_error_is_raised(stub: Stub, method: str) -> None:
    stub.stubber.add_client_error("put_item" if method == "erase" else "update_item", "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(stub.records, method)("t1", NOW, *(["C-1", "me"] if method == "hold" else []))


def test_a_hold_keeps_its_first_time_case_and_author(stub: Stub) -> None:
    answer = {"Attributes": {**KEY, "state": {"S": "archived"}, "legal_hold": {"S": "2026-01-01T00:00:00Z"}}}
    asked = {
        "TableName": "Tickets",
        "Key": KEY,
        "UpdateExpression": "SET legal_hold = if_not_exists(legal_hold, :now), "
        "legal_hold_by = if_not_exists(legal_hold_by, :by), legal_hold_case = if_not_exists(legal_hold_case, :case), "
        "expires_at = :never",
        "ConditionExpression": "attribute_exists(#state) AND #state <> :erased",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":erased": {"S": "erased"},
            ":now": {"S": NOW},
            ":never": {"N": "253402300799"},
            ":by": {"S": "me"},
            ":case": {"S": "C-1"},
        },
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    stub.stubber.add_response("update_item", answer, asked)

    assert stub.records.hold("t1", NOW, "C-1", "me") == "2026-01-01T00:00:00Z"


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
    [
        (7, "SET expires_at = :end REMOVE legal_hold, legal_hold_case, legal_hold_by"),
        (None, "REMOVE legal_hold, legal_hold_case, legal_hold_by, expires_at"),
    ],
)
def test_a_release_sets_the_expiry_and_removes_the_holds_attributes(stub: Stub, end: int | None, changes: str) -> None:
    stub.stubber.add_response("update_item", {}, ends("ticket", "attribute_exists(legal_hold)", changes, end))

    assert stub.records.release("t1", end) is True


@pytest.mark.parametrize(("end", "changes"), [(7, "SET expires_at = :end"), (None, "REMOVE expires_at")])
def test_an_expiry_is_set_on_existing_items_that_are_not_held(stub: Stub, end: int | None, changes: str) -> None:
    free = "attribute_exists(received_at) AND attribute_not_exists(legal_hold)"
    stub.stubber.add_response("update_item", {}, ends("ticket", free, changes, end))
    stub.stubber.add_response("update_item", {}, ends("event#1#x", "attribute_exists(event_id)", changes, end))

    stub.records.set_ticket_expiry("t1", end)
    stub.records.set_event_expiry("t1", "event#1#x", end)


def test_a_held_or_missing_item_gets_no_expiry(stub: Stub) -> None:
    stub.refuses("update_item", {**KEY, "legal_hold": {"S": NOW}})
    stub.refuses("update_item", None)

    stub.records.set_ticket_expiry("t1", 7)
    stub.records.set_event_expiry("t1", "event#1#x", 7)


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


def test_a_ticket_is_read_without_content(stub: Stub) -> None:
    asked = {
        "TableName": "Tickets",
        "Key": KEY,
        "ConsistentRead": True,
        "ProjectionExpression": ", ".join(f"#{name}" for name in STATUS),
        "ExpressionAttributeNames": {f"#{name}": name for name in STATUS},
    }
    stub.stubber.add_response("get_item", {"Item": {**KEY, "state": {"S": "received"}}}, asked)
    stub.stubber.add_response("get_item", {}, asked)

    assert stub.records.without_content("t1") is not None
    assert stub.records.without_content("t1") is None


def test_a_scan_reads_codes_and_times_only(stub: Stub) -> None:
    asked = {
        "TableName": "Tickets",
        "FilterExpression": "#record = :record AND #state = :state",
        "ProjectionExpression": PROJECTION,
        "ExpressionAttributeNames": {f"#{name}": name for name in SUMMARY},
        "ExpressionAttributeValues": {":record": {"S": "ticket"}, ":state": {"S": "received"}},
        "ExclusiveStartKey": KEY,
    }
    stub.stubber.add_response("scan", {"Items": [{**KEY, "state": {"S": "received"}}], "ScannedCount": 7}, asked)

    page = stub.records.scan([Filter("#state = :state", {":state": {"S": "received"}})], KEY)

    assert ([item.ticket for item in page.items], page.scanned, page.start) == (["t1"], 7, None)


def test_summaries_are_read_in_batches_of_a_hundred_and_again_if_unprocessed(stub: Stub) -> None:
    tickets = [f"t{number}" for number in range(101)]

    def key(ticket: str) -> dict[str, Any]:
        return {"ticket": {"S": ticket}, "record": {"S": "ticket"}}

    def asked(*keys: str) -> dict[str, Any]:
        names = {f"#{name}": name for name in SUMMARY}
        request = {"Keys": list(map(key, keys)), "ProjectionExpression": PROJECTION, "ExpressionAttributeNames": names}
        return {"RequestItems": {"Tickets": request}}

    def found(*keys: str) -> dict[str, Any]:
        return {"Tickets": [{**key(each), "state": {"S": "received"}} for each in keys]}

    unprocessed = {"Tickets": {"Keys": [key("t0")]}}
    stub.stubber.add_response(
        "batch_get_item", {"Responses": found(*tickets[1:100]), "UnprocessedKeys": unprocessed}, asked(*tickets[:100])
    )
    stub.stubber.add_response("batch_get_item", {"Responses": found("t0")}, asked("t0", "t100"))

    assert [item.ticket for item in stub.records.summaries(tickets)] == tickets[:100]
