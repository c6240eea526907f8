"""How CPU per ticket grows with the number of images and with their size."""

from typing import Any

from bench.harness import USUAL, Figure, Lab, lab
from bench.targets import per_ticket

NUMBERS = (1, 5, 20)
SIZES = (100_000, 1_000_000, 6_700_000)
"""Bytes of each of five images; the largest makes a response of 9 MB."""


def figures(rounds: int = 3) -> list[Figure]:
    """Return both slopes: the last step's over the first's, so that 1 is a straight line and less is better."""
    with lab() as stand_ins:
        by_number = [_point(stand_ins, number, 200_000, rounds) for number in NUMBERS]
        by_size = [_point(stand_ins, 5, size, rounds) for size in SIZES]
    return [
        Figure("CPU by number of images: last slope over first", _bend(by_number), 1.1, raw={"points": by_number}),
        Figure("CPU by size of images: last slope over first", _bend(by_size), 1.1, raw={"points": by_size}),
    ]


def _point(stand_ins: Lab, images: int, size: int, rounds: int) -> dict[str, Any]:
    types = list(USUAL)
    sizes = {kind: [size] * len(range(place, images, len(types))) for place, kind in enumerate(types)}
    stand_ins.configure(sizes=sizes)
    asked = stand_ins.having(IMAGE_TYPES=",".join(kind for kind in types if sizes[kind]))
    seconds = {target: per_ticket(asked, target, rounds, 1)["cpu"] for target in ("product", "tutorial")}
    return {"images": images, "bytes": size, **seconds}


def _bend(points: list[dict[str, Any]]) -> float:
    (first, second, last) = ((each["images"] * each["bytes"], each["product"]) for each in points)
    return float(((last[1] - second[1]) / (last[0] - second[0])) / ((second[1] - first[1]) / (second[0] - first[0])))
