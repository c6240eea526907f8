"""The onboardings' table: one item per ticket, which advances from state to state under a condition."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from onboarding.states import Record, stage
from ticket_archive_client import Manifest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]


class Conflict(Exception):
    """The record has changed since it was read."""


class Onboardings:
    """The table called `name`."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def get(self, ticket: str) -> Record | None:
        """Return a ticket's record, or None before its first step."""
        key: Item = {"ticket": {"S": ticket}}
        item = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        archived_at = datetime.fromisoformat(item["archived_at"]["S"])
        return Record(item["version"]["S"], archived_at, int(item["steps"]["N"]))

    def advance(self, record: Record | None, state: Manifest, portrait: str | None) -> Record:
        """Make the step from `record` to `state`; return the new record. Raises Conflict if it has changed since."""
        values: Item = {
            ":version": {"S": state.version},
            ":archived_at": {"S": state.archived_at.isoformat()},
            ":stage": {"S": stage(state)},
            ":portrait": {"S": portrait} if portrait else {"NULL": True},
            ":outcome": {"L": [{"S": state.outcome} if state.outcome else {"NULL": True}]},
            ":none": {"L": []},
            ":one": {"N": "1"},
        }
        condition = "attribute_not_exists(ticket)"
        if record is not None:
            condition, values[":read"] = "version = :read", {"S": record.version}
        try:
            self._client.update_item(
                TableName=self._name,
                Key={"ticket": {"S": state.ticket}},
                UpdateExpression=(
                    "SET version = :version, archived_at = :archived_at, stage = :stage, portrait = :portrait, "
                    "outcomes = list_append(if_not_exists(outcomes, :none), :outcome) ADD steps :one"
                ),
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Conflict(state.ticket) from None
        return Record(state.version, state.archived_at, (record.steps if record else 0) + 1)
