"""Figures compare values with their goals."""

from bench import harness
from bench.harness import Figure


def test_figure_is_reached_at_its_goal_and_missed_beyond_it() -> None:
    assert Figure("seconds", 1.0, 1.0).reached
    assert Figure("seconds", 1.1, 1.0).reached is False
    assert Figure("rate", 1.0, 0.9, at_least=True).reached
    assert Figure("rate", 0.8, 0.9, at_least=True).reached is False
    assert Figure("shown only", 5.0).reached is None


def test_ratio_is_the_median_of_pairs() -> None:
    figure = harness.ratio("x", [2.0, 9.0, 4.0], [1.0, 3.0, 4.0])
    assert (figure.value, list(figure.samples)) == (2.0, [2.0, 3.0, 1.0])
