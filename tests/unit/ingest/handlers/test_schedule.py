"""The schedule handler queues and counts due tickets."""

import itertools
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from ingest import dependencies
from ingest.archiving.requeue import requeue
from ingest.handlers import schedule as schedule_handler
from tests.support.fakes import FakeContext, FakeQueue, FakeTickets
from tests.support.logs import counted
from tests.unit.ingest.test_settings import REQUIRED
from ticket_archive.clock import iso, now
from ticket_archive.errors import SettingsError
from ticket_archive.table import IncompleteTicket

ENVIRONMENT = {**REQUIRED, "REQUEUE_FOR_DAYS": "3"}


def scheduled(tickets: FakeTickets, monkeypatch: pytest.MonkeyPatch) -> FakeQueue:
    """Let the schedule read from a table; return the queue that it sends to."""
    queue = FakeQueue()
    monkeypatch.setattr(dependencies, "schedule", lambda: partial(requeue, tickets, queue, max_age=timedelta(days=3)))
    return queue


def test_due_tickets_are_queued_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a due ticket, a due and late one, one over the age limit, and an archived one to ask for again
    due = iso(now() - timedelta(minutes=1))
    ages = (timedelta(minutes=20), timedelta(hours=2), timedelta(days=4))
    listed = [IncompleteTicket(f"T-{place}", due, iso(now() - age), 0) for place, age in enumerate(ages)]
    tickets = FakeTickets().due(*listed).due(IncompleteTicket("T-9", due, due, 0), listed="recheck")
    queue = scheduled(tickets, monkeypatch)
    answer = schedule_handler.handle(FakeContext())
    assert answer == {"requeued": 2, "exhausted": 1, "rechecks": 1, "late": 2}
    assert len(queue.bodies) == 4
    assert counted() == {"TicketsRequeued": 2, "RequeueExhausted": 1, "TicketsIncompleteForAnHour": 2}


@pytest.mark.parametrize(("listed", "late"), [("yes", 9), ("recheck", 0)])
def test_no_ticket_is_claimed_near_the_invocations_end(listed: str, late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of thousands of tickets would be cut off, and its metrics lost. The next run goes on."""
    due = iso(now() - timedelta(hours=2))
    tickets = FakeTickets().due(*(IncompleteTicket(f"T-{number}", due, due, 0) for number in range(9)), listed=listed)
    queue = scheduled(tickets, monkeypatch)
    real = time.monotonic
    reads = itertools.count(1)
    monkeypatch.setattr(time, "monotonic", lambda: real() + 41 * (next(reads) > 6))  # two before the tickets
    schedule_handler.handle(FakeContext())
    assert tickets.effects.log == [f"table.postpone T-{number}" for number in range(4)]
    assert len(queue.bodies) == 4
    assert counted()["TicketsIncompleteForAnHour"] == late


@pytest.mark.parametrize(("retention", "hours"), [("0", 168), ("30", 168), ("3", 70), ("1", 22)])
def test_a_ticket_near_its_expiry_is_not_queued(retention: str, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching an expired ticket would begin its retention again."""
    for variable, value in {**ENVIRONMENT, "REQUEUE_FOR_DAYS": "7", "RETENTION_DAYS": retention}.items():
        monkeypatch.setenv(variable, value)
    made: Any = dependencies.schedule()
    assert made.keywords == {"max_age": timedelta(hours=hours)}
    assert dependencies.schedule() is dependencies.schedule()


@pytest.mark.parametrize("name", ["QUEUE_URL", "TABLE_NAME"])
def test_a_missing_variable_is_named_and_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, value in {**ENVIRONMENT, name: ""}.items():
        monkeypatch.setenv(other, value)
    with pytest.raises(SettingsError, match=name):
        schedule_handler.handle(FakeContext())
    assert counted() == {"ConfigurationErrors": 1}
