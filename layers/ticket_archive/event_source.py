"""Determine the source of a Lambda event from its form."""

from collections.abc import Mapping
from typing import Any

REST_API = "API Gateway REST API"
SQS = "SQS"
SCHEDULE_SOURCE = "ticket-archive.schedule"


class UnsupportedEvent(Exception):
    """An event that the function does not take."""


def event_source(event: object) -> str:
    """Return `REST_API`, `SQS`, `SCHEDULE_SOURCE`, or a description of any other event."""
    if not isinstance(event, Mapping):
        return f"a JSON {type(event).__name__}"
    if event.get("source") == SCHEDULE_SOURCE:
        return SCHEDULE_SOURCE
    if records := event.get("Records"):
        return _source_of(records)
    context: Any = event.get("requestContext")
    context = context if isinstance(context, Mapping) else {}
    if "methodArn" in event or "routeArn" in event or event.get("type") in ("TOKEN", "REQUEST"):
        return "API Gateway Lambda authorizer"
    if "elb" in context:
        return "Application Load Balancer"
    if "http" in context:
        return "API Gateway HTTP API or function URL, payload 2.0"
    if "connectionId" in context:
        return "API Gateway WebSocket API"
    if "httpMethod" in event and context:
        return REST_API
    if "detail-type" in event:
        return "EventBridge"
    return "an event of an unknown form"


def _source_of(records: Any) -> str:
    sources = {
        record.get("eventSource") or record.get("EventSource") if isinstance(record, Mapping) else None
        for record in (records if isinstance(records, list) else [records])
    }
    if sources == {"aws:sqs"}:
        return SQS
    return "records of " + ", ".join(sorted(str(source or "an unknown source") for source in sources))
