"""Backfill: every id is checked before anything is sent, and is sent once."""

from typing import cast

import pytest

from ops import backfill
from ops.queues import Pace, Queue
from tests.unit.ops.cli_harness import FakeQueue
from ticket_archive.messages import TicketRequest, read_message, ticket_message


def pace(rate: float = 10) -> Pace:
    return Pace(rate, clock=lambda: 0.0, sleep=lambda _: None)


def test_ids_come_from_arguments_and_lines_each_once_in_their_order() -> None:
    wanted = backfill.read(["b", "a"], ["c\n", "a\n", "\n", "  # a remark\n", " d \n"])

    assert wanted.tickets == ("b", "a", "c", "d")
    assert wanted.repeated == 1
    assert wanted.bad == ()


@pytest.mark.parametrize("bad", ["a/b", "../x", "Jane Doe", "-a", "a" * 129, "á", "a\x00", "a b"])
def test_a_bad_id_is_told_by_its_place_and_not_by_its_content(bad: str) -> None:
    wanted = backfill.read(["good", bad], ["also-good\n", f"{bad}\n"])

    assert wanted.bad == ("argument 2", "line 2")
    assert wanted.tickets == ("good", "also-good")
    assert bad not in repr(wanted)


@pytest.mark.parametrize("force", [True, False])
def test_every_ticket_is_sent_as_a_message_that_the_ingest_function_reads(force: bool) -> None:
    queue = FakeQueue()

    portions = list(backfill.send(cast("Queue", queue), [f"t{n}" for n in range(23)], force=force, pace=pace()))

    assert [read_message(body) for body in queue.sent] == [
        TicketRequest(ticket=f"t{n}", kind="backfill", force=force) for n in range(23)
    ]
    assert [len(portion.sent) for portion in portions] == [10, 10, 3]


def test_tickets_that_the_queue_refuses_are_named_and_cost_no_neighbour() -> None:
    queue = FakeQueue()
    queue.refuses = {ticket_message("t1", kind="backfill")}

    [portion] = backfill.send(cast("Queue", queue), ["t0", "t1", "t2"], force=False, pace=pace())

    assert portion.failed == ("t1",)
    assert portion.sent == ("t0", "t2")


def test_a_slow_rate_makes_small_portions() -> None:
    queue = FakeQueue()

    portions = list(backfill.send(cast("Queue", queue), ["t0", "t1", "t2"], force=False, pace=pace(1.5)))

    assert [portion.sent for portion in portions] == [("t0",), ("t1",), ("t2",)]
