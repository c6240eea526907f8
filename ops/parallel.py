"""Run work for many tickets in parallel, and a second pass when attempts that were in flight have ended."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ops.errors import Failure, explain
from ticket_archive import clock

WORKERS = 16
DRAIN_SECONDS = 70.0
"""An ingest invocation that began before a change ends within the function's 60 seconds."""

State = TypeVar("State")
Result = TypeVar("Result")
Advance = Callable[[], object]


@dataclass
class Outcomes(Generic[Result]):
    """What was done and what failed, by ticket: one ticket's error does not stop the others."""

    done: dict[str, Result] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        """Why tickets failed, for the result."""
        return {ticket: str(failure) for ticket, failure in self.failed.items()}

    def check(self) -> list[Result]:
        """Return what was done. Raises a Failure with a line for each reason, which names the tickets that failed."""
        if self.failed:
            tickets: dict[str, list[str]] = {}
            for ticket, reason in self.reasons.items():
                tickets.setdefault(reason, []).append(ticket)
            named = (text if each[0] in text else f"{', '.join(each)}: {text}" for text, each in tickets.items())
            raise Failure("\n".join(named), max(failure.exit_code for failure in self.failed.values()))
        return list(self.done.values())


@dataclass(frozen=True, slots=True)
class Drain:
    """How long attempts that were in flight may still store something. `sleep` waits; `advance` counts what is done."""

    seconds: float = DRAIN_SECONDS
    sleep: Callable[[float], object] = time.sleep
    advance: Advance = lambda: None
    now: Callable[[], datetime] = clock.now

    def end_of(self, begun: str | None) -> datetime | None:
        """Return when an attempt that began then (ISO 8601) will have ended, None if it has."""
        if begun is None:
            return None
        now = self.now()
        end = min(datetime.fromisoformat(begun), now) + timedelta(seconds=self.seconds)
        return end if end > now else None


def for_each(
    work: Callable[[str], Result], tickets: Iterable[str], advance: Advance = lambda: None
) -> Outcomes[Result]:
    """Do the work for each ticket. `advance` is called when one is finished, whether it failed or not."""
    every = list(tickets)

    def attempt(ticket: str) -> Result | Failure:
        try:
            return work(ticket)
        except Exception as error:  # noqa: BLE001 - reported with the other results
            return explain(error)
        finally:
            advance()

    outcomes: Outcomes[Result] = Outcomes()
    with ThreadPoolExecutor(WORKERS) as pool:
        for ticket, each in zip(every, pool.map(attempt, every), strict=True):
            if isinstance(each, Failure):
                outcomes.failed[ticket] = each
            else:
                outcomes.done[ticket] = each
    return outcomes


def in_two_passes(
    first: Callable[[str], tuple[State, datetime | None]],
    second: Callable[[State, bool], Result],
    tickets: Iterable[str],
    drain: Drain,
) -> Outcomes[Result]:
    """Do `first` for each ticket, wait until no attempt is in flight, and do `second` with what `first` returned.

    `first` also returns when attempts that were in flight will have ended, None if there were none; `second` receives
    whether there were. There is one wait for all tickets.
    """
    begun = for_each(first, tickets, drain.advance)
    ends = [end for _, end in begun.done.values() if end is not None]
    if ends and (pause := (max(ends) - drain.now()).total_seconds()) > 0:
        drain.sleep(pause)

    def repeat(ticket: str) -> Result:
        state, end = begun.done[ticket]
        return second(state, end is not None)

    ended = for_each(repeat, begun.done, drain.advance)
    return Outcomes(ended.done, {**begun.failed, **ended.failed})
