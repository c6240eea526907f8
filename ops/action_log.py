"""What operators did, as objects in the bucket: who read, held or erased which ticket, and when. No personal data.

An object is written before content leaves the archive, so that nothing is read without a record. Objects are created
with If-None-Match and live outside `tickets/`: neither an erasure nor `RetentionDays` removes them.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from ops.bucket import OperatorBucket
from ops.errors import damaged
from ticket_archive.clock import iso, now

SCHEMA = "idv-ticket-archive/operation/v1"
QUEUES = "_queues"
"""Stands for the ticket in actions on queues. No ticket id begins with an underscore."""


class ActionLog:
    """Writes and lists records of operators' actions. `by` is the ARN of the operator."""

    def __init__(self, bucket: OperatorBucket, by: str) -> None:
        self._bucket = bucket
        self._by = by

    def write(self, command: str, ticket: str, **facts: Any) -> None:
        """Record an action. `facts` hold codes, ids and counts, never content."""
        at = iso(now())
        record = {"schema": SCHEMA, "command": command, "ticket": ticket, "at": at, "by": self._by, **facts}
        key = f"operations/{ticket}/{at}-{command}-{secrets.token_hex(4)}.json"
        self._bucket.create(key, json.dumps(record, default=str).encode(), "application/json")

    def of_ticket(self, ticket: str) -> Iterator[Mapping[str, Any]]:
        """Return the ticket's records, oldest first. Raises Failure at a damaged one."""
        for key in self._bucket.keys(f"operations/{ticket}/"):
            match parsed(self._bucket.read(key)):
                case {"command": str(), "at": str(), "by": str()} as record:
                    yield record
                case _:
                    raise damaged(key)


def parsed(text: str | bytes) -> Any:
    """Return JSON's value, None if it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None
