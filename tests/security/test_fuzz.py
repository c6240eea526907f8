"""Fuzzed input raises documented errors only. `make fuzz` runs the full size."""

import pytest

from ingest.files.formats import identify
from tests.fuzz import targets
from tests.support.sample_files import FILES


@pytest.mark.parametrize("name", targets.TARGETS)
def test_whatever_comes_nothing_untyped_is_raised(name: str) -> None:
    targets.run(name, 5_000, seed=1)


def test_the_mutations_reach_beyond_the_first_refusal() -> None:
    """GIVEN the seeds as they are, THEN each is taken far enough to be worth bending."""
    for name, target in targets.TARGETS.items():
        for seed in targets.SEEDS[name]:
            target(seed)
    assert [identify(seed) for seed in targets.SEEDS["image"]] == [None, *(found for _, found in FILES.values())]
