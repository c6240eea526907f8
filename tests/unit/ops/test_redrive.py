"""Redrive: nothing is lost whatever stops it, nothing goes round for ever, nothing is shown but ids and codes."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

import pytest

from ops.queues import Pace, Queue, Received
from ops.redrive import Label, Outcome, Redriven, dead_letter, quarantined, redrive
from tests.unit.ops.cli_harness import ArchiveHarness, FakeQueue
from ticket_archive.messages import Webhook, ticket_message, webhook_message
from ticket_archive.table import TicketTable


def run(source: FakeQueue, target: FakeQueue, **given: Any) -> list[Redriven]:
    options: dict[str, Any] = {"wanted": lambda _: True, "limit": None, "dry_run": False, **given}
    label: Callable[[Received], Label] = options.pop("label", quarantined)
    pace = Pace(1000, clock=lambda: 0.0, sleep=lambda _: None)
    return list(redrive(cast("Queue", source), cast("Queue", target), label, pace=pace, **options))


def full(*reasons: str) -> FakeQueue:
    queue = FakeQueue()
    for number, reason in enumerate(reasons):
        queue.add(f"body {number}", reason)
    return queue


def test_all_messages_go_to_the_ticket_queue_and_leave_their_own() -> None:
    source, target = full(*["undecipherable"] * 25), FakeQueue()

    moved = run(source, target)

    assert [each.outcome for each in moved] == [Outcome.MOVED] * 25
    assert sorted(target.sent) == sorted(f"body {number}" for number in range(25))
    assert len(source) == 0


def test_only_what_is_wanted_moves_and_the_rest_can_be_seen_again() -> None:
    source, target = full("not_json", "undecipherable", "not_json"), FakeQueue()

    run(source, target, wanted=lambda label: label.reason == "undecipherable")

    assert target.sent == ["body 1"]
    assert [message.body for message in source.waiting] == ["body 0", "body 2"]
    assert not source.hidden


def test_a_dry_run_lists_all_and_moves_nothing() -> None:
    source, target = full("not_json", "undecipherable"), FakeQueue()

    listed = run(source, target, dry_run=True)

    assert [(each.label.reason, each.outcome) for each in listed] == [
        ("not_json", Outcome.LISTED),
        ("undecipherable", Outcome.LISTED),
    ]
    assert target.sent == []
    assert len(source.waiting) == 2


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_limit_counts_what_is_wanted(dry_run: bool) -> None:
    source, target = full("a", "b", "a", "b", "a", "b"), FakeQueue()

    done = run(source, target, wanted=lambda label: label.reason == "b", limit=2, dry_run=dry_run)

    assert len(done) == 2
    assert not source.hidden
    assert len(source.waiting) == (6 if dry_run else 4)


def test_what_comes_back_meanwhile_does_not_go_round() -> None:
    # GIVEN a secret that is still wrong: the ingest function quarantines again at once what is redriven
    source, target = full("undecipherable", "undecipherable"), FakeQueue()
    target.returns_to = source

    moved = run(source, target)

    assert len(moved) == 2
    assert len(target.sent) == 2
    assert len(source.waiting) == 2


def test_what_was_sent_in_the_second_in_which_it_begins_is_not_overlooked() -> None:
    # GIVEN the queue's clock, which tells whole seconds
    source, target = FakeQueue(), FakeQueue()
    source.add("body", "not_json", age=-0.9)

    assert len(run(source, target)) == 1


def test_what_comes_back_within_that_second_does_not_go_round_either() -> None:
    source, target = full("undecipherable"), FakeQueue()
    target.returns_to = source
    target.returns_after = 0.1

    assert len(run(source, target)) == 1
    assert len(source.waiting) == 1


def test_a_message_that_cannot_be_sent_stays_where_it_is() -> None:
    source, target = full("a", "b"), FakeQueue()
    target.refuses = {"body 0"}

    outcomes = [each.outcome for each in run(source, target)]

    assert outcomes == [Outcome.NOT_SENT, Outcome.MOVED]
    assert [message.body for message in source.waiting] == ["body 0"]


def test_a_message_that_cannot_be_deleted_is_told_and_is_in_both_queues() -> None:
    source, target = full("a", "b"), FakeQueue()
    source.keeps = {source.waiting[0].id}

    outcomes = [each.outcome for each in run(source, target)]

    assert outcomes == [Outcome.NOT_DELETED, Outcome.MOVED]
    assert len(source.waiting) == 1
    assert len(target.sent) == 2


@pytest.mark.parametrize("moment", ["send", "delete"])
def test_a_crash_between_sending_and_deleting_doubles_and_loses_nothing(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = full("a", "b", "c"), FakeQueue()

    def crash(_messages: object) -> set[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(target if moment == "send" else source, moment, crash)

    with pytest.raises(KeyboardInterrupt):
        run(source, target)

    kept = {message.body for message in source.waiting}
    assert kept == {"body 0", "body 1", "body 2"}, "nothing was deleted, and all of it can be received again"


def test_stopping_in_between_releases_what_was_received() -> None:
    source, target = full("a", "b", "c"), FakeQueue()
    pace = Pace(1000, clock=lambda: 0.0, sleep=lambda _: None)
    queues = cast("Queue", source), cast("Queue", target)
    listing = redrive(*queues, quarantined, wanted=lambda _: True, limit=None, dry_run=True, pace=pace)

    with closing(listing):
        next(listing)

    assert len(source.waiting) == 3


def label_of(house: ArchiveHarness, body: str) -> Label:
    queue = FakeQueue()
    queue.add(body)
    return dead_letter(cast("TicketTable", house))(queue.waiting[0])


def test_a_dead_letter_is_labelled_by_its_ticket_and_its_last_error() -> None:
    house = ArchiveHarness()
    house.incomplete_ticket("t1", "vendor_auth_error")

    label = label_of(house, ticket_message("t1"))

    assert (label.ticket, label.reason) == ("t1", "vendor_auth_error")


def test_a_dead_letter_of_an_unknown_ticket_says_so() -> None:
    assert label_of(ArchiveHarness(), ticket_message("t1")).reason == "ticket_unknown"


def test_a_dead_letter_whose_ticket_was_archived_meanwhile_says_so() -> None:
    house = ArchiveHarness()
    house.archive("t1", last_error="vendor_unavailable")

    assert label_of(house, ticket_message("t1")).reason == "archived"


def test_a_dead_webhook_is_not_opened() -> None:
    body = webhook_message(
        Webhook(body=b"CANARY", iv="CANARY", content_type="text/plain", received_at="2026-01-31T12:00:00Z")
    )

    label = label_of(ArchiveHarness(), body)

    assert (label.ticket, label.reason) == (None, "webhook_not_opened")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("CANARY", "message_malformed"),
        ('{"ticket": "CANARY NAME"}', "ticket_malformed"),
        ('{"v": 9}', "message_version"),
    ],
)
def test_a_foreign_dead_letter_is_labelled_by_a_code_alone(body: str, reason: str) -> None:
    label = label_of(ArchiveHarness(), body)

    assert (label.ticket, label.reason) == (None, reason)
    assert "CANARY" not in repr(label)


def test_a_quarantined_message_without_a_reason_says_so() -> None:
    queue = FakeQueue()
    queue.add("body")

    assert quarantined(queue.waiting[0]).reason == "none_given"
