"""Fixtures of the ingest function's tests."""

from collections.abc import Iterator

import pytest

from ingest import dependencies
from tests.support.archive_harness import ArchiveHarness
from tests.support.logs import Lines, log_lines

CACHED = (dependencies.webhook, dependencies.sqs, dependencies.schedule)


@pytest.fixture(autouse=True)
def _reset_dependencies() -> None:
    for make in CACHED:
        make.cache_clear()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The captured log."""
    with log_lines() as lines:
        yield lines


@pytest.fixture
def harness() -> ArchiveHarness:
    """Return a harness whose vendor has one accepted ticket."""
    harness = ArchiveHarness()
    harness.has()
    return harness
