"""The queue over time: webhooks come, workers take batches, failed messages wait by the product's own pauses.

Arrivals come by the second, workers run in continuous time, messages of the same minute and the same number of receives
are one group: the numbers stay exact, only ages are known to the minute.
"""

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bench.scale.settings import Settings
from ingest.archiving.requeue import _LATE
from ingest.messaging.backoff import pause_before_delivery

WATCHED_RECEIVES = 3
"""SQS's metric of the oldest message passes by what was received more often (SQS guide, CloudWatch metrics)."""

IN_FLIGHT = 120_000
"""Messages that a standard queue lets be in flight: those that are worked on, and those that are put off."""

_GOLDEN = 0.6180339887498949
_STRATA = 8  # parts into which a group is drawn where it is large enough


@dataclass(frozen=True)
class Outage:
    """The vendor fails every call from `begins` until `ends`; a batch of so many takes `batch_seconds` to find out."""

    begins: float
    ends: float
    batch_seconds: Callable[[int], float]


@dataclass
class Course:
    """What became of `arrived` webhooks, all in messages, and when what was seen, in seconds from the beginning.

    `waiting` are in the queue at the end, `waited` is the sum of all archived tickets' seconds in it. The lists are by
    the second. An alarm's moment is None where its threshold was never reached.
    """

    arrived: int = 0
    refused: int = 0
    archived: int = 0
    dead: int = 0
    waiting: int = 0
    failed_attempts: int = 0
    waited: float = 0.0
    depth: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    oldest: list[float] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    recoveries: list[int] = field(default_factory=list)
    oldest_alarm: float | None = None
    incomplete_alarm: float | None = None
    dead_alarm: float | None = None

    def drained(self, after: float, level: int) -> float | None:
        """Seconds from `after` until the queue holds `level` messages or fewer for good; None if it never does."""
        above = [second for second, depth in enumerate(self.depth) if depth > level]
        last = above[-1] + 1 if above else 0
        return None if last >= len(self.depth) else max(0.0, last - after)


_Key = tuple[int, int, int]
"""Minute of arrival, receives, minute of the first attempt."""


@dataclass(frozen=True)
class _Group:
    """Messages that came in the same minute, were received equally often, and tried first in the same minute."""

    minute: int
    receives: int
    tried: int
    count: int


def run(
    arrivals: Sequence[float],
    settings: Settings,
    batch_seconds: Callable[[int], float],
    outage: Outage | None = None,
) -> Course:
    """`arrivals` are webhooks in each second. `batch_seconds` tells how long a batch of so many tickets takes."""
    queue = _Queue(settings, batch_seconds, outage)
    tokens, due = settings.throttle_burst, 0.0
    for second, rate in enumerate(arrivals):
        due += rate
        came = int(due)
        due -= came
        tokens = min(settings.throttle_burst, tokens + settings.throttle_rate) if second else tokens
        let_in = min(came, int(tokens))
        tokens -= let_in
        queue.course.arrived += came
        queue.course.refused += came - let_in
        queue.second(second, let_in)
    return queue.course


class _Queue:
    def __init__(self, settings: Settings, batch_seconds: Callable[[int], float], outage: Outage | None) -> None:
        self.course = Course()
        self._settings = settings
        self._batch_seconds = batch_seconds
        self._outage = outage
        self._idle = settings.concurrency
        self._visible: deque[_Group] = deque()
        self._ready = 0
        self._put_off: defaultdict[int, defaultdict[_Key, int]] = defaultdict(lambda: defaultdict(int))
        self._running: list[tuple[float, int, int, float, list[_Group]]] = []
        self._order = itertools.count()
        self._inside: defaultdict[_Key, int] = defaultdict(int)
        self._all = 0
        self._draw = 0.0

    def second(self, now: int, came: int) -> None:
        """One second: what is due becomes visible, `came` messages join, workers go on."""
        self.course.failures.append(0)
        self.course.recoveries.append(0)
        for key, count in self._put_off.pop(now, {}).items():
            self._show(_Group(*key, count))
        if came:
            new = (now // 60, 0, -1)
            self._enter(new, came)
            self._show(_Group(*new, came))
        self._take(float(now))
        self._look(now)
        while self._running and self._running[0][0] < now + 1:
            ended, _, workers, began, groups = heapq.heappop(self._running)
            self._idle += workers
            for group in groups:
                self._end(group, began, ended)
            self._take(ended)
        self.course.waiting = self._all

    def _show(self, group: _Group) -> None:
        self._visible.append(group)
        self._ready += group.count

    def _take(self, now: float) -> None:
        """Idle workers take what is there: full batches while it lasts, else each an equal part."""
        while self._idle and (open_to := min(self._ready, IN_FLIGHT - (self._all - self._ready))) > 0:
            full = open_to // self._settings.batch_size
            if full >= self._idle:
                workers, size = self._idle, self._settings.batch_size
            else:
                workers = min(self._idle, open_to)
                size = open_to // workers
                if open_to % workers:  # some take one more
                    size, workers = size + 1, open_to % workers
            self._begin(now, workers, size)

    def _begin(self, now: float, workers: int, size: int) -> None:
        self._idle -= workers
        fails = self._fails(now)
        took = (self._outage.batch_seconds if self._outage and fails else self._batch_seconds)(size)
        entry = (now + took, next(self._order), workers, now, self._pick(workers * size))
        heapq.heappush(self._running, entry)

    def _fails(self, began: float) -> bool:
        return self._outage is not None and self._outage.begins <= began < self._outage.ends

    def _pick(self, count: int) -> list[_Group]:
        self._ready -= count
        picked = []
        while count:
            group = self._visible.popleft()
            if group.count > count:
                self._visible.appendleft(replace(group, count=group.count - count))
                group = replace(group, count=count)
            picked.append(group)
            count -= group.count
        return picked

    def _end(self, group: _Group, began: float, ended: float) -> None:
        self._leave(group)
        if not self._fails(began):
            self.course.archived += group.count
            self.course.waited += group.count * max(0.0, ended - 60 * group.minute - 30)
            if group.receives:
                self.course.recoveries[-1] += group.count
            return
        self.course.failed_attempts += group.count
        self.course.failures[-1] += group.count
        receives = group.receives + 1
        if receives >= self._settings.max_receives:
            self.course.dead += group.count
            self.course.dead_alarm = ended if self.course.dead_alarm is None else self.course.dead_alarm
            return
        key = group.minute, receives, group.tried if group.receives else int(began) // 60
        self._enter(key, group.count)
        for count in _parts(group.count):
            self._draw = (self._draw + _GOLDEN) % 1.0
            pause = pause_before_delivery(receives, self._settings.retry_delay, None, self._draw)
            self._put_off[int(ended) + pause][key] += count

    def _enter(self, key: _Key, count: int) -> None:
        self._inside[key] += count
        self._all += count

    def _leave(self, group: _Group) -> None:
        key = group.minute, group.receives, group.tried
        self._inside[key] -= group.count
        self._all -= group.count
        if not self._inside[key]:
            del self._inside[key]

    def _look(self, now: int) -> None:
        course = self.course
        course.depth.append(self._all)
        course.in_flight.append(self._all - self._ready)
        first = min((minute for minute, _, _ in self._inside), default=None)
        course.oldest.append(0.0 if first is None else float(now - 60 * first))
        watched = min((minute for minute, receives, _ in self._inside if receives <= WATCHED_RECEIVES), default=None)
        threshold = self._settings.oldest_message_alarm
        if course.oldest_alarm is None and watched is not None and now - 60 * watched >= threshold:
            course.oldest_alarm = float(now)
        if course.incomplete_alarm is None and now % self._settings.requeue_every == 0:
            late = now - _LATE.total_seconds()
            if any(receives and 60 * tried < late for _, receives, tried in self._inside):
                course.incomplete_alarm = float(now)


def _parts(count: int) -> list[int]:
    """As many parts as are drawn for one by one, sizes as equal as can be."""
    number = min(count, _STRATA)
    return [count // number + (place < count % number) for place in range(number)]
