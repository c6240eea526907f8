"""A figure: a ratio with its goal, and the raw numbers that it came from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`value` against `goal`; `at_least` turns the goal round. Without a goal it is there to be seen only."""

    name: str
    value: float
    unit: str = " x"
    goal: float | None = None
    at_least: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {self.goal:g}"

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        return {**asdict(self), "reached": self.reached}
