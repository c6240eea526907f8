"""AWS clients with this function's patience: quick tries by botocore, and never a call without a time-out."""

from typing import Any

import boto3
from botocore.config import Config

CALLS_AT_ONCE = 16
"""Calls to the vendor and to S3 that one invocation has under way at most; the template's description says so too."""
TICKETS_AT_ONCE = 10

_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "max_attempts": 4},
    max_pool_connections=CALLS_AT_ONCE + TICKETS_AT_ONCE,
)


def client(service: str) -> Any:
    """A client for `service`, for the region and under the role of the function."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # the stubs want literals
