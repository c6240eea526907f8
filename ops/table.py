"""The ticket table with the operators' operations: scan, list, hold, release and erase."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ticket_archive.errors import InvalidRequest, TicketErased
from ticket_archive.models import TicketState
from ticket_archive.retention import NEVER
from ticket_archive.table import TICKET_RECORD, TicketItem, projection, read_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

SUMMARY = (
    "ticket",
    "record",
    "state",
    "outcome",
    "complete",
    "received_at",
    "archived_at",
    "attempts",
    "retry_at",
    "types",
    "missing",
    "last_error",
    "legal_hold",
)
"""The attributes that a list reads: ids, states, times and codes, no content."""
STATUS = (
    *SUMMARY,
    "version",
    "previous",
    "fetched_at",
    "attempted_at",
    "requeues",
    "expires_at",
    "erased_at",
    "disposition",
    "legal_hold_case",
    "legal_hold_by",
    "images",
    "unrecognized",
    "details_sha256",
    "details_bytes",
    "details_key",
)
"""Every attribute of a ticket that holds no content: `details`, `details_packed` and `customer` are left out."""
EVENT = ("record", "event", "received_at")
"""The attributes of an event that are read."""
_SUMMARY = projection(SUMMARY)
_BATCH = 100  # the limit of BatchGetItem
_ERASED: Mapping[str, Any] = {":erased": {"S": TicketState.ERASED.value}}
_HOLD = ("legal_hold", "legal_hold_case", "legal_hold_by")


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on items: a filter expression over `SUMMARY` and its values."""

    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One accepted event of a ticket. `record` is its sort key, `name` the event's name."""

    record: str
    name: str
    received_at: str


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """One page of a scan: the matching items, how many were read, and where the next page begins."""

    items: Sequence[TicketItem]
    scanned: int
    start: Mapping[str, Any] | None = field(repr=False)


class OperatorTable:
    """Scans, holds and erases tickets, under the same conditions as the functions' own writes."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def scan(self, filters: Iterable[Filter], start: Mapping[str, Any] | None) -> ScannedPage:
        """Return one page of the tickets that match every filter, with the attributes of `SUMMARY`.

        No index answers these questions: DynamoDB reads, and charges for, whole items.
        """
        every = [Filter("#record = :record", {":record": {"S": TICKET_RECORD}}), *filters]
        answer = self._client.scan(
            TableName=self._name,
            FilterExpression=" AND ".join(each.expression for each in every),
            ExpressionAttributeValues={name: value for each in every for name, value in each.values.items()},
            **_SUMMARY,
            **({"ExclusiveStartKey": start} if start else {}),  # type: ignore[arg-type]  # the stubs know no optional key
        )
        return ScannedPage(
            [read_item(item) for item in answer["Items"]], answer["ScannedCount"], answer.get("LastEvaluatedKey")
        )

    def summaries(self, tickets: Sequence[str]) -> list[TicketItem]:
        """Return the tickets with the attributes of `SUMMARY`, in the order given. Missing ones are left out."""
        found: dict[str, TicketItem] = {}
        waiting = [_key(ticket) for ticket in tickets]
        while waiting:
            keys: Any = waiting[:_BATCH]
            request: Any = {self._name: {"Keys": keys, **_SUMMARY}}
            answer: Any = self._client.batch_get_item(RequestItems=request)
            for item in answer["Responses"].get(self._name, ()):
                found[item["ticket"]["S"]] = read_item(item)
            waiting = [*answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", ()), *waiting[_BATCH:]]
        return [found[ticket] for ticket in tickets if ticket in found]

    def without_content(self, ticket: str) -> TicketItem | None:
        """Return the ticket with the attributes of `STATUS`, or None if it is unknown."""
        answer = self._client.get_item(
            TableName=self._name, Key=_key(ticket), ConsistentRead=True, **projection(STATUS)
        )
        return read_item(answer["Item"]) if "Item" in answer else None

    def events(self, ticket: str) -> Iterator[EventRecord]:
        """Return the ticket's accepted events, oldest first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="ticket = :ticket AND begins_with(#record, :prefix)",
            ExpressionAttributeValues={":ticket": {"S": ticket}, ":prefix": {"S": "event#"}},
            ConsistentRead=True,
            **projection(EVENT),
        )
        for page in pages:
            for item in page["Items"]:
                yield EventRecord(item["record"]["S"], item["event"]["S"], item["received_at"]["S"])

    def delete_event(self, ticket: str, record: str) -> None:
        """Delete an event's record. A missing record is no error."""
        self._client.delete_item(TableName=self._name, Key={"ticket": {"S": ticket}, "record": {"S": record}})

    def erase(self, ticket: str, now: str) -> str:
        """Replace the ticket's item by a tombstone; return when it was erased, which may be before `now`.

        The tombstone never expires: `TicketTable.register` refuses a late webhook or redrive because of it.
        Raises InvalidRequest("legal_hold").
        """
        try:
            self._client.put_item(
                TableName=self._name,
                Item={**_key(ticket), "state": _ERASED[":erased"], "erased_at": {"S": now}},
                ConditionExpression=(
                    "attribute_not_exists(legal_hold) AND (attribute_not_exists(#state) OR #state <> :erased)"
                ),
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=_ERASED,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            old = _old_item(error)
            if old.get("state") == _ERASED[":erased"]:
                return str(old["erased_at"]["S"])
            raise InvalidRequest("legal_hold") from None
        return now

    def hold(self, ticket: str, now: str, case: str | None, by: str) -> str | None:
        """Put a legal hold on the ticket, which stops `erase` and the table's time to live.

        A ticket that is held already keeps its first date, case and author. Returns since when it is held, or None if
        there is no such ticket. Raises TicketErased.
        """
        values: dict[str, Any] = {":now": {"S": now}, ":by": {"S": by}, ":never": {"N": str(NEVER)}}
        sets = "legal_hold = if_not_exists(legal_hold, :now), legal_hold_by = if_not_exists(legal_hold_by, :by)"
        if case is not None:
            sets += ", legal_hold_case = if_not_exists(legal_hold_case, :case)"
            values[":case"] = {"S": case}
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key=_key(ticket),
                UpdateExpression=f"SET {sets}, expires_at = :never",
                ConditionExpression="attribute_exists(#state) AND #state <> :erased",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={**_ERASED, **values},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _old_item(error):
                raise TicketErased from None
            return None
        return str(answer["Attributes"]["legal_hold"]["S"])

    def release(self, ticket: str, expires_at: int | None) -> bool | None:
        """Remove the legal hold and set the ticket's expiry; return whether it was held, None if there is no ticket.

        A ticket that is not held keeps its expiry. Raises TicketErased.
        """
        try:
            self._set_expiry(ticket, TICKET_RECORD, expires_at, "attribute_exists(legal_hold)", _HOLD)
        except ClientError as error:
            old = _old_item(error)
            if old.get("state") == _ERASED[":erased"]:
                raise TicketErased from None
            return False if old else None
        return True

    def set_ticket_expiry(self, ticket: str, expires_at: int | None) -> None:
        """Set when the ticket's item expires, unless it is held, erased or gone."""
        condition = "attribute_exists(received_at) AND attribute_not_exists(legal_hold)"
        try:
            self._set_expiry(ticket, TICKET_RECORD, expires_at, condition)
        except ClientError as error:
            _old_item(error)

    def set_event_expiry(self, ticket: str, record: str, expires_at: int | None) -> None:
        """Set when an event's record expires, unless it is gone."""
        try:
            self._set_expiry(ticket, record, expires_at, "attribute_exists(event_id)")
        except ClientError as error:
            _old_item(error)

    def _set_expiry(
        self, ticket: str, record: str, expires_at: int | None, condition: str, removes: Sequence[str] = ()
    ) -> None:
        """Set or remove `expires_at`, and remove other attributes."""
        removes = [*removes, *(["expires_at"] if expires_at is None else [])]
        parts = ["SET expires_at = :end"] if expires_at is not None else []
        parts += ["REMOVE " + ", ".join(removes)] if removes else []
        values: Any = {"ExpressionAttributeValues": {":end": {"N": str(expires_at)}}} if expires_at is not None else {}
        self._client.update_item(
            TableName=self._name,
            Key={"ticket": {"S": ticket}, "record": {"S": record}},
            UpdateExpression=" ".join(parts),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **values,
        )


def _key(ticket: str) -> dict[str, dict[str, str]]:
    return {"ticket": {"S": ticket}, "record": {"S": TICKET_RECORD}}


def _old_item(error: ClientError) -> Mapping[str, Any]:
    """Return the item that failed a condition, empty if there is none. Raises every other error again."""
    if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
        raise error
    old: Any = error.response.get("Item", {})
    return dict(old)
