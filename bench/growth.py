"""How CPU per ticket grows with the number of images and with their size."""

import os
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import Any

from bench import targets
from bench.harness import USUAL, Figure, Harness

POINTS = [(1, 200_000), (5, 200_000), (20, 200_000), (5, 100_000), (5, 1_000_000), (5, 6_700_000)]
"""Images and bytes of each: three numbers of images, then three sizes; the largest makes a response of 9 MB."""


def figures(rounds: int = 5) -> list[Figure]:
    """Return both slopes: the last step's over the first's, so that 1 is a straight line and less is better.

    The tutorial handler is only drawn, and measured in fewer rounds.
    """
    with Harness.start() as harness:
        product, tutorial = _seconds(harness, "product", rounds), _seconds(harness, "tutorial", 3)
    points = [
        {"images": images, "bytes": size, "product": ours, "tutorial": theirs}
        for (images, size), ours, theirs in zip(POINTS, product, tutorial, strict=True)
    ]
    return [
        Figure(f"CPU by {name} of images: last slope over first", _bend(found), 1.1, raw={"points": found})
        for name, found in (("number", points[:3]), ("size", points[3:]))
    ]


def _seconds(harness: Harness, target: str, rounds: int) -> list[float]:
    """Return the CPU seconds of a ticket at each point; a process measures all that have the same types of images."""
    found: list[float] = []
    for types, points in groupby(POINTS, key=lambda point: [*USUAL][: point[0]]):
        asked = {"IMAGE_TYPES": ",".join(types)}
        found += harness.run("growth.measure", variables=asked, target=target, rounds=rounds, points=[*points])
    return found


def measure(target: str, rounds: int, points: list[tuple[int, int]]) -> list[float]:
    """Return the median CPU seconds of a ticket at each of these points."""
    harness, found = Harness(os.environ["VENDOR_URL"]), []
    for images, size in points:
        numbers = {kind: len(range(place, images, len(USUAL))) for place, kind in enumerate(USUAL)}
        harness.configure(sizes={kind: [size] * number for kind, number in numbers.items()})
        found.append(median(targets.measure(target, rounds, 1)["cpu"]))
    return found


def _bend(points: Sequence[dict[str, Any]]) -> float:
    (first, second, last) = ((each["images"] * each["bytes"], each["product"]) for each in points)
    return float(((last[1] - second[1]) / (last[0] - second[0])) / ((second[1] - first[1]) / (second[0] - first[0])))
