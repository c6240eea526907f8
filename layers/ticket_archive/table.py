"""The table: one item per ticket (`record` = "ticket") and one per accepted event, written under conditions.

The conditions are the last authority on what happened: they hold when queues repeat, functions crash and caches forget.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ticket_archive.attributes import from_attribute, to_attribute
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.errors import InvalidRequest, TicketErased, WriteConflict
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

TICKET_RECORD = "ticket"
BY_CUSTOMER = "by-customer"
INCOMPLETE = "incomplete"
_INCOMPLETE_MARK = "yes"  # the sparse index's only partition: items without the attribute are not in it
_NEWEST_FETCH = "(attribute_not_exists(#fetched_at) OR #fetched_at < :fetched_at)"
_CURSOR = re.compile(r'\["(?P<ticket>[A-Za-z0-9_-]{1,128})","(?P<archived_at>[0-9TZ:.+-]{1,40})"\]')


@dataclass(frozen=True, slots=True)
class TicketItem:
    """A ticket as the table knows it. Times are ISO 8601 UTC; `attributes` is the whole item, details included.

    `expires_at` is in epoch seconds: see `ticket_archive.retention`.
    """

    ticket: str
    state: TicketState
    version: str | None = None
    previous: str | None = None
    outcome: str | None = None
    received_at: str | None = None
    fetched_at: str | None = None
    archived_at: str | None = None
    details_sha256: str | None = None
    details_bytes: int = 0
    images: tuple[StoredImage, ...] = ()
    types: Mapping[ImageType, TypeState] = field(default_factory=dict)
    resume: str | None = None
    attempts: int = 0
    requeues: int = 0
    expires_at: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class IncompleteTicket:
    """An incomplete ticket, as the sparse index lists it."""

    ticket: str
    retry_at: str
    received_at: str
    requeues: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a customer's tickets, and where the next one begins."""

    items: Sequence[TicketItem]
    cursor: str | None


class TicketTable:
    """Reads and writes tickets. Every method is one call to DynamoDB."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def register(self, ticket: str, now: str, expires_at: int | None) -> TicketItem:
        """Counts an attempt, makes the ticket known if it was not, and returns it. Raises TicketErased.

        `expires_at` is the end of a ticket that has none yet: the first one counts.
        """
        sets = {
            "received_at": ("if_not_exists(#received_at, :received_at)", now),
            "state": ("if_not_exists(#state, :state)", TicketState.RECEIVED.value),
            "attempts": ("if_not_exists(#attempts, :zero) + :attempts", 1),
            "attempted_at": (":attempted_at", now),
        }
        if expires_at is not None:
            sets["expires_at"] = ("if_not_exists(#expires_at, :expires_at)", expires_at)
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key=_key(ticket),
                UpdateExpression="SET " + ", ".join(f"#{name} = {text}" for name, (text, _) in sets.items()),
                ConditionExpression="attribute_not_exists(#state) OR #state <> :erased",
                ExpressionAttributeNames={f"#{name}": name for name in sets},
                ExpressionAttributeValues={
                    ":zero": {"N": "0"},
                    ":erased": {"S": TicketState.ERASED.value},
                    **{f":{name}": to_attribute(value) for name, (_, value) in sets.items()},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if _refused(error):
                raise TicketErased from None
            raise
        return read_item(answer["Attributes"])

    def put_event(self, ticket: str, event_id: str, received_at: str, name: str, expires_at: int | None) -> None:
        """Remembers that an event was accepted. The same event again is the same record."""
        record = {
            "ticket": ticket,
            "record": f"event#{received_at}#{event_id}",
            "event_id": event_id,
            "event": name,
            "received_at": received_at,
        }
        if expires_at is not None:
            self._put({**record, "expires_at": expires_at})
        else:
            self._put(record)

    def archive(self, item: TicketItem, changes: Mapping[str, Any]) -> None:
        """Makes `changes` the ticket's archived state, if it is still in the version of `item` and no newer fetch won.

        Raises TicketErased, or WriteConflict where a concurrent attempt was first.
        """
        as_read = "#version = :was" if item.version else "attribute_not_exists(#version)"
        condition = f"{as_read} AND #state <> :erased AND {_NEWEST_FETCH}"
        removed = {"incomplete", "retry_at", "resume", "last_error", *DETAILS_ATTRIBUTES}
        if not any(name in changes for name in DETAILS_ATTRIBUTES):
            removed -= set(DETAILS_ATTRIBUTES)
        self._update(
            item.ticket,
            {**changes, "state": TicketState.ARCHIVED.value},
            removed,
            condition,
            {":was": item.version} if item.version else {},
        )

    def mark_incomplete(self, ticket: str, changes: Mapping[str, Any], retry_at: str) -> None:
        """Keeps what an attempt brought of a ticket that was never archived yet, and lists it as incomplete.

        Raises TicketErased, or WriteConflict where the ticket is archived already or a newer fetch was first.
        """
        condition = f"#state IN (:was_received, :was_incomplete) AND {_NEWEST_FETCH}"
        removed = set(DETAILS_ATTRIBUTES) if any(name in changes for name in DETAILS_ATTRIBUTES) else set()
        values = {"state": TicketState.INCOMPLETE.value, "incomplete": _INCOMPLETE_MARK, "retry_at": retry_at}
        self._update(
            ticket,
            {**changes, **values},
            removed,
            condition,
            {":was_received": TicketState.RECEIVED.value, ":was_incomplete": TicketState.INCOMPLETE.value},
        )

    def get(self, ticket: str) -> TicketItem | None:
        """The ticket, or None where it is unknown. Strongly consistent: a reader told by a manifest finds its state."""
        answer = self._client.get_item(TableName=self._name, Key=_key(ticket), ConsistentRead=True)
        return read_item(answer["Item"]) if "Item" in answer else None

    def incomplete(self, limit: int) -> Sequence[IncompleteTicket]:
        """At most `limit` incomplete tickets, the one that is due first in front."""
        answer = self._client.query(
            TableName=self._name,
            IndexName=INCOMPLETE,
            KeyConditionExpression="incomplete = :mark",
            ExpressionAttributeValues={":mark": {"S": _INCOMPLETE_MARK}},
            Limit=limit,
        )
        return [
            IncompleteTicket(
                item["ticket"]["S"],
                item["retry_at"]["S"],
                item["received_at"]["S"],
                int(item.get("requeues", {"N": "0"})["N"]),
            )
            for item in answer["Items"]
        ]

    def postpone(self, waiting: IncompleteTicket, retry_at: str | None) -> bool:
        """Claims a due ticket for one more requeue and sets its next time; None takes it off the list for good.

        Says False where it was claimed, archived or erased meanwhile.
        """
        values: dict[str, Any] = {"requeues": waiting.requeues + 1, "retry_at": retry_at}
        if retry_at is None:
            values["incomplete"] = None
        try:
            self._update(waiting.ticket, values, set(), "#retry_at = :was", {":was": waiting.retry_at})
        except (WriteConflict, TicketErased):
            return False
        return True

    def by_customer(self, customer: str, limit: int, cursor: str | None) -> Page:
        """A customer's archived tickets, the newest first. Raises InvalidRequest for a cursor that is not ours."""
        start = {"ExclusiveStartKey": _read_cursor(cursor, customer)} if cursor else {}
        answer = self._client.query(
            TableName=self._name,
            IndexName=BY_CUSTOMER,
            KeyConditionExpression="customer = :customer",
            ExpressionAttributeValues={":customer": {"S": customer}},
            ScanIndexForward=False,
            Limit=limit,
            **start,  # type: ignore[arg-type]  # the stubs cannot see that the key is optional
        )
        last = answer.get("LastEvaluatedKey")
        return Page([read_item(item) for item in answer["Items"]], _write_cursor(last) if last else None)

    def _put(self, item: Mapping[str, Any]) -> None:
        self._client.put_item(TableName=self._name, Item={name: to_attribute(value) for name, value in item.items()})

    def _update(
        self, ticket: str, sets: Mapping[str, Any], removes: set[str], condition: str, values: Mapping[str, Any]
    ) -> None:
        """`values` are the condition's own: none may have the name of an attribute that is set (`:incomplete`)."""
        present = {name: value for name, value in sets.items() if value is not None}
        removes = (removes | {name for name, value in sets.items() if value is None}) - present.keys()
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in present)
        if removes:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in sorted(removes))
        every = {f":{name}": value for name, value in present.items()} | dict(values)
        if ":erased" in condition:
            every[":erased"] = TicketState.ERASED.value
        names = {*present, *removes, *(("version",) if "#version" in condition else ())}
        try:
            self._client.update_item(
                TableName=self._name,
                Key=_key(ticket),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues={name: to_attribute(value) for name, value in every.items()},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not _refused(error):
                raise
            old: Any = error.response.get("Item", {})
            if old.get("state", {}).get("S") == TicketState.ERASED:
                raise TicketErased from None
            raise WriteConflict("ticket") from None


def read_item(attributes: Mapping[str, Any]) -> TicketItem:
    """An item in DynamoDB's own notation as a TicketItem."""
    item = {name: from_attribute(value) for name, value in attributes.items()}
    return TicketItem(
        ticket=item["ticket"],
        state=TicketState(item["state"]),
        version=item.get("version"),
        previous=item.get("previous"),
        outcome=item.get("outcome"),
        received_at=item.get("received_at"),
        fetched_at=item.get("fetched_at"),
        archived_at=item.get("archived_at"),
        details_sha256=item.get("details_sha256"),
        details_bytes=int(item.get("details_bytes", 0)),
        images=tuple(_read_image(image) for image in item.get("images", ())),
        types={ImageType(name): TypeState(state) for name, state in item.get("types", {}).items()},
        resume=item.get("resume"),
        attempts=int(item.get("attempts", 0)),
        requeues=int(item.get("requeues", 0)),
        expires_at=int(item["expires_at"]) if "expires_at" in item else None,
        attributes=item,
    )


def _read_image(image: Mapping[str, Any]) -> StoredImage:
    return StoredImage(
        type=ImageType(image["type"]),
        index=int(image["index"]),
        key=image["key"],
        sha256=image["sha256"],
        bytes=int(image["bytes"]),
        content_type=image["content_type"],
    )


def _key(ticket: str) -> dict[str, dict[str, str]]:
    return {"ticket": {"S": ticket}, "record": {"S": TICKET_RECORD}}


def _refused(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException"


def _write_cursor(last: Mapping[str, Any]) -> str:
    text = json.dumps([last["ticket"]["S"], last["archived_at"]["S"]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, customer: str) -> dict[str, dict[str, str]]:
    """The index key that a cursor stands for. The customer comes from the request: a cursor cannot reach another's."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode("ascii")
    except ValueError:
        raise InvalidRequest("cursor") from None
    # not json.loads: what it lets through (depth, surrogates, empty strings) would fail further on, as our own fault
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InvalidRequest("cursor")
    return {**_key(found["ticket"]), "customer": {"S": customer}, "archived_at": {"S": found["archived_at"]}}
