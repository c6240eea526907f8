"""Clients for AWS: botocore's own.

boto3 above it would bring resources and transfers along, which nobody here uses and every cold start pays for. What is
sent is checked by the tests (botocore's Stubber) and by AWS; checking it in between takes a good part of a call's CPU.
"""

from typing import Any

from botocore.config import Config
from botocore.session import Session

_ALWAYS = Config(parameter_validation=False)


def client(session: Session, service: str, config: Config) -> Any:
    """A client for `service`, for the session's region and under its credentials."""
    return session.create_client(service, config=config.merge(_ALWAYS))
