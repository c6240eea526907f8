"""Webhooks over a day: few at night, the most at noon, the busiest second so many times the average as is said."""

import math
from collections.abc import Sequence

from bench.scale.inputs import DAY


def rate(tickets_per_day: float, peak: float, second: float) -> float:
    """Webhooks per second at a second of the day: a power of a cosine whose mean is the average, noon its peak."""
    return tickets_per_day / DAY * peak * _shape(second, _power(peak))


def window(tickets_per_day: float, peak: float, begins: int, seconds: int) -> Sequence[float]:
    """Webhooks in each second of a part of the day; it may go beyond midnight."""
    power = _power(peak)
    top = tickets_per_day / DAY * peak
    return [top * _shape(begins + second, power) for second in range(seconds)]


def hours(tickets_per_day: float, peak: float) -> Sequence[float]:
    """Webhooks per second in the middle of each hour, which together are the day's tickets."""
    found = [rate(tickets_per_day, peak, 3600 * hour + 1800) for hour in range(24)]
    return [each * tickets_per_day / (3600 * sum(found)) for each in found]


def _shape(second: float, power: float) -> float:
    return float(((1 - math.cos(2 * math.pi * second / DAY)) / 2) ** power)


def _power(peak: float) -> float:
    """The power of which the mean is 1 / peak: found by halving."""
    if peak <= 1:
        return 0.0
    low, high = 0.0, 200.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        mean = math.gamma(middle + 0.5) / (math.sqrt(math.pi) * math.gamma(middle + 1)) if middle < 170 else 0.0
        low, high = (middle, high) if mean > 1 / peak else (low, middle)
    return round(low, 6)
