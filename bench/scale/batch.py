"""How many seconds a batch takes: a small simulation of the queue door, of which Lambda bills the longest thread.

Ten tickets have a thread each; their calls to the vendor and to S3 wait for one of sixteen. Python's own work is done
by one thread at a time, at the speed of the CPU share that goes with the memory.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import cache

from bench.memory_sizing import MB_PER_CPU
from bench.scale import calls
from bench.scale.inputs import World
from ingest.dependencies import CALLS_AT_ONCE
from ingest.handlers.sqs import LEFT_FOR_STORING
from ingest.vendor.client import _QUICK_PAUSES

Step = tuple[str, float] | tuple[str, "Latch"]
MessageProcessor = Generator[Step, None, None]
"""Yields ("cpu", seconds), ("wait", seconds) or ("join", latch)."""


@cache
def seconds(world: World, tickets: int, memory_mb: int, *, token: bool = False) -> float:
    """Of an invocation with so many tickets in a warm function; `token`: the vendor's token has to be fetched first."""
    share = min(1.0, memory_mb / MB_PER_CPU)
    run = _Run(CALLS_AT_ONCE)
    called = calls.of(world.ticket)
    per_call = world.cpu / share / (called.vendor + called.table + called.bucket_puts)
    for _ in range(tickets):
        run.start(_ticket(run, world, per_call, world.latencies.token if token else 0.0))
    return run.finish()


@cache
def failing_seconds(world: World, tickets: int, memory_mb: int) -> float:
    """Of an invocation whose every call to the vendor is refused at once, tried again, and refused."""
    tries = len(_QUICK_PAUSES) + 1
    asking = tries * world.latencies.refusal + 0.75 * sum(_QUICK_PAUSES)  # a pause is three quarters on average
    return seconds(_answering_in(world, asking), tickets, memory_mb)


def silent_seconds(timeout: float) -> float:
    """Of an invocation whose calls to the vendor hang: until the time that is kept for storing begins."""
    return timeout - LEFT_FOR_STORING


def _answering_in(world: World, asking: float) -> World:
    """No image comes; as many calls are made to the table as for a ticket that is archived."""
    took = replace(world.latencies, details=asking, images=asking, bucket=0.0)
    nothing = replace(world.ticket, images=((),) * len(world.ticket.images))
    return replace(world, latencies=took, ticket=nothing)


def _ticket(run: "_Run", world: World, cpu: float, token: float) -> MessageProcessor:
    """As `MessageProcessor._event` and `Archive.archive` do it."""
    took = world.latencies
    for _ in range(2):  # idempotency, register
        yield "cpu", cpu
        yield "wait", took.table
    asked = Latch(2 + len(world.ticket.images))
    run.submit(_call(cpu, took.table, asked))  # the event
    run.submit(_call(cpu, token + took.details, asked))
    for sizes in world.ticket.images:
        run.submit(_images(run, cpu, token + took.images, took.bucket, len(sizes), asked))
    yield "join", asked
    for wait in (took.table, took.bucket, took.table):  # the item, the manifest, idempotency
        yield "cpu", cpu
        yield "wait", wait


def _call(cpu: float, wait: float, done: "Latch") -> MessageProcessor:
    yield "cpu", cpu
    yield "wait", wait
    done.down()


def _images(run: "_Run", cpu: float, wait: float, store: float, images: int, done: "Latch") -> MessageProcessor:
    """One type's images, which are stored by other threads of the same pool."""
    yield "cpu", cpu
    yield "wait", wait
    done.up(images)
    for _ in range(images):
        run.submit(_call(cpu, store, done))
    done.down()


@dataclass
class Latch:
    """Opens when it was counted down."""

    left: int
    then: list[Callable[[], None]] = field(default_factory=list)

    def up(self, count: int) -> None:
        """More to wait for."""
        self.left += count

    def down(self) -> None:
        """One less."""
        self.left -= 1
        if self.left == 0:
            for resume in self.then:
                resume()


class _Run:
    """Virtual time, a pool of threads, one interpreter."""

    def __init__(self, threads: int) -> None:
        self._now = 0.0
        self._free = threads
        self._waiting: deque[MessageProcessor] = deque()
        self._interpreter_free = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def start(self, work: MessageProcessor) -> None:
        """On a thread of its own."""
        self._at(self._now, lambda: self._go_on(work, pooled=False))

    def submit(self, work: MessageProcessor) -> None:
        """On the pool."""
        self._waiting.append(work)
        self._at(self._now, self._take)

    def finish(self) -> float:
        """When everything is done."""
        while self._events:
            self._now, _, act = heapq.heappop(self._events)
            act()
        return self._now

    def _take(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._go_on(self._waiting.popleft(), pooled=True)

    def _go_on(self, work: MessageProcessor, *, pooled: bool) -> None:
        step = next(work, None)
        if step is None:
            if pooled:
                self._free += 1
                self._take()
            return
        kind, what = step
        if isinstance(what, Latch):
            what.then.append(lambda: self._at(self._now, lambda: self._go_on(work, pooled=pooled)))
        elif kind == "cpu":
            self._interpreter_free = max(self._interpreter_free, self._now) + what
            self._at(self._interpreter_free, lambda: self._go_on(work, pooled=pooled))
        else:
            self._at(self._now + what, lambda: self._go_on(work, pooled=pooled))

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), act))
