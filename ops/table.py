"""The ticket table with the operators' operations: scan, list, hold, release and erase."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import TypeSerializer

from ticket_archive.errors import InvalidRequest, TicketErased, WriteConflict
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.retention import NEVER
from ticket_archive.table import TICKET_RECORD, TicketTable, item_key, projection, read_item

STATUS = (
    "ticket", "record", "state", "outcome", "complete", "received_at", "archived_at", "attempts", "retry_at",
    "types", "missing", "last_error", "legal_hold", "version", "previous", "fetched_at", "attempted_at", "requeues",
    "expires_at", "erased_at", "disposition", "legal_hold_case", "legal_hold_by", "images", "unrecognized",
    "details_sha256", "details_bytes", "details_key",
)  # fmt: skip
"""Every attribute of a ticket that holds no content: `details`, `details_packed` and `customer` are left out."""
EVENT = ("record", "event", "received_at")
"""The sort key, name and time of an event."""
_PAGE = 100
_serialize = TypeSerializer().serialize


class OperatorTable(TicketTable):
    """Scans, holds and erases tickets, under the same conditions as the functions' own writes."""

    def scan(self, *conditions: ConditionBase) -> Iterator[tuple[list[TicketItem], int, bool]]:
        """Return the tickets that match every condition, page by page, with the attributes of `STATUS`.

        Each page also has the number of items that were read, and whether there are more pages. There is no index for
        the conditions: DynamoDB reads, and charges for, whole items.
        """
        every: ConditionBase = Attr("record").eq(TICKET_RECORD)
        for condition in conditions:
            every &= condition
        filtered = ConditionExpressionBuilder().build_expression(every)
        read = projection(STATUS)
        read["ExpressionAttributeNames"] |= filtered.attribute_name_placeholders
        values = filtered.attribute_value_placeholders
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._name,
            FilterExpression=filtered.condition_expression,
            ExpressionAttributeValues={name: _serialize(value) for name, value in values.items()},
            **read,
        )
        for page in pages:
            yield [read_item(item) for item in page["Items"]], page["ScannedCount"], "LastEvaluatedKey" in page

    def of_customer(self, customer: str) -> Iterator[str]:
        """Return the ids of a customer's tickets, whatever their state, newest first, each once."""
        seen: set[str] = set()
        cursor = None
        while True:
            items, cursor = self.by_customer(customer, _PAGE, cursor)
            found = [item.ticket for item in items if item.ticket not in seen]
            yield from found
            seen.update(found)
            if cursor is None:
                return

    def without_content(self, ticket: str) -> TicketItem | None:
        """Return the ticket with the attributes of `STATUS`, or None if it is unknown."""
        answer = self._client.get_item(
            TableName=self._name, Key=item_key(ticket), ConsistentRead=True, **projection(STATUS)
        )
        return read_item(answer["Item"]) if "Item" in answer else None

    def events(self, ticket: str) -> Iterator[dict[str, str]]:
        """Return the ticket's accepted events, oldest first, with the attributes of `EVENT`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="ticket = :ticket AND begins_with(#record, :prefix)",
            ExpressionAttributeValues={":ticket": {"S": ticket}, ":prefix": {"S": "event#"}},
            ConsistentRead=True,
            **projection(EVENT),
        )
        for page in pages:
            for item in page["Items"]:
                yield {name: item[name]["S"] for name in EVENT}

    def delete_event(self, ticket: str, record: str) -> None:
        """Delete an event's record. A missing record is no error."""
        self._client.delete_item(TableName=self._name, Key=item_key(ticket, record))

    def erase(self, ticket: str, now: str) -> str:
        """Replace the ticket's item by a tombstone; return when it was erased, which may be before `now`.

        The tombstone never expires: `TicketTable.begin` refuses a late webhook or redrive because of it. Until
        `forget_customer`, it is in the index by customer: an erasure that did not end is found again by its customer.
        Raises InvalidRequest("legal_hold").
        """
        answer = self._client.get_item(
            TableName=self._name, Key=item_key(ticket), ConsistentRead=True, **projection(["customer"])
        )
        customer: Any = answer.get("Item")
        listed = {**customer, "archived_at": {"S": now}} if customer else {}
        tombstone = {**item_key(ticket), "state": {"S": TicketState.ERASED.value}, "erased_at": {"S": now}}
        try:
            self._client.put_item(
                TableName=self._name,
                Item={**listed, **tombstone},
                ConditionExpression=(
                    "attribute_not_exists(#legal_hold) AND (attribute_not_exists(#state) OR #state <> :erased)"
                ),
                ExpressionAttributeNames={"#legal_hold": "legal_hold", "#state": "state"},
                ExpressionAttributeValues={":erased": {"S": TicketState.ERASED.value}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            old: Any = error.response.get("Item", {})
            if "erased_at" in old:
                return str(old["erased_at"]["S"])
            raise InvalidRequest("legal_hold") from None
        return now

    def forget_customer(self, ticket: str) -> None:
        """Remove the customer from the ticket's tombstone, when everything else of the ticket is deleted."""
        removed = {"customer": None, "archived_at": None}
        self._update(ticket, removed, "#state = :erased", {":erased": TicketState.ERASED.value})

    def hold(self, ticket: str, now: str, case: str | None, by: str) -> TicketItem | None:
        """Put a legal hold on the ticket, which stops `erase` and the table's time to live.

        A ticket that is held already keeps its first date, case and author. Returns the held ticket, or None if there
        is no such ticket. Raises TicketErased.
        """
        defaults = {"legal_hold": now, "legal_hold_by": by, "legal_hold_case": case}
        condition, values = "attribute_exists(#state) AND #state <> :erased", {":erased": TicketState.ERASED.value}
        try:
            self._update(ticket, {"expires_at": NEVER}, condition, values, defaults)
        except WriteConflict:
            return None
        return self.without_content(ticket)

    def release(self, ticket: str, expires_at: int | None) -> bool:
        """Remove a held ticket's hold and set its expiry; return whether it was held. Raises TicketErased."""
        changes = {"expires_at": expires_at, **dict.fromkeys(("legal_hold", "legal_hold_case", "legal_hold_by"))}
        try:
            self._update(ticket, changes, "attribute_exists(#legal_hold)", {})
        except WriteConflict:
            return False
        return True

    def set_ticket_expiry(self, ticket: str, expires_at: int | None) -> bool:
        """Set when the ticket's item expires, unless it is held, erased or gone; return whether it was set."""
        condition = "attribute_exists(#received_at) AND attribute_not_exists(#legal_hold)"
        with suppress(WriteConflict, TicketErased):
            self._update(ticket, {"expires_at": expires_at}, condition, {})
            return True
        return False

    def is_held(self, ticket: str) -> bool:
        """Return whether the ticket is under a legal hold."""
        item = self.without_content(ticket)
        return item is not None and "legal_hold" in item.attributes

    def set_event_expiry(self, ticket: str, record: str, expires_at: int | None) -> None:
        """Set when an event's record expires, unless it is gone."""
        with suppress(WriteConflict):
            self._update(ticket, {"expires_at": expires_at}, "attribute_exists(#event_id)", {}, record=record)
