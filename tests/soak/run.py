"""The phases of the soak test: storm, redrive, second states, outage, and consistency checks."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rich.progress import Progress

from local.stack import SEED
from local.vendor import webhooks
from local.vendor.faults import FAULTS
from local.vendor.tickets import Outcome, State, Tickets
from ops.commands.redrive import quarantined, redrive_messages
from ops.queues import Pace, Queue
from tests.soak.workers import Workers
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import Downstream, downstream
from tests.support.load import LATER, SLOW, Sender, WebhookRequest, personal_data, spellings, tickets, webhook_requests
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, dead_letters_after, messages
from tests.support.stack import LocalStack

DUPLICATES, FAULTY, UNREADABLE = 0.25, 0.3, 0.05
KILL_EVERY = 50
"""A worker is killed after every fiftieth processed message, or after each quarter of a smaller storm."""
ACTIONS = (
    "dynamodb:UpdateItem", "s3:PutObject", "dynamodb:PutItem", "sqs:ChangeMessageVisibility", "sqs:SendMessage",
)  # fmt: skip
WITHHELD, MOMENT = 0.02, 0.5
"""The share of the time in which one of ACTIONS is denied to the ingest function, and the seconds of each denial."""
SECOND_STATES, IN_OUTAGE = 0.02, 0.05
SLOW_ONES = 0.005
OUTAGE = ("unavailable", "gateway_timeout", "server_error", "reset", "hang_up")
REDRIVES = 5
MEMORY_GROWTH, LONG_RUN = 1.25, 500
"""Workers must not grow by more, in runs of so many tickets: in shorter ones they are not warm in the first quarter."""

TIMEOUT = 30
VISIBILITY = 45
"""Seconds, in place of 60 and 360: after a crash a batch is received again within a minute. As in production, the
visibility timeout is longer than an invocation."""


class TimeLimitExceeded(Exception):
    """The run took longer than `--minutes`."""


class Soak:
    """One run on a stack of its own. `rows` are those of the table; with any entry in `problems` it has failed."""

    def __init__(
        self, stack: LocalStack, progress: Progress, *, tickets: int, minutes: float, receives: int, seed: int
    ) -> None:
        self.stack, self.progress, self.count, self.receives, self.seed = stack, progress, tickets, receives, seed
        self.rows: dict[str, str] = {}
        self.problems: list[str] = []
        self.log, self.checks, self.sender = LogReader(stack), ConsistencyChecks(stack), Sender(stack, concurrency=4)
        self.workers = Workers(stack.state, seed)
        self._actions, self._withheld, self._next_withheld = itertools.cycle(ACTIONS), 0, time.monotonic()
        self._task = progress.add_task("starting", total=None)
        self._ends_at = time.monotonic() + minutes * 60
        self._sent = self._redriven = 0
        self._seconds: dict[str, float] = {}
        self._tickets_of: dict[bytes, str] = {}
        self._reasons: dict[bytes, str] = {}
        self._states: Counter[str] = Counter()

    def run(self) -> None:
        """Run all phases and fill `rows` and `problems`. Raises TimeLimitExceeded."""
        self._scale()
        with dead_letters_after(self.stack, self.receives), downstream(self.stack) as consumer:
            with self._phase("prepared"):
                known = tickets(self.stack, self.count + max(10, round(self.count * IN_OUTAGE)), 0)
                self.stack.vendor("forget")
            first, late = known[: self.count], known[self.count :]
            with self._phase("storm"):
                self._storm(first)
            calls = sum(self.stack.vendor("counts")["endpoints"].values()) / self.count
            before = f"{self._archived(first)} archived before any redrive, {calls:.1f} vendor calls per ticket"
            self.rows["storm"] = f"{before}; dead letters {self._dead()}"
            with self._phase("redrive"):
                self._redrive()
            with self._phase("second states"):
                self._second_states(first)
            with self._phase("outage"):
                self._outage(late)
            with self._phase("checks"):
                self._check(known, consumer)

    def _scale(self) -> None:
        """Shorten time-outs and retries on the deployed stack."""
        stack = self.stack
        function = stack.resources["IngestFunction"]
        given = stack.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        variables = {**given, "MAX_RECEIVES": str(self.receives)}
        stack.overwrite(function, Timeout=TIMEOUT, Environment={"Variables": variables})
        stack.sqs.set_queue_attributes(QueueUrl=stack.at.queue_url, Attributes={"VisibilityTimeout": str(VISIBILITY)})

    def _storm(self, wanted: Sequence[str]) -> None:
        """Post webhooks with duplicates and unreadable ones, while calls fail, workers die and AWS denies actions."""
        stack, seed = self.stack, self.seed
        rng = random.Random(seed)
        for ticket in rng.sample(wanted, max(4, round(len(wanted) * SLOW_ONES))):
            stack.vendor("script", fault=rng.choice(sorted(SLOW)), endpoint="images", ticket=ticket, type="DOCUMENT")
        stack.vendor("rate", share=FAULTY, seed=seed, faults=sorted(FAULTS.keys() - SLOW - LATER), most=3)
        load = webhook_requests(
            wanted, stack.at.webhook_secret, duplicates=DUPLICATES, unreadable=UNREADABLE, seed=seed
        )
        self._post(load, storm=True)
        stack.vendor("rate", share=0.0)

    def _second_states(self, wanted: Sequence[str]) -> None:
        """Change some outcomes, which makes one more manifest each."""
        changed = random.Random(self.seed).sample(wanted, max(2, round(len(wanted) * SECOND_STATES)))
        load = []
        for ticket in changed:
            was = Tickets(SEED).get(ticket).outcome
            outcome = Outcome.REJECTED if was is Outcome.ACCEPTED else Outcome.ACCEPTED
            self.stack.vendor("state", ticket=ticket, outcome=outcome)
            event = webhooks.event(webhooks.Form.COMPLETED, Tickets(SEED).get(ticket, State(outcome=outcome)))
            load.append(WebhookRequest(webhooks.encrypted(event, self.stack.at.webhook_secret), ticket))
            self._states[ticket] = 2
        self._post(load)

    def _outage(self, wanted: Sequence[str]) -> None:
        """Fail every vendor call until all messages are dead letters; then redrive them."""
        self.stack.vendor("rate", share=1.0, faults=OUTAGE)
        self._post(
            webhook_requests(wanted, self.stack.at.webhook_secret, duplicates=DUPLICATES, unreadable=0, seed=self.seed)
        )
        if archived := self._archived(wanted):
            self.problems.append(f"{archived} tickets were archived while the vendor was down")
        self.rows["outage"] = f"dead letters {self._dead()}"
        self.stack.vendor("rate", share=0.0)
        self._redrive()

    def _post(self, load: Sequence[WebhookRequest], *, storm: bool = False) -> None:
        """Post, and wait until the queue is empty."""
        self._sent += len(load)
        self._tickets_of |= {request.webhook.body: request.ticket for request in load if request.ticket}
        self._reasons |= {request.webhook.body: request.reason for request in load if request.reason}
        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(self.sender.post, load)
            try:
                self._drain(posting.done, storm=storm, of=len(load))
            finally:
                if not posting.done():
                    self.sender.stop()
        if refused := posting.result():
            self.problems.append(f"{len(refused)} webhooks were never accepted")

    def _drain(self, posted: Callable[[], bool] = lambda: True, *, storm: bool = False, of: int = 0) -> None:
        every = min(KILL_EVERY, max(1, of // 4))
        idle, kills, begun = 0, 0, sum(self.log.read().done.values())
        while idle < 3:
            if time.monotonic() > self._ends_at:
                raise TimeLimitExceeded
            time.sleep(0.5)
            done = sum(self.log.read().done.values()) - begun
            self.workers.measure()
            if storm:
                self._withhold()
                if done >= every * (kills + 1) and (done < of or not posted()):
                    kills += 1
                    self.workers.kill()
            self.progress.update(self._task, completed=min(done, of), total=of or None)
            idle = idle + 1 if posted() and not self._waiting() else 0

    def _withhold(self) -> None:
        """Deny the next action for MOMENT seconds, if it is time. The emulator enforces IAM, so calls fail."""
        if time.monotonic() < self._next_withheld:
            return
        with self.stack.denied("IngestRole", next(self._actions)):
            time.sleep(MOMENT)
        self._withheld += 1
        self._next_withheld = time.monotonic() + MOMENT / WITHHELD

    def _waiting(self) -> int:
        answer = self.stack.sqs.get_queue_attributes(QueueUrl=self.stack.at.queue_url, AttributeNames=["All"])
        return sum(int(value) for name, value in answer["Attributes"].items() if name.startswith("ApproximateNumber"))

    def _redrive(self) -> None:
        """Redrive dead letters with the operators' code until none is left."""
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
            self._redriven += count
            if not count:
                return
            self._drain()
        self.problems.append("dead letters come back however often they are redriven")

    def _dead(self) -> str:
        """Return the number of dead letters by their tickets' last error."""
        dead: Counter[str] = Counter()
        for message in messages(self.stack, self.stack.at.dead_letter_queue_url):
            ticket = self._tickets_of.get(body_of(message))
            item = self.checks.table.get(ticket) if ticket else None
            dead[str(item.attributes.get("last_error", item.state.value)) if item else "unknown"] += 1
        return _counts(dead)

    def _archived(self, wanted: Sequence[str]) -> int:
        with ThreadPoolExecutor(4) as pool:
            items = pool.map(self.checks.table.get, wanted)
            return sum(item is not None and item.state == "archived" for item in items)

    def _check(self, wanted: Sequence[str], consumer: Downstream) -> None:
        """Compare every ticket with the vendor's, and all counts with each other; fill `rows` and `problems`."""
        stack, problems, archived = self.stack, self.problems, 0
        stack.vendor("rate", share=0.0)
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda ticket: self.checks.differences(ticket, self._states[ticket] or 1), wanted)
            for at, (ticket, differences) in enumerate(zip(wanted, found, strict=True), 1):
                self.progress.update(self._task, completed=at, total=len(wanted))
                archived += not differences
                problems += [f"{ticket}: {each}" for each in differences]
                if differences:
                    problems.append(f"{ticket}: {self._calls(ticket)}")
            manifests = [key for keys in pool.map(self.checks.manifests, wanted) for key in keys]
        events = Counter(key for (key, _), count in consumer.receive().items() for _ in range(count))
        if events != Counter(manifests):
            problems.append(f"{len(manifests)} manifests, but {events.total()} events of {len(events)}")
        quarantined = messages(stack, stack.at.quarantine_queue_url)
        if {body_of(message): message.reason for message in quarantined} != self._reasons:
            problems.append(f"{len(self._reasons)} unreadable requests; quarantined, or why, are others")
        if left := messages(stack, stack.at.dead_letter_queue_url):
            problems.append(f"{len(left)} dead letters are left")
        self._look_for_personal_data(wanted[:50], b"\n".join(map(body_of, quarantined)).decode("utf-8", "replace"))
        first, last = self.workers.quarters()
        if self.count >= LONG_RUN and last > first * MEMORY_GROWTH:
            problems.append("the workers' memory grew")
        results, counts = self.log.read().results, stack.vendor("counts")
        calls, faults = sum(counts["endpoints"].values()), Counter[str](counts["faults"])
        interrupted = self.log.text.count("failed processing SQS batch")
        self.rows |= {
            "tickets": f"{len(wanted)}, of which {len(self._states)} had a second state",
            "webhooks sent": f"{self._sent}, of which {len(self._reasons)} unreadable; "
            f"answers {_counts(self.sender.statuses)}",
            "archived": str(archived),
            "redriven": str(self._redriven),
            "quarantined": _counts(Counter(message.reason or "none" for message in quarantined)),
            "duplicates suppressed": str(results["duplicate"] + results["unchanged"] + results["superseded"]),
            "manifests, events": f"{len(manifests)}, {events.total()}",
            "retries": _counts(self.log.retried),
            "vendor calls": f"{calls}, {faults.total()} of them faulty",
            "faults": _counts(faults),
            "workers killed": f"{self.workers.killed}, {interrupted} batches ended with one",
            "permissions withheld": f"{self._withheld} times",
            "worker memory": f"{first:.0f} MB in the first quarter, {last:.0f} MB in the last",
        }

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
                self.problems.append(f"{ticket}: personal data in the log or a queue")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.progress.console.print(name)
        self.progress.update(self._task, description=name, completed=0, total=1)
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = time.monotonic() - began
            self.rows["seconds"] = ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in self._seconds.items())


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"
