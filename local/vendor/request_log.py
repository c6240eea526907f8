"""The log of calls: ids and codes, no headers and no bodies."""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 500_000


@dataclass
class Record:
    """One call. `status` is None if no status line was sent; `at` is in epoch seconds.

    `authorization` says whether a credential was sent, which must not happen at image URLs.
    """

    endpoint: str
    method: str
    path: str
    ticket: str | None = None
    type: str | None = None
    authorization: bool = False
    fault: str | None = None
    status: int | None = None
    at: float = 0.0
    seconds: float | None = None


class RequestLog:
    """Keeps the latest 500,000 calls, and counts all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Clear the records, except the number of calls in flight."""
        with self._lock:
            self._records: deque[Record] = deque(maxlen=_KEPT)
            self._per_ticket: dict[str, Counter[str]] = {}
            self._endpoints: Counter[str] = Counter()
            self._faults: Counter[str] = Counter()
            self._peak = self._in_flight

    @contextmanager
    def call(self, record: Record) -> Iterator[None]:
        """Record a call while it is served. The record precedes the response, so a client finds its own."""
        record.at = time.time()
        began = time.monotonic()
        with self._lock:
            self._records.append(record)
            self._endpoints[record.endpoint] += 1
            if record.fault:
                self._faults[record.fault] += 1
            if record.ticket:
                self._per_ticket.setdefault(record.ticket, Counter())[record.endpoint] += 1
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
        try:
            yield
        finally:
            record.seconds = time.monotonic() - began
            with self._lock:
                self._in_flight -= 1

    def calls(self, ticket: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the calls in order of arrival, of one ticket or of all."""
        with self._lock:
            records = list(self._records)
        return [
            asdict(record)
            for record in records
            if ticket in (None, record.ticket) and endpoint in (None, record.endpoint)
        ]

    def counts(self) -> dict[str, Any]:
        """Return the calls per endpoint, fault, ticket and endpoint, and the peak concurrency."""
        with self._lock:
            return {
                "endpoints": dict(self._endpoints),
                "faults": dict(self._faults),
                "tickets": {ticket: dict(counter) for ticket, counter in self._per_ticket.items()},
                "peak": self._peak,
            }
