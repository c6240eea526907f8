"""How CPU per ticket grows with the number of images and with their size, and a picture of both."""

import os
from collections.abc import Sequence
from itertools import groupby
from statistics import median
from typing import Any

from bench import targets
from bench.harness import USUAL, Figure, Harness

POINTS = [(1, 200_000), (5, 200_000), (20, 200_000), (5, 100_000), (5, 1_000_000), (5, 6_700_000)]
"""Images and bytes of each: three numbers of images, then three sizes; the largest makes a response of 9 MB."""
_WIDTH, _HEIGHT, _MARGIN = 360, 240, 56
_COLOURS = {"product": "#1565c0", "tutorial": "#c62828"}


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


def plot(found: Sequence[Figure]) -> str:
    """Return an SVG with a panel per figure; both axes begin at zero, so a straight line is linear growth."""
    panels = [_panel(number * (_WIDTH + _MARGIN), each) for number, each in enumerate(found)]
    width = len(panels) * (_WIDTH + _MARGIN) + _MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + 2 * _MARGIN}" '
    return "\n".join([f'{head}font-family="sans-serif" font-size="11">', *panels, "</svg>", ""])


def _panel(left: int, figure: Figure) -> str:
    points = figure.raw["points"]
    megabytes = [each["images"] * each["bytes"] / 1e6 for each in points]
    top = max(max(each["product"], each["tutorial"]) for each in points)
    title = figure.name.partition(":")[0]
    parts = [
        f'<g transform="translate({left + _MARGIN} {_MARGIN})"><text y="-16" font-weight="bold">{title}</text>',
        f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="#555"/>',
        f'<text x="{_WIDTH}" y="{_HEIGHT + 32}" text-anchor="end">MB of images per ticket</text>',
        f'<text x="-8" y="10" text-anchor="end">{1000 * top:.0f} ms</text>',
    ]
    across = [_WIDTH * each / max(megabytes) for each in megabytes]
    for x, mb in zip(across, megabytes, strict=True):
        parts.append(f'<text x="{x:.0f}" y="{_HEIGHT + 16}" text-anchor="middle">{mb:g}</text>')
    for number, (target, colour) in enumerate(_COLOURS.items()):
        line = " ".join(f"{x:.0f},{_HEIGHT * (1 - at[target] / top):.0f}" for x, at in zip(across, points, strict=True))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="12" y="{16 + 14 * number}" fill="{colour}">{target}</text>')
    return "\n".join([*parts, "</g>"])
