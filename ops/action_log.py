"""What operators did, as objects in the bucket: who read, held or erased which ticket, and when. No personal data.

An object is written before content leaves the archive, so that nothing is read without a record. Objects are created
with If-None-Match and live outside `tickets/`: neither an erasure nor `RetentionDays` removes them.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ticket_archive.clock import iso, now

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SCHEMA = "idv-ticket-archive/operation/v1"
QUEUES = "_queues"
"""Stands for the ticket in actions on queues. No ticket id begins with an underscore."""


class ActionLog:
    """Writes and lists records of operators' actions."""

    def __init__(self, client: "S3Client", bucket: str, caller: Callable[[], str]) -> None:
        self._client = client
        self._bucket = bucket
        self._caller = caller

    def write(self, command: str, ticket: str, **facts: Any) -> str:
        """Record an action; return the object's key. `facts` hold codes, ids and counts, never content."""
        at = iso(now())
        record = {"schema": SCHEMA, "command": command, "ticket": ticket, "at": at, "by": self._caller(), **facts}
        key = f"operations/{ticket}/{at}-{command}-{secrets.token_hex(4)}.json"
        body = json.dumps(record, default=str).encode()
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
        )
        return key

    def of_ticket(self, ticket: str) -> Iterator[Mapping[str, Any]]:
        """Return the ticket's records, oldest first."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"operations/{ticket}/"
        )
        for page in pages:
            for found in page.get("Contents", ()):
                yield json.loads(self._client.get_object(Bucket=self._bucket, Key=found["Key"])["Body"].read())
