"""The harness: figures know their goals, and the stand-in answers as AWS and the vendor do."""

import io

import pytest
from PIL import Image

from bench import growth, harness, stand_in
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


@pytest.mark.parametrize("size", [2_000, 250_000])
def test_stand_in_image_is_a_jpeg_of_the_size_asked_for(size: int) -> None:
    data = stand_in.jpeg(size, "seed")
    assert len(data) == size
    assert Image.open(io.BytesIO(data)).format == "JPEG"


def test_item_size_counts_names_and_values_as_dynamodb_does() -> None:
    item = {"ticket": {"S": "1234"}, "attempts": {"N": "1"}, "images": {"L": [{"M": {"key": {"S": "ab"}}}]}}
    assert stand_in.item_size({"Item": item}) == (6 + 4) + (8 + 1) + (6 + 3 + 1 + 3 + 1 + 3 + 2)


def test_growth_plot_has_a_panel_per_figure_and_a_line_per_handler() -> None:
    points = [{"images": n, "bytes": 1000, "product": 0.01 * n, "tutorial": 0.02 * n} for n in (1, 5, 20)]
    drawn = growth.plot([Figure("a: b", 1.0, raw={"points": points})] * 2)
    assert (drawn.count("<g "), drawn.count("<polyline")) == (2, 4)
