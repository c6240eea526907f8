"""The operators' table: conditions in memory, and requests against botocore's Stubber."""

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.table import STATUS, OperatorTable
from tests.support.stubbing import client, stubbed
from tests.unit.ops.cli_harness import FakeStack
from ticket_archive.errors import InvalidRequest, TicketErased

NOW, BEFORE = "2026-01-31T12:00:00.000000Z", "2026-01-01T00:00:00.000000Z"


def key(ticket: str) -> dict[str, Any]:
    return {"ticket": {"S": ticket}, "record": {"S": "ticket"}}


RECEIVED = {**key("t1"), "state": {"S": "received"}}


def projection(names: tuple[str, ...]) -> dict[str, Any]:
    aliases = {f"#{name}": name for name in names}
    return {"ProjectionExpression": ", ".join(aliases), "ExpressionAttributeNames": aliases}


# ─── Conditions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tombstone_replaces_the_whole_item_and_keeps_its_first_time(fake: FakeStack) -> None:
    fake.add_ticket("t1", expires_at=7, customer="CANARY")
    tombstone = {"ticket": "t1", "record": "ticket", "state": "erased", "erased_at": BEFORE}
    assert [fake.table.erase("t1", now) for now in (BEFORE, NOW)] == [BEFORE, BEFORE]
    listed = {"customer": "CANARY", "archived_at": BEFORE}  # until everything else is deleted
    assert fake.dynamodb.records["t1", "ticket"] == {**tombstone, **listed}
    fake.table.forget_customer("t1")
    assert fake.dynamodb.records["t1", "ticket"] == tombstone


def test_a_hold_keeps_its_first_time_case_and_author_and_stops_an_erasure(fake: FakeStack) -> None:
    fake.add_ticket("t1")
    for given in ((BEFORE, "C-1", "first"), (NOW, "C-2", "second")):
        item = fake.table.hold("t1", *given)
    assert item is not None
    assert [item.attributes[f"legal_hold{name}"] for name in ("", "_case", "_by")] == [BEFORE, "C-1", "first"]
    with pytest.raises(InvalidRequest, match="legal_hold"):
        fake.table.erase("t1", NOW)


def test_an_erased_or_unknown_ticket_is_neither_held_nor_released(fake: FakeStack) -> None:
    fake.table.erase("t1", NOW)
    for change in (lambda: fake.table.hold("t1", NOW, None, "me"), lambda: fake.table.release("t1", 7)):
        with pytest.raises(TicketErased):
            change()
    assert fake.table.hold("unknown", NOW, None, "me") is None
    assert not fake.table.release("unknown", 7)


def test_an_expiry_is_set_on_existing_items_that_are_not_held(fake: FakeStack) -> None:
    fake.add_ticket("t1")
    fake.add_ticket("held", legal_hold=NOW)
    for ticket in ("t1", "held", "missing"):
        fake.table.set_ticket_expiry(ticket, 7)
        fake.table.set_event_expiry(ticket, "event#1#x", 8)
    found = {key: record.get("expires_at") for key, record in fake.dynamodb.records.items()}
    assert found == {("t1", "ticket"): 7, ("t1", "event#1#x"): 8, ("held", "ticket"): None, ("held", "event#1#x"): 8}


# ─── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────


TABLE = OperatorTable(client("dynamodb"), "Tickets")
dynamodb = stubbed("dynamodb")


def test_requests_have_the_form_that_dynamodb_takes(dynamodb: Stubber) -> None:
    changed = "ConditionalCheckFailedException"
    tombstone = {"state": {"S": "erased"}, "erased_at": {"S": BEFORE}}
    asked = {"TableName": "Tickets", "Key": key("t1"), "ConsistentRead": True, **projection(("customer",))}
    dynamodb.add_response("get_item", {}, asked)
    dynamodb.add_client_error("put_item", changed, modeled_fields={"Item": tombstone})
    dynamodb.add_response("get_item", {"Item": {}}, asked)
    dynamodb.add_client_error("put_item", "AccessDeniedException")
    dynamodb.add_response("update_item", {})
    dynamodb.add_response("update_item", {})
    dynamodb.add_client_error("update_item", changed)

    assert TABLE.erase("t1", NOW) == BEFORE
    with pytest.raises(ClientError, match="AccessDenied"):
        TABLE.erase("t1", NOW)
    TABLE.forget_customer("t1")
    assert TABLE.release("t1", None)
    TABLE.set_event_expiry("t1", "event#1#x", None)


def test_events_are_read_page_by_page(dynamodb: Stubber) -> None:
    for number in (1, 2):
        record, at = {"S": f"event#{number}#x"}, {"S": f"2026-01-0{number}T00:00:00Z"}
        more = {"LastEvaluatedKey": {"ticket": {"S": "t1"}, "record": record}} if number == 1 else {}
        dynamodb.add_response("query", {"Items": [{"record": record, "event": {"S": "e"}, "received_at": at}], **more})
    assert list(TABLE.events("t1")) == [
        {"record": "event#1#x", "event": "e", "received_at": "2026-01-01T00:00:00Z"},
        {"record": "event#2#x", "event": "e", "received_at": "2026-01-02T00:00:00Z"},
    ]


def test_a_ticket_is_read_without_content(dynamodb: Stubber) -> None:
    asked = {"TableName": "Tickets", "Key": key("t1"), "ConsistentRead": True, **projection(STATUS)}
    dynamodb.add_response("get_item", {"Item": RECEIVED}, asked)
    dynamodb.add_response("get_item", {}, asked)
    assert TABLE.without_content("t1") is not None
    assert TABLE.without_content("t1") is None


def test_a_scan_reads_no_content(dynamodb: Stubber) -> None:
    asked = {
        "TableName": "Tickets",
        "FilterExpression": "(#n0 = :v0 AND #n1 = :v1)",
        "ExpressionAttributeValues": {":v0": {"S": "ticket"}, ":v1": {"S": "received"}},
        **projection(STATUS),
    }
    asked["ExpressionAttributeNames"] |= {"#n0": "record", "#n1": "state"}
    answer = {"Items": [RECEIVED], "ScannedCount": 7}
    dynamodb.add_response("scan", {**answer, "LastEvaluatedKey": key("t1")}, asked)
    dynamodb.add_response("scan", answer, {**asked, "ExclusiveStartKey": key("t1")})
    pages = list(TABLE.scan(Attr("state").eq("received")))
    found = [([item.ticket for item in items], scanned, more) for items, scanned, more in pages]
    assert found == [(["t1"], 7, True), (["t1"], 7, False)]
