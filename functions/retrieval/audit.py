"""The audit: one record for every answer. Who asked for what, which URLs were issued and until when, by ids alone.

A URL is a key to what it leads to, a customer's code names a person: neither is in a record.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

# A logger of its own, because LogLevel may silence the other one and never this.
_logger = Logger(service="ticket-archive-audit", level="INFO", log_uncaught_exceptions=False, utc=True)


def write(event: Mapping[str, Any], status: int, facts: Mapping[str, Any]) -> None:
    """Logs the record. `facts` are what the route found out: ticket, types, sha256, urls, until, tickets."""
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    _logger.info(
        "answered",
        audit={
            "caller": identity.get("userArn"),
            "account": identity.get("accountId"),
            "request_id": context.get("requestId"),  # a caller may choose it, by a header; not so the next one
            "extended_request_id": context.get("extendedRequestId"),
            "route": f"{context.get('httpMethod')} {event.get('resource')}",
            "status": status,
            **facts,
        },
    )
