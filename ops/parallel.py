"""Do the same for many tickets at once, and once more when attempts that were in flight have ended."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ops.errors import Exit, Failure, explain
from ticket_archive import clock

WORKERS = 16
DRAIN_SECONDS = 70.0
"""An ingest invocation that began before a change ends within the function's 60 seconds."""

Item = TypeVar("Item")
State = TypeVar("State")
Result = TypeVar("Result")
Advance = Callable[[], object]


@dataclass
class Outcomes(Generic[Result]):
    """What was done, in order, and what failed: one ticket's error does not stop the others."""

    done: list[Result] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def check(self) -> list[Result]:
        """Return what was done. Raises the first failure, with the number of the others."""
        if self.failed:
            more = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
            raise Failure(f"{self.failed[0]}{more}", Exit(self.failed[0].exit_code))
        return self.done


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
    work: Callable[[Item], Result], items: Iterable[Item], advance: Advance = lambda: None
) -> Outcomes[Result]:
    """Do the work for each item. `advance` is called when one is finished, whether it failed or not."""

    def attempt(item: Item) -> Result | Failure:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001 - reported with the other results
            return explain(error)
        finally:
            advance()

    outcomes: Outcomes[Result] = Outcomes()
    with ThreadPoolExecutor(WORKERS) as pool:
        for each in pool.map(attempt, items):
            if isinstance(each, Failure):
                outcomes.failed.append(each)
            else:
                outcomes.done.append(each)
    return outcomes


def in_two_passes(
    first: Callable[[Item], tuple[State, datetime | None]],
    second: Callable[[State, bool], Result],
    items: Iterable[Item],
    drain: Drain,
) -> Outcomes[Result]:
    """Do `first` for each item, wait until no attempt is in flight, and do `second` with what `first` returned.

    `first` also returns when attempts that were in flight will have ended, None if there were none; `second` is told
    whether there were. The wait is one for all items.
    """
    begun = for_each(first, items, drain.advance)
    ends = [end for _, end in begun.done if end is not None]
    if ends and (pause := (max(ends) - drain.now()).total_seconds()) > 0:
        drain.sleep(pause)
    ended = for_each(lambda each: second(each[0], each[1] is not None), begun.done, drain.advance)
    return Outcomes(ended.done, [*begun.failed, *ended.failed])
