"""Fuzzed input raises documented errors only. `make fuzz` runs the full size."""

import pytest

from tests.fuzz import targets


@pytest.mark.parametrize("name", targets.TARGETS)
def test_mutated_input_raises_documented_errors_only(name: str) -> None:
    targets.run(name, 5_000, seed=1)
