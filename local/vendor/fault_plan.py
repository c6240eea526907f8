"""Which call goes wrong, and how: by script for chosen calls, or by rate from a seed."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from local.vendor.fault import Endpoint, Fault
from local.vendor.faults import FAULTS
from local.vendor.seeding import seeded

Key = tuple[str | None, Endpoint, str | None]
"""Ticket (none for a token), endpoint, and the `type` parameter as sent (images only)."""


@dataclass
class ScriptedFault:
    """The first `times` calls of each (ticket, endpoint, type) that fit go wrong. `None` fits all, or never ends."""

    fault: Fault
    endpoint: Endpoint
    ticket: str | None = None
    type: str | None = None
    times: int | None = 1
    played: Counter[Key] = field(default_factory=Counter)

    def fits(self, key: Key) -> bool:
        """Whether it is this line's turn."""
        ticket, endpoint, kind = key
        return (
            endpoint is self.endpoint
            and self.ticket in (None, ticket)
            and self.type in (None, kind)
            and (self.times is None or self.played[key] < self.times)
        )


@dataclass(frozen=True)
class Rate:
    """A share of all calls, drawn for each (ticket, endpoint, type) and its how-manyeth call: threads change nothing.

    `most` bounds the wrong answers to one key, so that a patient client gets through.
    """

    share: float = 0.0
    seed: int = 1
    faults: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = (Endpoint.TOKEN, Endpoint.DETAILS, Endpoint.IMAGES, Endpoint.PICTURE)
    most: int | None = None


class FaultPlan:
    """Asked once for each call; what is scripted goes before what is drawn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._lines: list[ScriptedFault] = []
            self._rate = Rate()
            self._calls: Counter[Key] = Counter()
            self._drawn: Counter[Key] = Counter()

    def add(self, line: ScriptedFault) -> None:
        """Raises `ValueError` where the fault does not exist for the endpoint."""
        if line.endpoint not in line.fault.endpoints:
            raise ValueError(f"{line.fault.name} is no fault of {line.endpoint}")
        with self._lock:
            self._lines.append(line)

    def rate(self, rate: Rate) -> None:
        """Replaces the rate; raises `KeyError` for a fault that does not exist."""
        for name in rate.faults:
            FAULTS[name]
        with self._lock:
            self._rate = rate

    def next(self, key: Key, asked_for: frozenset[str]) -> Fault | None:
        """The fault of this call, if any. Where it would deceive about a type in `asked_for`, none is drawn."""
        with self._lock:
            self._calls[key] += 1
            for line in self._lines:
                if line.fits(key):
                    line.played[key] += 1
                    return line.fault
            return self._draw(key, asked_for)

    def _draw(self, key: Key, asked_for: frozenset[str]) -> Fault | None:
        rate, endpoint = self._rate, key[1]
        if endpoint not in rate.endpoints or (rate.most is not None and self._drawn[key] >= rate.most):
            return None
        rng = seeded(rate.seed, *key, self._calls[key])
        if rng.random() >= rate.share:
            return None
        candidates = [
            fault
            for fault in (FAULTS[name] for name in rate.faults or FAULTS)
            if endpoint in fault.endpoints and not fault.deceives & (asked_for | {endpoint})
        ]
        if not candidates:
            return None
        self._drawn[key] += 1
        return rng.choice(candidates)
