from collections.abc import Iterator

import pytest

from local.vendor import Simulator


@pytest.fixture(autouse=True)
def _loopback(socket_enabled: None) -> None:
    """These tests are about a server: they need the loopback, and nothing else."""


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    """Small pictures and short waits; otherwise as it always is."""
    with Simulator(seed=7, scale=0.05, pause=0.02, patience=0.5) as simulator:
        yield simulator
