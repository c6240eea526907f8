"""The table as operators use it: what the functions neither need nor may do, under the same conditions as theirs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ticket_archive.errors import InvalidRequest, TicketErased
from ticket_archive.models import TicketState
from ticket_archive.retention import NEVER
from ticket_archive.table import TICKET_RECORD, TicketItem, read_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_LISTED = ("ticket", "record", "state", "outcome", "received_at", "archived_at", "legal_hold")
_ERASED: Mapping[str, Any] = {":erased": {"S": TicketState.ERASED.value}}


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One accepted event of a ticket; `record` is its sort key, `name` the event's own."""

    record: str
    name: str
    received_at: str


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """What one page of a scan found among the `scanned` items that it read; `start` is where the next page begins."""

    items: Sequence[TicketItem]
    scanned: int
    start: Mapping[str, Any] | None = field(repr=False)


class Records:
    """Scans, holds and erases. Every method is one call to DynamoDB, but `events`, which goes through all pages."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def scan(self, state: TicketState | None, day: str | None, start: Mapping[str, Any] | None) -> ScannedPage:
        """One page of all tickets that are in `state`, or were archived on `day` (YYYY-MM-DD, UTC): ids and times only.

        No index answers these questions, so DynamoDB reads, and bills, whole items on the way.
        """
        filters = {"#record = :record": (":record", TICKET_RECORD)}
        if state is not None:
            filters["#state = :state"] = (":state", state.value)
        if day is not None:
            filters["begins_with(#archived_at, :day)"] = (":day", day)
        answer = self._client.scan(
            TableName=self._name,
            FilterExpression=" AND ".join(filters),
            ProjectionExpression=", ".join(f"#{name}" for name in _LISTED),
            ExpressionAttributeNames={f"#{name}": name for name in _LISTED},
            ExpressionAttributeValues={name: {"S": value} for name, value in filters.values()},
            **({"ExclusiveStartKey": start} if start else {}),  # type: ignore[arg-type]  # the stubs know no optional key
        )
        return ScannedPage(
            [read_item(item) for item in answer["Items"]], answer["ScannedCount"], answer.get("LastEvaluatedKey")
        )

    def events(self, ticket: str) -> Iterator[EventRecord]:
        """The ticket's accepted events, the oldest first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="ticket = :ticket AND begins_with(#record, :prefix)",
            ExpressionAttributeNames={"#record": "record"},
            ExpressionAttributeValues={":ticket": {"S": ticket}, ":prefix": {"S": "event#"}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield EventRecord(item["record"]["S"], item["event"]["S"], item["received_at"]["S"])

    def forget_event(self, ticket: str, record: str) -> None:
        """Deletes an event's record; one that is not there is no fault."""
        self._client.delete_item(TableName=self._name, Key={"ticket": {"S": ticket}, "record": {"S": record}})

    def erase(self, ticket: str, now: str) -> str:
        """Replaces the ticket's item by a tombstone; returns since when it is erased, which may be before `now`.

        The tombstone never expires: `TicketTable.register` refuses whatever comes late, a webhook or a redrive.
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
            old = _refusing(error)
            if old.get("state") == _ERASED[":erased"]:
                return str(old["erased_at"]["S"])
            raise InvalidRequest("legal_hold") from None
        return now

    def hold(self, ticket: str, now: str) -> str | None:
        """Puts a legal hold on the ticket, which `erase` and the table's time to live respect.

        Returns since when it is held, None where it is unknown. Raises TicketErased.
        """
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key=_key(ticket),
                UpdateExpression="SET legal_hold = if_not_exists(legal_hold, :now), expires_at = :never",
                ConditionExpression="attribute_exists(#state) AND #state <> :erased",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={**_ERASED, ":now": {"S": now}, ":never": {"N": str(NEVER)}},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if _refusing(error):
                raise TicketErased from None
            return None
        return str(answer["Attributes"]["legal_hold"]["S"])

    def release(self, ticket: str, end: int | None) -> bool | None:
        """Takes the legal hold off, so that the ticket ends then; says whether it was held, None where it is unknown.

        What is not held keeps the end that it has. Raises TicketErased.
        """
        try:
            self._end(ticket, TICKET_RECORD, end, "attribute_exists(legal_hold)", "legal_hold")
        except ClientError as error:
            old = _refusing(error)
            if old.get("state") == _ERASED[":erased"]:
                raise TicketErased from None
            return False if old else None
        return True

    def end_ticket(self, ticket: str, end: int | None) -> None:
        """Sets when the ticket's item ends, unless it is held, erased or gone meanwhile."""
        try:
            self._end(ticket, TICKET_RECORD, end, "attribute_exists(received_at) AND attribute_not_exists(legal_hold)")
        except ClientError as error:
            _refusing(error)

    def end_event(self, ticket: str, record: str, end: int | None) -> None:
        """Sets when an event's record ends; one that is gone meanwhile stays so."""
        try:
            self._end(ticket, record, end, "attribute_exists(event_id)")
        except ClientError as error:
            _refusing(error)

    def _end(self, ticket: str, record: str, end: int | None, condition: str, removed: str = "") -> None:
        """Sets `expires_at`, or removes it where there is no end; removes one attribute more."""
        removes = [name for name in (removed, "" if end is not None else "expires_at") if name]
        parts = ["SET expires_at = :end"] if end is not None else []
        parts += ["REMOVE " + ", ".join(removes)] if removes else []
        values: Any = {"ExpressionAttributeValues": {":end": {"N": str(end)}}} if end is not None else {}
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


def _refusing(error: ClientError) -> Mapping[str, Any]:
    """The item that a condition refused, empty where there is none. Every other error is raised again."""
    if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
        raise error
    old: Any = error.response.get("Item", {})
    return dict(old)
