"""The ticket table: one item per ticket (`record` = "ticket") and one per accepted event.

Writes are conditional, so that repeated messages, crashes and lost caches do no harm: a newer fetch wins, an archived
ticket stays archived, and neither a tombstone nor a legal hold is ever overwritten.

The sparse index `incomplete` has three partitions: incomplete tickets ("yes"), archived tickets of which something is
absent or unrecognized and that will be fetched again ("recheck"), and archived tickets whose newer state could not be
fetched completely yet ("refetch"). Its sort key `retry_at` is when that is due.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import TypeAdapter

from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.errors import InvalidRequest, TicketErased, WriteConflict
from ticket_archive.models import TicketItem, TicketState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

TICKET_RECORD = "ticket"
BY_CUSTOMER = "by-customer"
INCOMPLETE_INDEX = "incomplete"
INCOMPLETE_KEY = "incomplete"
"""The partition key of the index, an attribute of listed tickets."""

_NEWEST_FETCH = "(attribute_not_exists(#fetched_at) OR #fetched_at < :fetched_at)"
_NOT_ERASED = "(attribute_not_exists(#state) OR #state <> :erased)"
_NOT_HELD = "attribute_not_exists(#legal_hold)"
_NAME = re.compile(r"#(\w+)")
_INCOMPLETE_ONLY = (INCOMPLETE_KEY, "retry_at", "resume", "last_error", "pending", "unknown_since")
_CURSOR = re.compile(r'\["(?P<ticket>[A-Za-z0-9_-]{1,128})","(?P<archived_at>[0-9TZ:.+-]{1,40})"\]')

_to_attribute = TypeSerializer().serialize
_from_attribute = TypeDeserializer().deserialize


class Due(StrEnum):
    """The partitions of the index `incomplete`: why a ticket is asked for again."""

    INCOMPLETE = "yes"
    RECHECK = "recheck"
    REFETCH = "refetch"


class IncompleteTicket(NamedTuple):
    """An entry of the index `incomplete`."""

    ticket: str
    retry_at: str
    received_at: str
    requeues: int


_plain_values = TypeAdapter(dict[str, Any]).dump_python
_SHOWN = {*TicketItem.model_fields, "retry_at"} - {"attributes"}


def projection(names: Iterable[str]) -> Any:
    """Return the parameters of a read that transfers these attributes only. Some are reserved words, hence the `#`."""
    aliases = {f"#{name}": name for name in names}
    return {"ProjectionExpression": ", ".join(aliases), "ExpressionAttributeNames": aliases}


_WITHOUT_DETAILS = projection(sorted(_SHOWN))


class TicketTable:
    """Reads and writes tickets. Every method but the lists is one call to DynamoDB."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def get(self, ticket: str, *, details: bool = True) -> TicketItem | None:
        """Return the ticket, or None if it is unknown. Without `details`, their content is not transferred.

        The read is strongly consistent: a consumer that received a manifest's event finds that state.
        """
        only = {} if details else _WITHOUT_DETAILS
        answer = self._client.get_item(TableName=self._name, Key=item_key(ticket), ConsistentRead=True, **only)
        return read_item(answer["Item"]) if "Item" in answer else None

    def begin(self, ticket: str, now: str) -> TicketItem | None:
        """Record an attempt on a known ticket and return the item; None if there is none. Raises TicketErased."""
        with suppress(WriteConflict), _failed_condition_as_error():
            answer = self._client.update_item(
                TableName=self._name,
                Key=item_key(ticket),
                UpdateExpression="SET attempted_at = :now ADD attempts :one",
                ConditionExpression="attribute_exists(#state) AND #state <> :erased",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=_values({":now": now, ":one": 1, ":erased": TicketState.ERASED.value}),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return read_item(answer["Attributes"])
        return None

    def put_event(self, ticket: str, event_id: str, received_at: str, name: str, expires_at: int | None) -> None:
        """Record an accepted event. The same event again is the same record."""
        record = {
            "ticket": ticket,
            "record": f"event#{received_at}#{event_id}",
            "event_id": event_id,
            "event": name,
            "received_at": received_at,
            **({"expires_at": expires_at} if expires_at is not None else {}),
        }
        self._client.put_item(TableName=self._name, Item=_values(record))

    def archive(
        self, item: TicketItem, changes: Mapping[str, Any], defaults: Mapping[str, Any], recheck_at: str | None = None
    ) -> None:
        """Make `changes` the ticket's archived state, if it still has the version of `item` and no newer fetch won.

        `defaults` are attributes that are set only where they are missing. `recheck_at` puts the ticket on the list of
        tickets to recheck. Raises TicketErased, or WriteConflict if a concurrent attempt was first.
        """
        condition = [
            "#version = :was" if item.version else "attribute_not_exists(#version)",
            _NOT_ERASED,
            _NEWEST_FETCH,
            *([_NOT_HELD] if "expires_at" in changes else []),
        ]
        recheck = {INCOMPLETE_KEY: Due.RECHECK.value, "retry_at": recheck_at} if recheck_at else {}
        self._update(
            item.ticket,
            {
                **dict.fromkeys(_INCOMPLETE_ONLY),
                **_replaced_details(changes),
                **recheck,
                "state": TicketState.ARCHIVED.value,
            },
            " AND ".join(condition),
            {":was": item.version, ":erased": TicketState.ERASED.value},
            defaults,
        )

    def mark_incomplete(
        self, ticket: str, changes: Mapping[str, Any], retry_at: str, defaults: Mapping[str, Any]
    ) -> None:
        """Keep what an attempt fetched of a ticket that was never archived, and list the ticket as incomplete.

        Raises TicketErased, or WriteConflict if the ticket is archived already or a newer fetch was first.
        """
        listed = {"state": TicketState.INCOMPLETE.value, INCOMPLETE_KEY: Due.INCOMPLETE.value, "retry_at": retry_at}
        # The sort key of the index by customer: without one, a customer's incomplete tickets would be in no list.
        listed["archived_at"] = changes["fetched_at"]
        self._update(
            ticket,
            {**_replaced_details(changes), **listed},
            f"(attribute_not_exists(#state) OR #state IN (:was_received, :was_incomplete)) AND {_NEWEST_FETCH}",
            {":was_received": TicketState.RECEIVED.value, ":was_incomplete": TicketState.INCOMPLETE.value},
            defaults,
        )

    def keep_pending(self, ticket: str, changes: Mapping[str, Any], retry_at: str | None) -> None:
        """Keep what is pending of an archived ticket that is being fetched again; `retry_at` lists it, None ends that.

        Raises TicketErased, or WriteConflict if the ticket is not archived.
        """
        listed = {INCOMPLETE_KEY: Due.REFETCH.value if retry_at else None, "retry_at": retry_at}
        self._update(
            ticket,
            {**changes, **listed, "state": TicketState.ARCHIVED.value},
            "#state = :was_archived",
            {":was_archived": TicketState.ARCHIVED.value},
        )

    def expire(self, item: TicketItem, expires_at: int) -> None:
        """Set the TTL of an incomplete ticket that the vendor does not know, unless it is under legal hold.

        Raises WriteConflict also if another attempt has begun since `item` was read, which may find the ticket.
        """
        self._update(
            item.ticket,
            {"expires_at": expires_at, INCOMPLETE_KEY: None, "retry_at": None},
            f"#state = :was_incomplete AND #attempted_at = :was_attempted_at AND {_NOT_HELD}",
            {":was_incomplete": TicketState.INCOMPLETE.value, ":was_attempted_at": item.attributes.get("attempted_at")},
        )

    def postpone(self, due: IncompleteTicket, retry_at: str | None) -> bool:
        """Claim a due ticket and set when it is due next; None removes it from the list.

        Returns False if it was claimed, archived or erased since it was read.
        """
        changes = {"requeues": due.requeues + 1, "retry_at": retry_at, **({} if retry_at else {INCOMPLETE_KEY: None})}
        with suppress(WriteConflict, TicketErased):
            self._update(due.ticket, changes, "#retry_at = :was", {":was": due.retry_at})
            return True
        return False

    def by_customer(self, customer: str, limit: int, cursor: str | None) -> tuple[list[TicketItem], str | None]:
        """Return a page of a customer's tickets in any state, newest first, and the next page's cursor.

        Raises InvalidRequest for an invalid cursor.
        """
        start: Any = {"ExclusiveStartKey": _read_cursor(cursor, customer)} if cursor else {}
        answer = self._client.query(
            TableName=self._name,
            IndexName=BY_CUSTOMER,
            KeyConditionExpression="customer = :customer",
            ExpressionAttributeValues={":customer": {"S": customer}},
            ScanIndexForward=False,
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        return [read_item(item) for item in answer["Items"]], _write_cursor(last) if last else None

    def listed(self, partition: Due, limit: int) -> Sequence[IncompleteTicket]:
        """Return at most `limit` tickets of a partition of the index, earliest due first."""
        items: list[Any] = []
        start: Any = {}
        while len(items) < limit:
            answer = self._client.query(
                TableName=self._name,
                IndexName=INCOMPLETE_INDEX,
                KeyConditionExpression="incomplete = :partition",
                ExpressionAttributeValues={":partition": {"S": partition.value}},
                Limit=limit - len(items),
                **start,
            )
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}  # a response has at most 1 MB
        return [
            IncompleteTicket(
                item["ticket"]["S"],
                item["retry_at"]["S"],
                item["received_at"]["S"],
                int(item.get("requeues", {"N": "0"})["N"]),
            )
            for item in items
        ]

    def _update(
        self,
        ticket: str,
        changes: Mapping[str, Any],
        condition: str,
        values: Mapping[str, Any],
        defaults: Mapping[str, Any] = MappingProxyType({}),
        record: str = TICKET_RECORD,
    ) -> None:
        """Set attributes under a condition. None as a value removes one. `defaults` are set only where missing.

        `values` belong to the condition: none may have the name of an attribute that is set. Raises TicketErased or
        WriteConflict if the condition fails.
        """
        present = {name: value for name, value in changes.items() if value is not None}
        defaults = {name: value for name, value in defaults.items() if value is not None and name not in changes}
        removed = [f"#{name}" for name in sorted(changes.keys() - present.keys())]
        sets = [f"#{name} = :{name}" for name in present]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in defaults]
        expression = " ".join(
            verb + ", ".join(parts) for verb, parts in (("SET ", sets), ("REMOVE ", removed)) if parts
        )
        every = {f":{name}": value for name, value in {**present, **defaults}.items()}
        every |= {name: value for name, value in values.items() if name in condition}
        given: Any = {"ExpressionAttributeValues": _values(every)} if every else {}
        with _failed_condition_as_error():
            self._client.update_item(
                TableName=self._name,
                Key=item_key(ticket, record),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in _NAME.findall(f"{expression} {condition}")},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **given,
            )


def read_item(attributes: Mapping[str, Any]) -> TicketItem:
    """Return an item in DynamoDB's notation as a TicketItem."""
    item = {name: _plain(_from_attribute(value)) for name, value in attributes.items()}
    archived = item["state"] == TicketState.ARCHIVED
    archived_at = item.get("archived_at") if archived else None  # an incomplete item's is the index's sort key
    return TicketItem.model_validate({"complete": archived, **item, "archived_at": archived_at, "attributes": item})


def _plain(value: Any) -> Any:
    return cast("Any", value).value if isinstance(value, Binary) else value


def _values(values: dict[str, Any]) -> dict[str, Any]:
    """Return values in DynamoDB's notation; models become maps."""
    return {name: _to_attribute(value) for name, value in _plain_values(values).items()}


def _replaced_details(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes that also remove the earlier details: these may be in another attribute."""
    replaces = any(name in changes for name in DETAILS_ATTRIBUTES)
    return {**(dict.fromkeys(DETAILS_ATTRIBUTES) if replaces else {}), **changes}


def item_key(ticket: str, record: str = TICKET_RECORD) -> dict[str, dict[str, str]]:
    """Return the primary key of a ticket's item, or of another record of the ticket."""
    return {"ticket": {"S": ticket}, "record": {"S": record}}


@contextmanager
def _failed_condition_as_error() -> Iterator[None]:
    """Raise TicketErased or WriteConflict for a condition that fails; the call must return the old item then."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
            raise
        old: Any = error.response.get("Item", {})
        if old.get("state", {}).get("S") == TicketState.ERASED:
            raise TicketErased from None
        raise WriteConflict("ticket") from None


def _write_cursor(last: Mapping[str, Any]) -> str:
    text = json.dumps([last["ticket"]["S"], last["archived_at"]["S"]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, customer: str) -> dict[str, dict[str, str]]:
    """Return the index key of a cursor. The customer comes from the request: no cursor leads to another customer."""
    with suppress(ValueError):
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode("ascii")
        # A pattern instead of json.loads: depth, surrogates or empty strings would fail later as an error of ours.
        if found := _CURSOR.fullmatch(text):
            at = {"customer": {"S": customer}, "archived_at": {"S": found["archived_at"]}}
            return {**item_key(found["ticket"]), **at}
    raise InvalidRequest("cursor")
