"""The phases of a soak: storm, redrive, second states, outage; and then the consistency checks."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.stack import SEED
from local.vendor import webhooks
from local.vendor.faults import FAULTS
from local.vendor.tickets import Outcome, State, Tickets
from ops.commands.redrive import quarantined, redrive_messages
from ops.queues import Pace, Queue
from tests.soak.withheld import Permissions
from tests.soak.workers import Workers
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import Downstream, downstream
from tests.support.load import LATER, SLOW, Sender, WebhookRequest, personal_data, spellings, tickets, webhook_requests
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, messages
from tests.support.stack import LocalStack

DOUBLED, FAULTY, JUNK = 0.25, 0.3, 0.05
KILLS = 0.02
"""Of the tickets: a worker is killed for every fifty of them that were done."""
WITHHELD = 0.02
"""Of the time."""
SECOND_STATES, IN_OUTAGE = 0.02, 0.05
SLOW_ONES = 0.005
OUTAGE = ("unavailable", "gateway_timeout", "server_error", "reset", "hang_up")
REDRIVES = 5
MEMORY_GROWTH = 1.25

TIMEOUT = 30
VISIBILITY = 45
"""Seconds, in place of 60 and 360: after a crash a batch comes back in less than a minute. A message that is still
being worked on never does, as in production."""


class OutOfMinutes(Exception):
    """The run took longer than it was given."""


@dataclass(frozen=True)
class Options:
    tickets: int
    minutes: float
    receives: int
    seed: int


@dataclass
class Result:
    """What the table shows. `problems` are what must not be: with any of them the soak has failed."""

    sent: int = 0
    tickets: int = 0
    junk: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    in_storm: int = 0
    archived_before: int = 0
    archived: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    dead_in_outage: Counter[str] = field(default_factory=Counter)
    redriven: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    manifests: int = 0
    events: int = 0
    second_states: int = 0
    counts: dict[str, Any] = field(default_factory=dict)
    storm_calls: int = 0
    killed: int = 0
    interrupted: int = 0
    """Batches that ended with their worker."""
    withheld: int = 0
    memory: tuple[float, float] = (0.0, 0.0)
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


Tell = Callable[[str, int, int], None]
"""Hears what goes on: phase, done, of how many."""


class Soak:
    """One soak on a stack that nobody else uses."""

    def __init__(self, stack: LocalStack, options: Options, tell: Tell) -> None:
        self.stack, self.options, self.tell = stack, options, tell
        self.result = Result()
        self.log, self.checks = LogReader(stack), ConsistencyChecks(stack)
        self.workers = Workers(stack.state, options.seed)
        self.permissions = Permissions(stack, WITHHELD)
        self.sender = Sender(stack)
        self._ends_at = time.monotonic() + options.minutes * 60
        self._tickets_of: dict[bytes, str] = {}
        self._reasons: dict[bytes, str] = {}
        self._states: Counter[str] = Counter()

    def run(self) -> Result:
        """All phases. What goes wrong is in the result; raises OutOfMinutes."""
        result, count = self.result, self.options.tickets
        self._scale()
        with downstream(self.stack) as consumer:
            with self._phase("prepared"):
                many = count + max(10, round(count * IN_OUTAGE))
                known = tickets(self.stack, many, 0)
                self.stack.vendor("forget")
            first, late = known[:count], known[count:]
            result.in_storm = count
            with self._phase("storm"):
                self._storm(first)
            result.storm_calls = sum(self.stack.vendor("counts")["endpoints"].values())
            result.archived_before = self._archived(first)
            self._count_dead(result.dead)
            with self._phase("redrive"):
                self._redrive()
            with self._phase("second states"):
                self._second_states(first)
            with self._phase("outage"):
                self._outage(late)
            with self._phase("checks"):
                self._check(known, consumer)
        return result

    def _scale(self) -> None:
        """Makes crashes and backoff quick enough to be waited for; the template stays as it is."""
        stack = self.stack
        function = stack.resources["IngestFunction"]
        given = stack.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        variables = {**given, "MAX_RECEIVES": str(self.options.receives)}
        stack.overwrite(function, Timeout=TIMEOUT, Environment={"Variables": variables})
        found = stack.sqs.get_queue_attributes(QueueUrl=stack.at.queue_url, AttributeNames=["RedrivePolicy"])
        policy = {**json.loads(found["Attributes"]["RedrivePolicy"]), "maxReceiveCount": self.options.receives}
        stack.sqs.set_queue_attributes(
            QueueUrl=stack.at.queue_url,
            Attributes={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": str(VISIBILITY)},
        )

    def _storm(self, wanted: Sequence[str]) -> None:
        """Everything at once: faults, doubles, junk, killed workers, refused AWS calls."""
        stack, seed = self.stack, self.options.seed
        rng = random.Random(seed)
        for ticket in rng.sample(wanted, max(4, round(len(wanted) * SLOW_ONES))):
            stack.vendor("script", fault=rng.choice(sorted(SLOW)), endpoint="images", ticket=ticket, type="DOCUMENT")
        stack.vendor("rate", share=FAULTY, seed=seed, faults=sorted(FAULTS.keys() - SLOW - LATER), most=3)
        load = webhook_requests(wanted, stack.at.webhook_secret, doubled=DOUBLED, junk=JUNK, seed=seed)
        try:
            self._post(load, storm=True)
        finally:
            self.permissions.restore()
        stack.vendor("rate", share=0.0)

    def _second_states(self, wanted: Sequence[str]) -> None:
        """Some outcomes change: a second manifest each, and no more."""
        changed = random.Random(self.options.seed).sample(wanted, max(2, round(len(wanted) * SECOND_STATES)))
        load = []
        for ticket in changed:
            was = Tickets(SEED).get(ticket).outcome
            outcome = Outcome.REJECTED if was is Outcome.ACCEPTED else Outcome.ACCEPTED
            self.stack.vendor("state", ticket=ticket, outcome=outcome)
            event = webhooks.event(webhooks.Form.COMPLETED, Tickets(SEED).get(ticket, State(outcome=outcome)))
            load.append(WebhookRequest(webhooks.encrypted(event, self.stack.at.webhook_secret), ticket))
            self._states[ticket] = 2
        self.result.second_states = len(changed)
        self._post(load)

    def _outage(self, wanted: Sequence[str]) -> None:
        """The vendor is down until the queue has given every ticket up. When it is back, a redrive is all it takes."""
        self.stack.vendor("rate", share=1.0, faults=OUTAGE)
        self._post(
            webhook_requests(wanted, self.stack.at.webhook_secret, doubled=DOUBLED, junk=0, seed=self.options.seed)
        )
        if archived := self._archived(wanted):
            self.result.problems.append(f"{archived} tickets were archived while the vendor was down")
        self._count_dead(self.result.dead_in_outage)
        self.stack.vendor("rate", share=0.0)
        self._redrive()

    def _post(self, load: Sequence[WebhookRequest], *, storm: bool = False) -> None:
        """Posts, and waits until the queue is empty."""
        self._tickets_of |= {request.webhook.body: request.ticket for request in load if request.ticket}
        self.result.sent += len(load)
        self._reasons |= {request.webhook.body: request.reason for request in load if request.reason}
        self.result.junk = len(self._reasons)
        refused: list[WebhookRequest] = []
        posting = threading.Thread(target=lambda: refused.extend(self.sender.post(load)), name="post")
        posting.start()
        try:
            self._drain(posting, storm=storm, of=len(load))
        finally:
            if posting.is_alive():
                self.sender.stop()
            posting.join()
        if refused:
            self.result.problems.append(f"{len(refused)} webhooks were never accepted")

    def _drain(self, posting: threading.Thread | None = None, *, storm: bool = False, of: int = 0) -> None:
        idle, kills, begun = 0, 0, sum(self.log.look().done.values())
        while idle < 3:
            if time.monotonic() > self._ends_at:
                raise OutOfMinutes
            time.sleep(0.5)
            done = sum(self.log.look().done.values()) - begun
            self.workers.measure()
            if storm:
                self.permissions.tick()
                if done * KILLS >= kills + 1 and (posting is None or posting.is_alive() or done < of):
                    kills += 1
                    self.workers.kill()
            self.tell("", min(done, of), of)
            idle = 0 if self._waiting() or (posting is not None and posting.is_alive()) else idle + 1

    def _waiting(self) -> int:
        answer = self.stack.sqs.get_queue_attributes(QueueUrl=self.stack.at.queue_url, AttributeNames=["All"])
        return sum(int(value) for name, value in answer["Attributes"].items() if name.startswith("ApproximateNumber"))

    def _redrive(self) -> None:
        """As an operator does it, until there is nothing left to bring back."""
        queue = Queue(self.stack.sqs, self.stack.at.dead_letter_queue_url)
        for _ in range(REDRIVES):
            moved = redrive_messages(
                queue,
                Queue(self.stack.sqs, self.stack.at.queue_url),
                quarantined,
                wanted=lambda _: True,
                limit=None,
                dry_run=False,
                pace=Pace(200),
            )
            count = len(list(moved))
            self.result.redriven += count
            if not count:
                return
            self._drain()
        self.result.problems.append("dead letters come back however often they are redriven")

    def _count_dead(self, into: Counter[str]) -> None:
        for message in messages(self.stack, self.stack.at.dead_letter_queue_url):
            ticket = self._tickets_of.get(body_of(message))
            item = self.checks.table.get(ticket) if ticket else None
            into[str(item.attributes.get("last_error", item.state.value)) if item else "unknown"] += 1

    def _archived(self, wanted: Sequence[str]) -> int:
        with ThreadPoolExecutor(4) as pool:
            items = pool.map(self.checks.table.get, wanted)
            return sum(item is not None and item.state == "archived" for item in items)

    def _check(self, wanted: Sequence[str], consumer: Downstream) -> None:
        """Ticket by ticket and byte by byte."""
        result, stack = self.result, self.stack
        stack.vendor("rate", share=0.0)
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda ticket: self.checks.differences(ticket, self._states[ticket] or 1), wanted)
            for at, (ticket, differences) in enumerate(zip(wanted, found, strict=True), 1):
                self.tell("", at, len(wanted))
                result.archived += not differences
                result.problems += [f"{ticket}: {each}" for each in differences]
                if differences:
                    result.problems.append(f"{ticket}: {self._calls(ticket)}")
            manifests = [key for keys in pool.map(self.checks.manifests, wanted) for key in keys]
        events = Counter(key for (key, _), count in consumer.look().items() for _ in range(count))
        result.tickets, result.manifests, result.events = len(wanted), len(manifests), events.total()
        if events != Counter(manifests):
            result.problems.append(f"{len(manifests)} manifests, but {events.total()} events of {len(events)}")
        quarantined = messages(stack, stack.at.quarantine_queue_url)
        result.quarantined = Counter(message.reason or "none" for message in quarantined)
        if {body_of(message): message.reason for message in quarantined} != self._reasons:
            result.problems.append(f"{result.junk} unreadable requests; quarantined, or why, are others")
        if left := messages(stack, stack.at.dead_letter_queue_url):
            result.problems.append(f"{len(left)} dead letters are left")
        self._look_for_personal_data(wanted[:50], b"\n".join(map(body_of, quarantined)).decode("utf-8", "replace"))
        self.log.look()
        result.results, result.retried = self.log.results, self.log.retried
        result.statuses, result.counts = self.sender.statuses, stack.vendor("counts")
        result.killed, result.withheld = self.workers.killed, self.permissions.moments
        result.interrupted = self.log.text.count("failed processing SQS batch")
        result.memory = self.workers.quarters()
        if result.memory[1] > result.memory[0] * MEMORY_GROWTH:
            result.problems.append("the workers' memory grew")

    def _calls(self, ticket: str) -> str:
        """Return what the vendor did with each call for the ticket, with the seconds since the first."""
        calls = self.stack.vendor("calls", ticket=ticket)
        return ", ".join(
            f"{each['at'] - calls[0]['at']:.0f} s {each['type'] or each['endpoint']} {each['fault'] or 'right'}"
            for each in calls
        )

    def _look_for_personal_data(self, some: Sequence[str], queued: str) -> None:
        text = self.log.text + queued
        for ticket in some:
            marks = personal_data(self.stack.vendor("expected", ticket=ticket))
            if any(form in text for mark in marks for form in spellings(mark)):
                self.result.problems.append(f"{ticket}: personal data in the log or a queue")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.tell(name, 0, 1)
        began = time.monotonic()
        try:
            yield
        finally:
            self.result.seconds[name] = time.monotonic() - began
