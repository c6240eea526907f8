"""Which tickets the schedule queues again, when, and how that ends."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ingest.archiving.requeue import Requeued, requeue
from ingest.messaging.queue import Queue
from tests.support.fakes import FakeDueTickets
from ticket_archive.clock import iso
from ticket_archive.models import ImageType
from ticket_archive.table import IncompleteTicket

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def ago(**how_long: float) -> str:
    return iso(NOW - timedelta(**how_long))


def incomplete(
    ticket: str = "T-1", *, due: str = "", received: str = "", requeues: int = 0, recheck: bool = False
) -> IncompleteTicket:
    return IncompleteTicket(ticket, due or ago(minutes=1), received or ago(minutes=20), requeues, recheck)


@dataclass
class FakeQueue(Queue):
    log: list[str] = field(default_factory=list)
    messages: list[dict[str, object]] = field(default_factory=list)

    def send(self, body: str, delay: int = 0) -> str:
        self.messages.append(json.loads(body))
        self.log.append(f"send {self.messages[-1]['ticket']}")
        return "m1"


def test_a_due_ticket_is_claimed_and_then_queued() -> None:
    log: list[str] = []
    tickets, queue = FakeDueTickets([incomplete()], log=log), FakeQueue(log)
    assert requeue(tickets, queue, NOW, WEEK) == Requeued(tickets=1, exhausted=0, rechecks=0, late=0)
    assert log == ["claim T-1", "send T-1"]
    assert queue.messages == [{"v": 1, "ticket": "T-1", "kind": "schedule"}]


@pytest.mark.parametrize("recheck", [True, False])
@pytest.mark.parametrize(("due", "queued"), [(ago(seconds=0), 1), (ago(seconds=-0.000001), 0), (ago(hours=-1), 0)])
def test_a_ticket_that_is_not_due_is_left_alone(due: str, queued: int, recheck: bool) -> None:
    tickets, queue = FakeDueTickets([incomplete(due=due, recheck=recheck)]), FakeQueue()
    requeue(tickets, queue, NOW, WEEK)
    assert (len(tickets.log), len(queue.messages)) == (queued, queued)


@pytest.mark.parametrize(("requeues", "hours"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 24), (50, 24)])
def test_the_intervals_grow_up_to_a_day(requeues: int, hours: float) -> None:
    tickets = FakeDueTickets([incomplete(requeues=requeues)])
    requeue(tickets, FakeQueue(), NOW, WEEK)
    assert tickets.postponed == [("T-1", iso(NOW + timedelta(hours=hours)))]


@pytest.mark.parametrize("recheck", [True, False])
def test_a_ticket_that_another_tick_claimed_is_not_queued(recheck: bool) -> None:
    tickets, queue = FakeDueTickets([incomplete(recheck=recheck)], taken=["T-1"]), FakeQueue()
    assert requeue(tickets, queue, NOW, WEEK) == Requeued(0, 0, 0, 0)
    assert queue.messages == []


def test_a_ticket_over_the_age_limit_is_queued_to_be_archived_with_what_there_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tickets, queue = FakeDueTickets([incomplete(received=ago(days=7, seconds=1))]), FakeQueue()
    assert requeue(tickets, queue, NOW, WEEK) == Requeued(tickets=0, exhausted=1, rechecks=0, late=1)
    assert queue.messages == [
        {"v": 1, "ticket": "T-1", "kind": "schedule", "settle": [kind.value for kind in ImageType]}
    ]
    [(_, retry_at)] = tickets.postponed
    assert retry_at is not None, "it stays on the list until it is archived"
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (warning.getMessage(), vars(warning)["ticket"]) == ("requeue exhausted", "T-1")


def test_a_ticket_at_the_age_limit_is_queued_as_before() -> None:
    queue = FakeQueue()
    assert requeue(FakeDueTickets([incomplete(received=ago(days=7))]), queue, NOW, WEEK).tickets == 1
    assert "settle" not in queue.messages[0]


@pytest.mark.parametrize(("requeues", "over"), [(0, False), (11, False), (12, True)])
def test_an_archived_ticket_with_a_newer_state_is_queued_by_force_until_the_age_limit(
    requeues: int, over: bool
) -> None:
    tickets, queue = FakeDueTickets([], [incomplete(requeues=requeues, received=ago(days=90))]), FakeQueue()
    assert requeue(tickets, queue, NOW, WEEK) == Requeued(tickets=not over, exhausted=over, rechecks=0, late=0)
    [message] = queue.messages
    assert (message["kind"], message["force"], "settle" in message) == ("schedule", True, over)


@pytest.mark.parametrize(("requeues", "next_at"), [(0, iso(NOW + timedelta(days=1))), (1, None)])
def test_an_archived_ticket_is_asked_for_again_after_an_hour_and_a_day(requeues: int, next_at: str | None) -> None:
    tickets, queue = FakeDueTickets([incomplete(recheck=True, requeues=requeues, received=ago(days=30))]), FakeQueue()
    assert requeue(tickets, queue, NOW, WEEK) == Requeued(tickets=0, exhausted=0, rechecks=1, late=0)
    assert tickets.postponed == [("T-1", next_at)]
    assert queue.messages == [{"v": 1, "ticket": "T-1", "kind": "recheck"}]


@pytest.mark.parametrize(("received", "late"), [(ago(hours=1), 0), (ago(hours=1, seconds=1), 1)])
def test_tickets_received_over_an_hour_ago_are_counted_due_or_not(received: str, late: int) -> None:
    assert (
        requeue(FakeDueTickets([incomplete(due=ago(hours=-1), received=received)]), FakeQueue(), NOW, WEEK).late == late
    )
