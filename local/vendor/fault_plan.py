"""Which calls get which fault: scripted for chosen calls, or at a rate from a seed."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from local.vendor.faults import FAULTS, Endpoint, Fault
from local.vendor.seeding import seeded

Key = tuple[str | None, Endpoint, str | None]
"""Ticket (none for a token), endpoint, and the `type` parameter as sent (images only)."""


@dataclass
class ScriptedFault:
    """Applies to the first `times` matching calls per (ticket, endpoint, type). None matches all, or never ends."""

    fault: Fault
    endpoint: Endpoint
    ticket: str | None = None
    type: str | None = None
    times: int | None = 1
    injected: Counter[Key] = field(default_factory=Counter)

    def matches(self, key: Key) -> bool:
        """Whether the fault applies to the next call of the key."""
        ticket, endpoint, kind = key
        return (
            endpoint is self.endpoint
            and self.ticket in (None, ticket)
            and self.type in (None, kind)
            and (self.times is None or self.injected[key] < self.times)
        )


@dataclass(frozen=True)
class Rate:
    """A share of all calls. The choice depends on the key and its call number, not on the order of threads.

    `most` limits the faults per key, so that a client that retries succeeds.
    """

    share: float = 0.0
    seed: int = 1
    faults: tuple[str, ...] = ()
    most: int | None = None


class FaultPlan:
    """Chooses the fault of each call; scripted faults come before random ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._scripted: list[ScriptedFault] = []
            self._rate = Rate()
            self._calls: Counter[Key] = Counter()
            self._random_faults: Counter[Key] = Counter()

    def add(self, fault: ScriptedFault) -> None:
        """Add a scripted fault. Raises ValueError if it does not apply to the endpoint."""
        if fault.endpoint not in fault.fault.endpoints:
            raise ValueError(f"{fault.fault.name} does not apply to {fault.endpoint}")
        with self._lock:
            self._scripted.append(fault)

    def rate(self, rate: Rate) -> None:
        """Replace the rate. Raises KeyError for an unknown fault."""
        for name in rate.faults:
            FAULTS[name]
        with self._lock:
            self._rate = rate

    def next(self, key: Key, requested: frozenset[str]) -> Fault | None:
        """Return the call's fault, if any. Random faults never look correct for a type in `requested`."""
        with self._lock:
            self._calls[key] += 1
            for scripted in self._scripted:
                if scripted.matches(key):
                    scripted.injected[key] += 1
                    return scripted.fault
            return self._choose(key, requested)

    def _choose(self, key: Key, requested: frozenset[str]) -> Fault | None:
        rate, endpoint = self._rate, key[1]
        if rate.most is not None and self._random_faults[key] >= rate.most:
            return None
        rng = seeded(rate.seed, *key, self._calls[key])
        if rng.random() >= rate.share:
            return None
        candidates = [
            fault
            for fault in (FAULTS[name] for name in rate.faults or FAULTS)
            if endpoint in fault.endpoints and not fault.deceives & (requested | {endpoint})
        ]
        if not candidates:
            return None
        self._random_faults[key] += 1
        return rng.choice(candidates)
