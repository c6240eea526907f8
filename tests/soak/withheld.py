"""AWS calls that fail: one permission after the other is taken from the ingest function's role, for a moment."""

import itertools
import json
import time
from contextlib import suppress

from tests.support.stack import LocalStack

ACTIONS = (
    "dynamodb:UpdateItem",
    "s3:PutObject",
    "dynamodb:PutItem",
    "sqs:ChangeMessageVisibility",
    "sqs:SendMessage",
)
_NAME = "withheld"
_MOMENT = 0.5


class Permissions:
    """`share` of the time one of ACTIONS is denied. The emulator enforces IAM, so the call itself is what fails."""

    def __init__(self, stack: LocalStack, share: float) -> None:
        self._stack = stack
        self._every = _MOMENT / share
        self._next = time.monotonic() + self._every / 2
        self._actions = itertools.cycle(ACTIONS)
        self.moments = 0
        self._role = stack.resources["IngestRole"]

    def tick(self) -> None:
        """To be called often; when it is time, it withholds for a moment."""
        if time.monotonic() < self._next:
            return
        statement = {"Effect": "Deny", "Action": next(self._actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._stack.iam.put_role_policy(RoleName=self._role, PolicyName=_NAME, PolicyDocument=policy)
        try:
            time.sleep(_MOMENT)
        finally:
            self.restore()
        self.moments += 1
        self._next = time.monotonic() + self._every

    def restore(self) -> None:
        """Gives everything back."""
        with suppress(self._stack.iam.exceptions.NoSuchEntityException):
            self._stack.iam.delete_role_policy(RoleName=self._role, PolicyName=_NAME)
