"""Fuzzed input raises documented errors only. `make fuzz` runs the full size."""

import pytest

from ingest.files.formats import identify
from tests.fuzz import targets
from tests.support.sample_files import FILES


@pytest.mark.parametrize("name", targets.TARGETS)
def test_mutated_input_raises_documented_errors_only(name: str) -> None:
    targets.run(name, 5_000, seed=1)


def test_seeds_are_valid_input() -> None:
    for name, target in targets.TARGETS.items():
        for seed in targets.SEEDS[name]:
            target(seed)
    assert [identify(seed) for seed in targets.SEEDS["image"]] == [None, *(found for _, found in FILES.values())]
