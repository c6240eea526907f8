"""AWS clients that return the responses a test has added to botocore's Stubber."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber


def stubbed(service: str) -> Any:
    """Return a fixture: the stubber of a service's client."""

    @pytest.fixture
    def stubber() -> Iterator[Stubber]:
        with answering(Stubber(client(service))) as stubber:
            yield stubber

    return stubber


@contextmanager
def answering(stubber: Stubber) -> Iterator[Stubber]:
    """Respond from the stubber and yield it; every added response must be used."""
    with stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@cache
def client(service: Any) -> Any:
    """Return a client with made-up credentials, the same for every test: it takes a while to make."""
    return boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
