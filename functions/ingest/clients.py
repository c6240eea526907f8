"""AWS clients with this function's patience: quick tries by botocore, and never a call without a time-out."""

from typing import Any

from botocore.config import Config

from ticket_archive import aws

CALLS_AT_ONCE = 16
"""Calls to the vendor and to S3 that one invocation has under way at most; the template's description says so too."""
TICKETS_AT_ONCE = 10

_PATIENT = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=CALLS_AT_ONCE + TICKETS_AT_ONCE,
)
_INTERACTIVE = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})


def client(service: str, *, interactive: bool = False) -> Any:
    """A client for `service`, for the region and under the role of the function.

    `interactive`: somebody waits for an answer, and API Gateway gives up after 29 seconds.
    """
    return aws.client(service, _INTERACTIVE if interactive else _PATIENT)
