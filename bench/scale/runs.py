"""A run: so many tickets a day against limits, in a burst, through an outage of an hour, and its bill."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench.scale import batch, limits, prices, queue_simulation, rates, traffic
from bench.scale.calls import INCOMPLETE_UNITS_TO_ARCHIVE, FailedAttempt
from bench.scale.inputs import DAY, World
from bench.scale.limits import Use
from bench.scale.queue_simulation import Course, Outage
from bench.scale.rates import Rates
from bench.scale.settings import Settings

SCALES = (1_000, 100_000, 10_000_000)
BURST_SECONDS = 60
OUTAGE_SECONDS = 3600
_BEFORE = 1800
_WINDOW = 8 * 3600


@dataclass(frozen=True)
class Event:
    """Something out of the ordinary at noon. Times are in seconds from when it began; None: not in these hours."""

    name: str
    settings: Settings
    arrived: int
    refused: int
    archived: int
    waiting: int
    dead_letters: int
    deepest: int
    in_flight: int
    oldest: float
    drained: float | None
    failed_attempts: int
    index_units: int
    incomplete_alarm: float | None
    oldest_alarm: float | None
    dead_alarm: float | None


@dataclass(frozen=True)
class Run:
    """`advised` are the template's settings where they suffice; the bill is with them."""

    tickets: int
    settings: Settings
    advised: Settings
    peak: Rates
    uses: Sequence[Use]
    uses_advised: Sequence[Use]
    events: Sequence[Event]
    bill: Sequence[prices.Line]

    @property
    def first(self) -> Use:
        """The limit that comes first, as tickets become more."""
        return min(self.uses, key=lambda use: use.reached_at or math.inf)

    @property
    def over(self) -> Sequence[Use]:
        """The limits that are reached with the template's settings, the first in front."""
        return sorted((use for use in self.uses if use.share > 1), key=lambda use: use.reached_at or 0.0)


def run(world: World, settings: Settings, tickets: int) -> Run:
    """All of it. What does not suffice is run twice: as the template is, and as it is advised to be."""
    advised = limits.advised(world, settings, tickets)
    sets = [settings] if advised == settings else [settings, advised]
    return Run(
        tickets,
        settings,
        advised,
        rates.at(world, advised, traffic.rate(tickets, world.peak, DAY / 2)),
        limits.at_peak(world, settings, tickets),
        limits.at_peak(world, advised, tickets),
        [event for each in sets for event in _events(world, each, tickets)],
        prices.lines(world, advised, tickets),
    )


def _events(world: World, settings: Settings, tickets: int) -> list[Event]:
    usual = traffic.window(tickets, world.peak, DAY // 2 - _BEFORE, _WINDOW)
    hour = traffic.rate(tickets, world.peak, DAY / 2) * 3600
    burst = list(usual)
    for second in range(_BEFORE, _BEFORE + BURST_SECONDS):
        burst[second] += hour / BURST_SECONDS
    refusing = partial(batch.failing_seconds, world, memory_mb=settings.memory_mb)

    def silent(_: int) -> float:
        return batch.silent_seconds(settings.timeout)

    ends = _BEFORE + OUTAGE_SECONDS
    return [
        _event("no event", world, settings, usual, None, _BEFORE),
        _event("an hour's webhooks in a minute", world, settings, burst, None, _BEFORE + BURST_SECONDS),
        _event("an hour's outage, vendor refuses", world, settings, usual, Outage(_BEFORE, ends, refusing), ends),
        _event("an hour's outage, vendor is silent", world, settings, usual, Outage(_BEFORE, ends, silent), ends),
    ]


def _event(
    name: str, world: World, settings: Settings, arrivals: Sequence[float], outage: Outage | None, over: int
) -> Event:
    took = queue_simulation.run(arrivals, settings, lambda size: batch.seconds(world, size, settings.memory_mb), outage)
    return Event(
        name=name,
        settings=settings,
        arrived=took.arrived,
        refused=took.refused,
        archived=took.archived,
        waiting=took.waiting,
        dead_letters=took.dead,
        deepest=max(took.depth),
        in_flight=max(took.in_flight),
        oldest=max(took.oldest),
        drained=took.drained(over, max(*took.depth[:_BEFORE], 2 * math.ceil(max(arrivals[:_BEFORE])))),
        failed_attempts=took.failed_attempts,
        index_units=_index_units(took),
        incomplete_alarm=_since(took.incomplete_alarm),
        oldest_alarm=_since(took.oldest_alarm),
        dead_alarm=_since(took.dead_alarm),
    )


def _since(moment: float | None) -> float | None:
    return None if moment is None else moment - _BEFORE


def _index_units(took: Course) -> int:
    """Write units per second of the busiest minute, in the one partition of the index `incomplete`."""
    units = FailedAttempt().incomplete_units
    by_second = [
        units * failed + INCOMPLETE_UNITS_TO_ARCHIVE * archived
        for failed, archived in zip(took.failures, took.recoveries, strict=True)
    ]
    return max(sum(by_second[at : at + 60]) for at in range(0, len(by_second), 60)) // 60
