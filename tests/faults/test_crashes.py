"""A crash before and after each call of an archive: an exception, the end of the process, or a time-out.

The message is delivered until it is done; table and bucket must then be as they are without a crash. The calls are
recorded in an undisturbed run, so a call that is added to the code is tested as well.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from ingest import dependencies
from ingest.files.decoding import LinkedFile
from ingest.threads import ContextThreadPool
from tests.support.archive_harness import (
    DOCUMENT,
    TICKET,
    ArchiveHarness,
    handle_batch,
    pictures,
    webhook,
)
from tests.support.effects import When
from tests.support.fakes import picture, sqs_record
from ticket_archive.clock import iso
from ticket_archive.details import read_details
from ticket_archive.errors import DeadlineExceeded, UnrecognizedResponse, VendorUnavailable

LINK = LinkedFile("https://images.example.com/front.jpg")
DELIVERIES = 12
"""More than any of these crashes needs."""

Kind = Literal["exception", "exit", "time-out"]
KINDS: tuple[Kind, ...] = ("exception", "exit", "time-out")
WHENS: tuple[When, ...] = ("before", "after")
VARYING = {"attempts", "attempted_at", "received_at", "fetched_at", "archived_at"}


class Died(BaseException):
    """The process ended: nothing may catch this, and none of its calls has an effect any more."""


class Crash:
    """A fault at the `nth` passing of one boundary, once."""

    def __init__(self, kind: Kind, when: When, name: str, nth: int) -> None:
        self.kind, self.target, self.left = kind, (when, name), nth
        self.happened = False
        self.dead = False
        self.late = False

    def __call__(self, when: When, name: str) -> None:
        if self.dead:
            raise Died
        if self.late and when == "before" and name.startswith("vendor."):
            raise DeadlineExceeded("vendor")
        if (when, name) != self.target or self.happened:
            return
        self.left -= 1
        if self.left:
            return
        self.happened = True
        if self.kind == "exit":
            self.dead = True
            raise Died
        if self.kind == "time-out":
            self.late = True
        else:
            raise VendorUnavailable("reset") if name.startswith("vendor.") else ConnectionError(name)

    def process_is_replaced(self) -> None:
        self.dead = self.late = False

    def __str__(self) -> str:
        return f"{self.kind} {' '.join(self.target)}"


class Stack(ArchiveHarness):
    """Everything that outlives a process."""

    message = ""

    def process(self, body: str, receives: int) -> list[str]:
        """Deliver a message to a new process; return the identifiers of failed ones. Raises Died."""
        with ContextThreadPool(6, "call") as calls, pytest.MonkeyPatch.context() as patch:
            made = self.sqs_dependencies(calls)._replace(max_receives=DELIVERIES)
            patch.setattr(dependencies, "sqs", lambda: made)
            return handle_batch(sqs_record(body, receives, "m1"))

    def deliver_event(self, event: dict[str, str], crash: Crash | None = None) -> None:
        """Deliver an event, which arrives now, and the messages that it causes until all are done."""
        self.clock.pass_by(61)
        self.message = webhook(event, received_at=iso(self.clock()))
        self.deliver_until_done(self.message, crash)

    def deliver_until_done(self, body: str, crash: Crash | None = None) -> None:
        for receives in range(1, DELIVERIES):
            if self.deliver_once(body, crash, receives):
                break
            self.clock.pass_by(61)
        else:
            raise AssertionError("never done")
        while self.queue.sent:
            body, delay = self.queue.sent.pop(0)
            self.clock.pass_by(delay)
            self.deliver_until_done(body, crash)

    def deliver_once(self, body: str, crash: Crash | None = None, receives: int = 1) -> bool:
        """Return whether the message is done."""
        if crash is not None:
            self.effects.hook = crash
        try:
            failed = self.process(body, receives)
        except Died:
            failed = ["m1"]
        if crash is not None:
            crash.process_is_replaced()
        self.effects.clear_hook()
        if failed:
            self.store.attempts_are_over()  # visibility is longer than any invocation
        return not failed

    def final_state(self) -> dict[str, Any]:
        """Return what a crash must not change."""
        manifests = [{**each, "archived_at": "then"} for each in self.bucket.manifests(TICKET)]
        return {
            "item": {name: v for name, v in self.table.items[TICKET].items() if name not in VARYING},
            "events": sorted(self.table.events),
            "objects": {key: body for key, body in self.bucket.objects.items() if "/manifests/" not in key},
            "manifests": manifests,
            "quarantined": self.queue.quarantined,
        }


COMPLETED = {"ticket": TICKET, "event": "ticket.verification.completed", "flow_status": "ACCEPTED"}
REJECTED = {**COMPLETED, "flow_status": "REJECTED"}

EXACT = b'{"flow_status": "ACCEPTED", "score": 0.1234567890123456789012345678901234567890}'


def linked() -> Stack:
    """A ticket that is complete at once, one of its images behind a link."""
    stack = Stack()
    stack.has("ACCEPTED", {**pictures(), DOCUMENT: [LINK, picture("back")]})
    stack.vendor.links[LINK.url] = picture("front")
    return stack


def new(crash: Crash | None) -> Stack:
    stack = linked()
    stack.deliver_event(COMPLETED, crash)
    return stack


def hard(crash: Crash | None) -> Stack:
    """A ticket whose details are stored in the bucket, and whose document is unrecognized at first."""
    stack = Stack()
    stack.vendor.becomes(TICKET, read_details(EXACT), pictures())

    def document() -> object:
        understood = stack.bucket.keys("unrecognized")
        return pictures()[DOCUMENT] if understood else UnrecognizedResponse("no_image", b"<html>Good day</html>")

    stack.answers({DOCUMENT: document})
    stack.deliver_event(COMPLETED, crash)
    return stack


def changed(crash: Crash | None) -> Stack:
    """An archived ticket that is rejected later, with new pictures."""
    stack = Stack()
    stack.has("ACCEPTED")
    stack.deliver_event(COMPLETED)
    stack.effects.log.clear()
    stack.has("REJECTED", pictures(" again"))
    stack.deliver_event(REJECTED, crash)
    return stack


Story = Callable[[Crash | None], Stack]
STORIES: tuple[Story, ...] = (new, hard, changed)


@pytest.fixture(autouse=True)
def _small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticket_archive.details.PACKED_LIMIT", 10)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[Crash], None]:
    """Make the fetcher's time run out after a time-out crash."""

    def run_out(crash: Crash) -> None:
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (1000.0 if crash.late else 0.0))
        monkeypatch.setattr("ingest.archiving.fetcher.time", clock)

    return run_out


def boundaries(story: Story) -> Iterator[tuple[str, int]]:
    """Yield the calls of an undisturbed run, each with its number among those of the same name."""
    seen: Counter[str] = Counter()
    for name in story(None).effects.log:
        seen[name] += 1
        yield name, seen[name]


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_crash_leaves_the_same_final_state_that_another_delivery_does_not_change(
    story: Story, kind: Kind, when: When, late: Callable[[Crash], None]
) -> None:
    undisturbed = story(None)
    undisturbed.check()
    wanted = undisturbed.final_state()
    for name, nth in boundaries(story):
        crash = Crash(kind, when, name, nth)
        late(crash)
        stack = story(crash)
        assert crash.happened, crash
        assert stack.final_state() == wanted, crash
        stack.store.attempts_are_over()
        stack.deliver_until_done(stack.message)
        assert stack.final_state() == wanted, crash
        stack.check()


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("kind", KINDS)
def test_event_after_a_crash_ends_with_the_newest_state(kind: Kind, when: When, late: Callable[[Crash], None]) -> None:
    announced = set()
    for name, nth in boundaries(new):
        crash = Crash(kind, when, name, nth)
        late(crash)
        stack = linked()
        completed = webhook(COMPLETED, received_at=iso(stack.clock()))
        done = stack.deliver_once(completed, crash)
        stack.has("REJECTED", pictures(" again"))
        stack.deliver_event(REJECTED)
        if not done:
            stack.deliver_until_done(completed)

        assert stack.table[TICKET].outcome == "REJECTED", crash
        assert stack.outcomes()[-1] == "REJECTED", crash
        stack.check()
        announced.add(tuple(stack.outcomes()))

    assert announced == {("REJECTED",), ("ACCEPTED", "REJECTED")}, "an item that was written is announced first"


def test_stories_include_every_kind_of_call() -> None:
    called = {
        name.split("/")[2] if name.startswith("bucket.") else name.split()[0]
        for story in STORIES
        for name, _ in boundaries(story)
    }

    assert called == {
        *("idempotency.put", "idempotency.update", "queue.send"),
        *(f"table.{name}" for name in ("get", "begin", "event", "mark_incomplete", "archive")),
        *(f"vendor.{name}" for name in ("details", "files", "linked_file")),
        *("images", "unrecognized", "details", "manifests"),
    }
