"""Fixtures of the ingest function's tests."""

from collections.abc import Iterator

import pytest

from ingest import dependencies
from tests.support.archive_harness import ArchiveHarness
from tests.support.logs import Lines, log_lines

MADE_ONCE = (dependencies.webhook, dependencies.sqs, dependencies.schedule)


@pytest.fixture(autouse=True)
def _no_dependencies_of_earlier_tests() -> None:
    for make in MADE_ONCE:
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
