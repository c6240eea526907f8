"""Who read a ticket: the retrieval API's audit log and the operators' action log, in one table by time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops.action_log import ActionLog

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


@dataclass(frozen=True, slots=True)
class Access:
    """One access. `what` is a route or a command, `result` a status or a count."""

    at: str
    source: str
    by: str
    what: str
    result: str


def api_accesses(client: "CloudWatchLogsClient", log_group: str, ticket: str, since: datetime) -> Iterator[Access]:
    """Return the API's responses about the ticket: details, images and URLs, refused ones too."""
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=log_group, filterPattern=f'"{ticket}"', startTime=int(since.timestamp() * 1000)
    )
    for page in pages:
        for event in page["events"]:
            record = _record(event["message"])
            audit = record.get("audit")
            if isinstance(audit, dict) and audit.get("ticket") == ticket:
                urls = f", {audit['urls']} URLs until {audit.get('until')}" if audit.get("urls") else ""
                yield Access(
                    str(record.get("timestamp")),
                    "API",
                    str(audit.get("caller")),
                    str(audit.get("route")),
                    f"{audit.get('status')}{urls}",
                )


def operator_accesses(actions: ActionLog, ticket: str) -> Iterator[Access]:
    """Return what operators did with the ticket."""
    known = ("schema", "command", "ticket", "at", "by")
    for record in actions.of_ticket(ticket):
        facts = " ".join(f"{name}={value}" for name, value in record.items() if name not in known and value is not None)
        yield Access(record["at"], "operator", record["by"], record["command"], facts)


def other_sources(ticket: str, bucket: str, access_logs: str) -> dict[str, str]:
    """Return the commands that ask S3's access log and CloudTrail, which this command does not read."""
    return {
        "S3 access log": f"aws s3 cp s3://{access_logs}/bucket/ . --recursive && grep -rh 'tickets/{ticket}/' .",
        "CloudTrail": (
            "aws cloudtrail lookup-events --lookup-attributes "
            f"AttributeKey=ResourceName,AttributeValue=arn:aws:s3:::{bucket}"
        ),
    }


def _record(message: str) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
