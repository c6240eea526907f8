"""Clients for AWS: boto3's own, through one session, with one TLS context (`tls.py`)."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from ticket_archive import tls

tls.share_context()


def client(service: str, config: Config) -> Any:
    """Return a client for `service` in the function's region and with its role's credentials."""
    boto3_session: Any = session()  # its stubs have an overload for each service's name
    return boto3_session.client(service, config=config)


@cache
def session() -> boto3.Session:
    """Return the session that all clients share, with its credentials and loaded service models."""
    return boto3.Session()


def load_models(*services: str) -> None:
    """Read the files that botocore would read for the first client of each service. Creates no client."""
    boto3_session: Any = session()
    loader = boto3_session._session.get_component("data_loader")  # noqa: SLF001 - boto3 has no public attribute for it
    for name in ("_retry", "endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data_with_path(name)
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)
