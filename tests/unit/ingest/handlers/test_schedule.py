"""The schedule door: one look at the incomplete tickets, counted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ingest.handlers import schedule as schedule_handler
from ticket_archive.clock import iso, now
from ticket_archive.errors import SettingsError
from ticket_archive.table import IncompleteTicket
from ticket_archive.telemetry import metrics

ENVIRONMENT = {
    "TABLE_NAME": "tickets",
    "BUCKET_NAME": "bucket",
    "QUEUE_URL": "https://sqs.example.com/tickets",
    "VENDOR_URL": "https://api.preventor.com",
    "VENDOR_CREDENTIAL_SECRET": "arn:credential",
    "WEBHOOK_SECRET": "arn:webhook",
    "REQUEUE_FOR_DAYS": "3",
}


MADE_ONCE = schedule_handler.collaborators


class Tickets:
    """One ticket that is due, one that is late too, one that is too old."""

    def incomplete(self, limit: int) -> list[IncompleteTicket]:
        due = iso(now() - timedelta(minutes=1))
        ages = (timedelta(minutes=20), timedelta(hours=2), timedelta(days=4))
        return [IncompleteTicket(f"T-{place}", due, iso(now() - age), 0) for place, age in enumerate(ages)]

    def postpone(self, waiting: IncompleteTicket, retry_at: str | None) -> bool:
        return True


class Queue:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, body: str) -> str:
        self.bodies.append(body)
        return "m"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    MADE_ONCE.cache_clear()
    metrics.clear_metrics()
    yield
    MADE_ONCE.cache_clear()
    metrics.clear_metrics()


def test_a_tick_queues_what_is_due_and_counts_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN
    tickets: Any = Tickets()
    queue: Any = Queue()
    made = schedule_handler.Collaborators(tickets, queue, timedelta(days=3))
    monkeypatch.setattr(schedule_handler, "collaborators", lambda: made)
    # WHEN
    answer = schedule_handler.handle()
    # THEN
    assert answer == {"requeued": 2, "given_up": 1, "late": 2}
    assert len(queue.bodies) == 2
    assert {name: sum(found["Value"]) for name, found in metrics.metric_set.items()} == {
        "TicketsRequeued": 2,
        "RequeueExhausted": 1,
        "TicketsIncompleteForAnHour": 2,
    }


def test_its_collaborators_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    door = schedule_handler.collaborators()
    assert door.keep_for == timedelta(days=3)
    assert schedule_handler.collaborators() is door


@pytest.mark.parametrize(("retention", "hours"), [("0", 168), ("30", 168), ("3", 70), ("1", 22)])
def test_no_ticket_is_asked_for_until_its_end(retention: str, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To ask again for one that is over would begin it anew, and so keep it for ever."""
    for variable, value in {**ENVIRONMENT, "REQUEUE_FOR_DAYS": "7", "RETENTION_DAYS": retention}.items():
        monkeypatch.setenv(variable, value)

    assert schedule_handler.collaborators().keep_for == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["QUEUE_URL", "TABLE_NAME"])
def test_without_what_it_needs_a_tick_fails_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, value in {**ENVIRONMENT, name: ""}.items():
        monkeypatch.setenv(other, value)
    with pytest.raises(SettingsError, match=name):
        schedule_handler.handle()
