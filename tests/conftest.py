"""What holds for every test: a developer's own AWS settings never take part, and unit tests reach no network."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

from tests.support.stack import stack
from ticket_archive.telemetry import logger

__all__ = ["stack"]  # one for the whole session, brought up by the first test that asks for it

UNIT = Path(__file__).parent / "unit"

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_collection_finish() -> None:
    """The ingest function, which tests import, does without until its first event is done."""
    gc.enable()


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests open no socket at all; the others reach the loopback only."""
    if request.path.is_relative_to(UNIT) and "loopback" not in request.keywords:
        disable_socket(allow_unix_socket=True)  # asyncio wakes its loop through one
    else:
        socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile, credential or endpoint of the developer's; what a test needs it sets itself."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "TicketArchive")


@pytest.fixture(autouse=True)
def _nobody_is_followed() -> None:
    """What an earlier test current_log_keys would be on this one's lines and traces; so would retrieval's own keys."""
    logger.thread_safe_clear_keys()
    logger.remove_keys(["cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id"])
