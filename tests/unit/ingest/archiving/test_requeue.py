"""Which incomplete tickets are queued again, and when for the last time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ingest.archiving.requeue import Requeued, requeue
from ticket_archive.clock import iso
from ticket_archive.table import IncompleteTicket

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def ago(**how_long: float) -> str:
    return iso(NOW - timedelta(**how_long))


def waiting(ticket: str = "T-1", *, due: str = "", received: str = "", requeues: int = 0) -> IncompleteTicket:
    return IncompleteTicket(ticket, due or ago(minutes=1), received or ago(minutes=20), requeues)


@dataclass
class Tickets:
    """The list of incomplete tickets; `taken` are claimed by somebody else."""

    listed: Sequence[IncompleteTicket]
    taken: Sequence[str] = ()
    postponed: list[tuple[str, str | None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def incomplete(self, limit: int) -> Sequence[IncompleteTicket]:
        return self.listed[:limit]

    def postpone(self, waiting: IncompleteTicket, retry_at: str | None) -> bool:
        self.log.append(f"claim {waiting.ticket}")
        if waiting.ticket in self.taken:
            return False
        self.postponed.append((waiting.ticket, retry_at))
        return True


@dataclass
class Queue:
    log: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    broken: bool = False

    def send(self, body: str) -> str:
        if self.broken:
            raise ConnectionError
        self.log.append(f"send {json.loads(body)['ticket']}")
        self.bodies.append(body)
        return "m1"


def test_a_due_ticket_is_claimed_then_queued() -> None:
    # GIVEN
    log: list[str] = []
    tickets, queue = Tickets([waiting()], log=log), Queue(log)
    # WHEN
    done = requeue(tickets, queue, NOW, WEEK)
    # THEN
    assert log == ["claim T-1", "send T-1"]
    assert [json.loads(body) for body in queue.bodies] == [{"v": 1, "ticket": "T-1", "kind": "schedule"}]
    assert done == Requeued(tickets=1, given_up=0, late=0)


@pytest.mark.parametrize(("due", "queued"), [(ago(seconds=0), 1), (ago(seconds=-0.000001), 0), (ago(hours=-1), 0)])
def test_a_ticket_whose_time_has_not_come_is_left_alone(due: str, queued: int) -> None:
    tickets = Tickets([waiting(due=due)])
    assert requeue(tickets, Queue(), NOW, WEEK).tickets == queued
    assert len(tickets.log) == queued


@pytest.mark.parametrize(("requeues", "hours"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 24), (50, 24)])
def test_the_intervals_grow_up_to_a_day(requeues: int, hours: float) -> None:
    tickets = Tickets([waiting(requeues=requeues)])
    requeue(tickets, Queue(), NOW, WEEK)
    assert tickets.postponed == [("T-1", iso(NOW + timedelta(hours=hours)))]


@pytest.mark.parametrize(("received", "given_up"), [(ago(days=7), 0), (ago(days=7, seconds=1), 1), (ago(days=400), 1)])
def test_a_ticket_that_is_too_old_leaves_the_list_and_is_not_queued(received: str, given_up: int) -> None:
    tickets, queue = Tickets([waiting(received=received)]), Queue()
    done = requeue(tickets, queue, NOW, WEEK)
    assert (done.tickets, done.given_up) == (1 - given_up, given_up)
    assert (tickets.postponed == [("T-1", None)]) is bool(given_up)
    assert len(queue.bodies) == 1 - given_up


@pytest.mark.parametrize("received", [ago(minutes=20), ago(days=8)])
def test_a_ticket_that_another_has_claimed_is_neither_sent_nor_counted(received: str) -> None:
    queue = Queue()
    done = requeue(Tickets([waiting(received=received)], taken=["T-1"]), queue, NOW, WEEK)
    assert (done.tickets, done.given_up, queue.bodies) == (0, 0, [])


def test_one_ticket_says_nothing_of_the_next() -> None:
    # GIVEN one that is lost to another, one too old, one due, one not due
    tickets = Tickets(
        [waiting("T-1"), waiting("T-2", received=ago(days=8)), waiting("T-3"), waiting("T-4", due=ago(minutes=-1))],
        taken=["T-1"],
    )
    queue = Queue()
    # WHEN
    done = requeue(tickets, queue, NOW, WEEK)
    # THEN
    assert [json.loads(body)["ticket"] for body in queue.bodies] == ["T-3"]
    assert done == Requeued(tickets=1, given_up=1, late=1)


def test_tickets_that_wait_for_over_an_hour_are_counted_whether_they_are_due_or_not() -> None:
    tickets = Tickets(
        [
            waiting("T-1", received=ago(hours=1)),
            waiting("T-2", received=ago(hours=1, seconds=1)),
            waiting("T-3", received=ago(hours=2), due=ago(hours=-1)),
        ]
    )
    assert requeue(tickets, Queue(), NOW, WEEK).late == 2


def test_a_ticket_that_could_not_be_sent_is_due_again_later() -> None:
    # GIVEN a queue out of reach
    tickets = Tickets([waiting()])
    # WHEN
    with pytest.raises(ConnectionError):
        requeue(tickets, Queue(broken=True), NOW, WEEK)
    # THEN the ticket is still on the list, with a later time
    assert tickets.postponed == [("T-1", iso(NOW + timedelta(minutes=30)))]


def test_nothing_to_do_is_no_work() -> None:
    assert requeue(Tickets([]), Queue(), NOW, WEEK) == Requeued(0, 0, 0)
