"""The audit log: one record per response, with the caller, the ids, and the expiry of the issued URLs.

A record holds neither URLs, which grant access, nor customer codes, which identify a person.
"""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

# A separate logger, because the LogLevel parameter must not silence the audit.
_logger = Logger(service="ticket-archive-audit", level="INFO", log_uncaught_exceptions=False, utc=True)
_facts: dict[str, Any] = {}  # of the current request: an execution environment handles one at a time


def start() -> None:
    """Forget what an earlier request noted."""
    _facts.clear()


def note(**facts: Any) -> None:
    """Add to the record: ticket, types, sha256, details_sha256, urls, until, tickets."""
    _facts.update(facts)


def write(event: Mapping[str, Any], status: int) -> None:
    """Log the record of the response to `event`."""
    context = event["requestContext"]
    identity = context.get("identity") or {}
    _logger.info(
        "request audited",
        audit={
            "caller": identity.get("userArn"),
            "account": identity.get("accountId"),
            "request_id": context.get("requestId"),  # callers can choose it with a header; they cannot choose the next
            "extended_request_id": context.get("extendedRequestId"),
            "route": f"{context.get('httpMethod')} {event.get('resource')}",
            "status": status,
            **_facts,
        },
    )
