from collections.abc import Iterator

import pytest

from local.vendor.server import Simulator


@pytest.fixture(autouse=True)
def _loopback(socket_enabled: None) -> None:
    """Allow the loopback, on which the simulator serves."""


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    """A simulator with small files and short waits."""
    with Simulator(seed=7, scale=0.05, pause=0.02, patience=0.2) as simulator:
        yield simulator
