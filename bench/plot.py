"""The growth figures as one picture: CPU per ticket by number and by size of images, product beside tutorial."""

from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT, _MARGIN = 360, 240, 56
_COLOURS = {"product": "#1565c0", "tutorial": "#c62828"}


def growth(figures: Sequence[dict[str, Any]]) -> str:
    """Return an SVG with a panel per figure; both axes begin at zero, so a straight line is linear growth."""
    panels = [
        _panel(number * (_WIDTH + _MARGIN), figure["raw"]["points"], figure["name"].partition(":")[0])
        for number, figure in enumerate(figures)
    ]
    width = len(panels) * (_WIDTH + _MARGIN) + _MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + 2 * _MARGIN}" '
    return "\n".join([f'{head}font-family="sans-serif" font-size="11">', *panels, "</svg>", ""])


def _panel(left: int, points: Sequence[dict[str, Any]], title: str) -> str:
    megabytes = [each["images"] * each["bytes"] / 1e6 for each in points]
    top = max(max(each["product"], each["tutorial"]) for each in points)
    parts = [
        f'<g transform="translate({left + _MARGIN} {_MARGIN})"><text y="-16" font-weight="bold">{title}</text>',
        f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="#555"/>',
        f'<text x="{_WIDTH}" y="{_HEIGHT + 32}" text-anchor="end">MB of images per ticket</text>',
        f'<text x="-8" y="10" text-anchor="end">{1000 * top:.0f} ms</text>',
    ]
    places = [_WIDTH * each / max(megabytes) for each in megabytes]
    parts += [
        f'<text x="{x:.0f}" y="{_HEIGHT + 16}" text-anchor="middle">{mb:g}</text>'
        for x, mb in zip(places, megabytes, strict=True)
    ]
    for number, (target, colour) in enumerate(_COLOURS.items()):
        heights = [_HEIGHT * (1 - each[target] / top) for each in points]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(places, heights, strict=True))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="12" y="{16 + 14 * number}" fill="{colour}">{target}</text>')
    return "\n".join([*parts, "</g>"])
