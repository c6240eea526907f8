"""Which calls get which fault: scripted for chosen calls, or at a rate from a seed."""

import threading
from collections import Counter
from collections.abc import Sequence

from local.vendor.faults import FAULTS, Fault
from local.vendor.seeding import seeded
from local.vendor.service import Endpoint

Key = tuple[str | None, Endpoint, str | None]
"""Ticket (not of a token), endpoint, and an images call's `type` as sent. In a scripted fault None stands for any."""


class FaultPlan:
    """Chooses the fault of each call; scripted faults come before random ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: list[tuple[Fault, Key, int | None, Counter[Key]]] = []
        self._calls: Counter[Key] = Counter()
        self._random_faults: Counter[Key] = Counter()
        self.rate(0.0)

    def script(
        self,
        fault: str,
        endpoint: str,
        ticket: str | None = None,
        type: str | None = None,  # noqa: A002  the vendor's name for it
        times: int | None = 1,
    ) -> None:
        """Inject the fault into the first `times` matching calls per (ticket, endpoint, type); `times=None`: all.

        Faults for the same call are injected in the order of these calls. Raises KeyError or ValueError for a fault
        that is unknown or does not apply to the endpoint.
        """
        found, place = FAULTS[fault], Endpoint(endpoint)
        if place not in found.endpoints:
            raise ValueError(f"{fault} does not apply to {endpoint}")
        with self._lock:
            self._scripted.append((found, (ticket, place, type), times, Counter()))

    def rate(self, share: float, seed: int = 1, faults: Sequence[str] = (), most: int | None = None) -> None:
        """Inject a random fault into a share of all calls, at most `most` per (ticket, endpoint, type).

        Without `faults` all are used, except where the response looks correct. The choice depends on the key and its
        call number, not on the order of threads. Raises KeyError for an unknown fault.
        """
        candidates = [FAULTS[name] for name in faults or FAULTS]
        with self._lock:
            self._share, self._seed, self._candidates, self._most = share, seed, candidates, most

    def next(self, key: Key, requested: frozenset[str]) -> Fault | None:
        """Return the call's fault, if any. Random faults never look correct for a type in `requested`."""
        with self._lock:
            self._calls[key] += 1
            for fault, wanted, times, injected in self._scripted:
                fits = all(each in (None, given) for each, given in zip(wanted, key, strict=True))
                if fits and (times is None or injected[key] < times):
                    injected[key] += 1
                    return fault
            if self._most is not None and self._random_faults[key] >= self._most:
                return None
            rng, endpoint = seeded(self._seed, *key, self._calls[key]), key[1]
            if rng.random() >= self._share:
                return None
            asked = requested | {endpoint}
            candidates = [each for each in self._candidates if endpoint in each.endpoints and not each.deceives & asked]
            self._random_faults[key] += bool(candidates)
            return rng.choice(candidates) if candidates else None
