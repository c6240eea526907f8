"""Finished events are recognised; only success is remembered; the store decides nothing."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast
from unittest.mock import Mock

import pytest

from ingest.messaging.idempotency import EventIdempotency
from tests.support.fakes import FakeContext, FakeIdempotencyTable
from tests.support.logs import Lines
from ticket_archive.errors import ArchiveError, TicketErased, TicketIncomplete, WriteConflict


@pytest.fixture
def store() -> FakeIdempotencyTable:
    return FakeIdempotencyTable()


@pytest.fixture
def once(store: FakeIdempotencyTable) -> EventIdempotency:
    return begun(store)


def begun(store: FakeIdempotencyTable) -> EventIdempotency:
    once = EventIdempotency(cast("Any", store), "idempotency")
    once.begin_invocation(FakeContext())
    return once


def work(error: Exception | None = None) -> Mock:
    return Mock(return_value="archived", side_effect=error)


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("error", [TicketIncomplete("images_not_ready"), TicketErased(), ValueError("a fault of ours")])
def test_a_failure_is_raised_unchanged_and_stores_no_record(once: EventIdempotency, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        once.run("e1", work(error))
    assert raised.value is error
    assert once.run("e1", work()) == "archived"


def test_a_second_delivery_is_retried_beside_the_first(store: FakeIdempotencyTable, once: EventIdempotency) -> None:
    second = work()
    seen: list[ArchiveError] = []

    def first() -> str:
        with pytest.raises(WriteConflict) as raised:
            begun(store).run("e1", second)
        seen.append(raised.value)
        return "archived"

    assert once.run("e1", first) == "archived"
    second.assert_not_called()
    assert str(seen[0]) == "write_conflict: event"
    assert seen[0].__cause__ is None


def test_a_crashed_attempt_counts_as_in_flight_until_its_invocation_must_have_ended(
    store: FakeIdempotencyTable, once: EventIdempotency
) -> None:
    def die() -> str:
        raise Killed

    with pytest.raises(Killed):
        once.run("e1", die)
    with pytest.raises(WriteConflict):
        begun(store).run("e1", work())
    store.attempts_are_over()
    assert begun(store).run("e1", work()) == "archived"


class TestAnUnavailableStore:
    @pytest.mark.parametrize("when", ["before", "while"])
    def test_does_not_stop_or_repeat_the_work_or_hide_its_failure(
        self, store: FakeIdempotencyTable, once: EventIdempotency, when: str
    ) -> None:
        fail = partial(store.effects.fail, "idempotency", ConnectionError())

        def then_the_store_fails(process: Mock) -> Any:
            fail()
            return process()

        reset = fail if when == "before" else store.effects.clear_hook
        error = TicketIncomplete("images_not_ready", retry_after=7.0)
        succeeding, failing = work(), work(error)
        reset()
        assert once.run("e1", partial(then_the_store_fails, succeeding)) == "archived"
        reset()
        with pytest.raises(TicketIncomplete) as raised:
            once.run("e2", partial(then_the_store_fails, failing))
        assert raised.value is error
        assert (succeeding.call_count, failing.call_count) == (1, 1)

    def test_is_logged_without_the_key(self, store: FakeIdempotencyTable, once: EventIdempotency, lines: Lines) -> None:
        store.effects.fail("idempotency", ConnectionError())
        once.run("the-event-id", work())
        assert lines.with_message("idempotency store unavailable")[0]["error"] == "ConnectionError"
        assert "the-event-id" not in lines.getvalue()


def test_one_of_many_threads_with_the_same_event_does_the_work(store: FakeIdempotencyTable) -> None:
    once, process, together = begun(store), work(), threading.Barrier(8, timeout=5)

    def deliver() -> str | None:
        together.wait()
        try:
            return once.run("e1", process)
        except WriteConflict:
            return "retried"

    with ThreadPoolExecutor(8) as pool:
        results = [future.result() for future in [pool.submit(deliver) for _ in range(8)]]
    assert process.call_count == 1
    assert results.count("archived") == 1
    assert set(results) <= {"archived", "retried", None}


def test_the_store_is_configured_before_threads_share_it(once: EventIdempotency) -> None:
    """Powertools marks it as configured first, so another thread would use it without the hash and the expiry."""
    assert once._store.configured


def test_threads_with_different_events_do_not_affect_each_other(store: FakeIdempotencyTable) -> None:
    once, together = begun(store), threading.Barrier(8, timeout=5)

    def deliver(number: int) -> str | None:
        together.wait()
        return once.run(f"e{number}", lambda: f"result {number}")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(deliver, range(8)))
    assert results == [f"result {number}" for number in range(8)]
    assert len(store.records) == 8
    assert {record["status"] for record in store.records.values()} == {"COMPLETED"}


def test_an_event_is_remembered_by_a_hash_for_as_long_as_a_message_stays_in_a_queue(
    store: FakeIdempotencyTable, once: EventIdempotency
) -> None:
    once.run("the-event-id", lambda: "archived")
    [record] = store.records.values()
    assert "the-event-id" not in str(record)
    assert re.fullmatch("event#[0-9a-f]{64}", record["id"]), "SHA-256"
    assert int(record["expiration"]) - time.time() == pytest.approx(14 * 86_400, abs=60)
