"""Which tickets the schedule queues again, when, and how that ends."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.archiving.requeue import requeue
from tests.support.fakes import FakeQueue, FakeTickets
from tests.support.logs import Lines
from ticket_archive.clock import iso
from ticket_archive.models import ImageType
from ticket_archive.table import Due, IncompleteTicket

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def ago(**how_long: float) -> str:
    return iso(NOW - timedelta(**how_long))


def incomplete(*, due: str = "", received: str = "", requeues: int = 0) -> IncompleteTicket:
    return IncompleteTicket("T-1", due or ago(minutes=1), received or ago(minutes=20), requeues)


def queued(table: FakeTickets, ticket: IncompleteTicket, listed: str = "yes") -> tuple[dict[str, int], list[Any]]:
    """Let the schedule run; return the counts and the messages."""
    queue: Any = FakeQueue(table.effects)
    counts = requeue(table.due(ticket, listed=listed), queue, NOW, WEEK)
    return counts, [json.loads(body) for body in queue.bodies]


@pytest.fixture
def table() -> FakeTickets:
    return FakeTickets()


def test_a_due_ticket_is_claimed_and_then_queued(table: FakeTickets, lines: Lines) -> None:
    counts, messages = queued(table, incomplete())
    assert counts == {"requeued": 1, "exhausted": 0, "rechecks": 0, "late": 0}
    assert table.effects.log == ["table.postpone T-1", "queue.send"]
    assert messages == [{"v": 1, "ticket": "T-1", "kind": "schedule"}]
    [line] = lines.with_message("ticket queued again")
    assert (line["ticket"], line["correlation_id"]) == ("T-1", "message-1")


@pytest.mark.parametrize("listed", ["recheck", "yes"])
@pytest.mark.parametrize(("due", "calls"), [(ago(seconds=0), 2), (ago(seconds=-0.000001), 0), (ago(hours=-1), 0)])
def test_a_ticket_that_is_not_due_is_left_alone(table: FakeTickets, due: str, calls: int, listed: str) -> None:
    queued(table, incomplete(due=due), listed)
    assert len(table.effects.log) == calls


@pytest.mark.parametrize(("requeues", "hours"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 24), (10_000, 24)])
def test_the_intervals_grow_up_to_a_day(table: FakeTickets, requeues: int, hours: float) -> None:
    queued(table, incomplete(requeues=requeues))
    assert table.items["T-1"]["retry_at"] == iso(NOW + timedelta(hours=hours))


@pytest.mark.parametrize(("listed", "minutes"), [("yes", 10), ("refetch", 30)])
def test_an_incomplete_ticket_is_due_again_at_its_age_limit_at_the_latest(
    table: FakeTickets, listed: str, minutes: float
) -> None:
    queued(table, incomplete(received=ago(days=7, minutes=-10)), listed)
    assert table.items["T-1"]["retry_at"] == iso(NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize("listed", ["recheck", "yes"])
def test_a_ticket_that_another_tick_claimed_is_not_queued(table: FakeTickets, listed: str) -> None:
    table.effects.before("table.postpone", lambda: table.items["T-1"].update(retry_at="later"))
    assert queued(table, incomplete(), listed) == ({"requeued": 0, "exhausted": 0, "rechecks": 0, "late": 0}, [])


def test_a_ticket_over_the_age_limit_is_queued_to_be_archived_with_what_there_is(
    table: FakeTickets, caplog: pytest.LogCaptureFixture
) -> None:
    counts, [message] = queued(table, incomplete(received=ago(days=7)))
    assert (counts["requeued"], "settle" in message) == (1, False), "not yet"
    counts, messages = queued(table, incomplete(received=ago(days=7, seconds=1)))
    assert counts == {"requeued": 0, "exhausted": 1, "rechecks": 0, "late": 1}
    assert messages == [{"v": 1, "ticket": "T-1", "kind": "schedule", "settle": [kind.value for kind in ImageType]}]
    assert len(table.listed(Due.INCOMPLETE, 10)) == 1, "it stays on the list until it is archived"
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (warning.getMessage(), vars(warning)["ticket"]) == ("requeue exhausted", "T-1")


@pytest.mark.parametrize(("requeues", "over"), [(0, False), (11, False), (12, True)])
def test_an_archived_ticket_with_a_newer_state_is_queued_by_force_until_the_age_limit(
    table: FakeTickets, requeues: int, over: bool
) -> None:
    counts, [message] = queued(table, incomplete(requeues=requeues, received=ago(days=90)), "refetch")
    assert counts == {"requeued": not over, "exhausted": over, "rechecks": 0, "late": 0}
    assert (message["kind"], message["force"], "settle" in message) == ("schedule", True, over)


@pytest.mark.parametrize(("requeues", "next_at"), [(0, iso(NOW + timedelta(days=1))), (1, None)])
def test_an_archived_ticket_is_asked_for_again_after_an_hour_and_a_day(
    table: FakeTickets, requeues: int, next_at: str | None
) -> None:
    counts, messages = queued(table, incomplete(requeues=requeues, received=ago(days=30)), "recheck")
    assert counts == {"requeued": 0, "exhausted": 0, "rechecks": 1, "late": 0}
    assert table.items["T-1"].get("retry_at") == next_at
    assert messages == [{"v": 1, "ticket": "T-1", "kind": "recheck"}]


@pytest.mark.parametrize(("received", "late"), [(ago(hours=1), 0), (ago(hours=1, seconds=1), 1)])
def test_tickets_received_over_an_hour_ago_are_counted_due_or_not(table: FakeTickets, received: str, late: int) -> None:
    counts, _ = queued(table, incomplete(due=ago(hours=-1), received=received))
    assert counts["late"] == late
