"""A run as one picture: every figure that has a goal, as a bar whose length is its share of the goal."""

from collections.abc import Sequence
from html import escape

from bench.figures import Figure

_ROW, _LEFT, _WIDTH = 26, 470, 420


def svg(figures: Sequence[Figure], title: str) -> str:
    """The picture. The line is the goal; a bar that stays left of it has reached it, whichever way the goal points."""
    shown = [figure for figure in figures if figure.goal is not None]
    height = _ROW * (len(shown) + 2)
    goal = _LEFT + _WIDTH / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 90}" height="{height + 10}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>',
        f'<text x="{goal}" y="18" text-anchor="middle" fill="#555">goal</text>',
    ]
    for number, figure in enumerate(shown):
        top = _ROW * (number + 1)
        length = min(_share(figure), 2.0) * _WIDTH / 2
        colour = "#2e7d32" if figure.reached else "#c62828"
        value = f"{figure.value:.2f}{figure.unit} ({figure.wanted})"
        parts += [
            f'<text x="{_LEFT - 8}" y="{top + 17}" text-anchor="end">{escape(figure.name)}</text>',
            f'<rect x="{_LEFT}" y="{top + 5}" width="{length:.1f}" height="16" fill="{colour}" opacity="0.75"/>',
            f'<text x="{_LEFT + 6}" y="{top + 17}">{escape(value)}</text>',
        ]
    parts.append(f'<line x1="{goal}" y1="24" x2="{goal}" y2="{height}" stroke="#555" stroke-dasharray="4 3"/>')
    return "\n".join([*parts, "</svg>", ""])


def _share(figure: Figure) -> float:
    """How much of what the goal allows is used: 1 is just reached."""
    if not figure.goal or not figure.value:
        return 0.0
    return figure.goal / figure.value if figure.at_least else figure.value / figure.goal
