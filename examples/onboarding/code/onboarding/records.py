"""The onboardings' table: one item per ticket, which moves from state to state under a condition."""

from typing import TYPE_CHECKING, Any

from onboarding.states import Record, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

STAGES = {"ACCEPTED": "account_opened", "REJECTED": "refused"}
BY_HAND = "looked_at_by_a_person"


class Overtaken(Exception):
    """The onboarding is no longer at the state that a step was to be made from."""


class Onboardings:
    """The table called `name`."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name

    def last(self, ticket: str) -> Record | None:
        """How far the onboarding of a ticket has come; None before its first step."""
        key: Item = {"ticket": {"S": ticket}}
        item = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
        return Record(item["version"]["S"], item["archived_at"]["S"], int(item["steps"]["N"])) if item else None

    def move(self, at: Record | None, state: State, portrait: str | None) -> Record:
        """Make the step from `at` to `state`. Raises Overtaken where the onboarding is elsewhere by now."""
        values: Item = {
            ":version": {"S": state.version},
            ":archived_at": {"S": state.archived_at},
            ":stage": {"S": STAGES.get(state.outcome or "", BY_HAND)},
            ":portrait": {"S": portrait} if portrait else {"NULL": True},
            ":outcome": {"L": [{"S": state.outcome} if state.outcome else {"NULL": True}]},
            ":none": {"L": []},
            ":one": {"N": "1"},
        }
        condition = "attribute_not_exists(ticket)"
        if at is not None:
            condition, values[":at"] = "version = :at", {"S": at.version}
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
            raise Overtaken(state.ticket) from None
        return Record(state.version, state.archived_at, (at.steps if at else 0) + 1)
