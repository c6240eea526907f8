"""The tokens of executions that wait, by ticket or customer."""

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from verification.results import Result, Subject

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAYS = 2
"""After which DynamoDB deletes a token: later than the state machine's time-out."""


class Tokens:
    """The table called `name`: one token for each ticket or customer, the latest."""

    def __init__(self, dynamodb: "DynamoDBClient", step_functions: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._step_functions = step_functions
        self._name = name

    def store(self, subject: Subject, token: str, since: datetime) -> None:
        """Store the token of an execution that began at `since` and now waits."""
        expires_at = str(int(time.time()) + DAYS * 86400)
        named = {"waits_for": subject.key, "token": token, "since": since.isoformat()}
        item: Any = {name: {"S": value} for name, value in named.items()} | {"expires_at": {"N": expires_at}}
        self._dynamodb.put_item(TableName=self._name, Item=item)

    def find(self, subject: Subject) -> tuple[str, datetime] | None:
        """Return the token of the execution that waits for the subject, and when it began; None if there is none."""
        key = {"waits_for": {"S": subject.key}}
        found = self._dynamodb.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        if "Item" not in found:
            return None
        return found["Item"]["token"]["S"], datetime.fromisoformat(found["Item"]["since"]["S"])

    def resume(self, subject: Subject, token: str, result: Result) -> bool:
        """Send the result to the execution and delete the token; False if the execution no longer waits for it."""
        errors = self._step_functions.exceptions
        resumed = True
        try:
            self._step_functions.send_task_success(taskToken=token, output=result.model_dump_json())
        except (errors.TaskTimedOut, errors.TaskDoesNotExist, errors.InvalidToken):
            resumed = False
        with suppress(self._dynamodb.exceptions.ConditionalCheckFailedException):
            self._dynamodb.delete_item(
                TableName=self._name,
                Key={"waits_for": {"S": subject.key}},
                ConditionExpression="#token = :token",  # another execution may wait by now
                ExpressionAttributeNames={"#token": "token"},
                ExpressionAttributeValues={":token": {"S": token}},
            )
        return resumed
