"""Settings and fixtures for every test: no AWS settings of the developer's, and no network in unit tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

from tests.support.stack import stack
from ticket_archive.telemetry import logger, metrics

__all__ = ["stack"]  # one per session, started by the first test that uses it

UNIT = Path(__file__).parent / "unit"
LONGEST = (
    "tests/operations/test_day.py",
    "tests/operations/test_runbooks.py",
    "tests/security/test_scan.py",
    "tests/e2e/test_two_stacks.py",
    "tests/e2e/test_archive_path.py",
    "tests/e2e/test_documented_commands.py",
    "tests/faults/test_load.py",
    "tests/e2e/test_erasure.py",
    "tests/e2e/test_reliability.py",
    "tests/e2e/test_onboarding.py",
)
"""Modules that take half a minute or more, roughly the longest first."""

SHOWN = 60
"""Characters of a parameter that a test's name has."""

settings.register_profile("default", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("default"), max_examples=200)  # --hypothesis-profile=full
settings.load_profile("default")


def pytest_configure() -> None:
    """End like Ctrl-C when this process is terminated, so that fixtures stop what they have started.

    pytest-xdist interrupts its workers with SIGINT, which a shell's background job ignores.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest modules, then those of the local stack, which mostly wait.

    Tests of a module that use the stack, or a fixture that is made once for their module, run on one worker. Each
    worker has a stack of its own.
    """
    for item in items:
        together = _uses_the_stack(item) or _shares_a_fixture(item)
        if together and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_module(item)))
    place = {module: number for number, module in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(_module(item), len(LONGEST)), not _uses_the_stack(item)))


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _uses_the_stack(item: pytest.Item) -> bool:
    shared = "stack" in getattr(item, "fixturenames", ()) and not item.path.is_relative_to(UNIT)
    return shared or item.get_closest_marker("stack") is not None


def _shares_a_fixture(item: pytest.Item) -> bool:
    definitions = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(each.scope == "module" for found in definitions for each in found)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten a long value in its test's name: some have megabytes, and pytest-xdist sends each name many times."""
    if not isinstance(val, str | bytes) or len(val) <= SHOWN:
        return None
    return f"{val[:SHOWN]!r}…"


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Block sockets in unit tests, and every address but the loopback in all others."""
    if request.path.is_relative_to(UNIT) and "loopback" not in request.keywords:
        disable_socket(allow_unix_socket=True)  # asyncio needs one to wake its event loop
    else:
        socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's profile, credentials and endpoints."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "TicketArchive")


@pytest.fixture(autouse=True)
def _reset_metrics_and_log_keys() -> None:
    """Remove metrics that an earlier test counted, and log keys that it appended."""
    metrics.clear_metrics()
    logger.thread_safe_clear_keys()
    logger.remove_keys(["cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id"])
