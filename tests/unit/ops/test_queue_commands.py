"""`backfill`, `settle` and `redrive`: nothing is lost, nothing loops, and only ids and codes are shown."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError

from ops.commands.redrive import MessageInfo, Outcome, dead_letter, quarantined, redrive_messages
from ops.errors import Exit
from ops.queues import Pace, Queue, Received
from tests.support import archive_harness
from tests.unit.ops.cli_harness import NOON, SECRET, CliHarness, FakeQueue, FakeStack
from ticket_archive.errors import SettingsError
from ticket_archive.messages import TicketRequest, read_message, ticket_message
from ticket_archive.models import ImageType


def webhook(*tickets: str, secret: str = SECRET) -> str:
    """Return a queued webhook about a ticket, or with an event for each of several."""
    events = [{"data": {"ticket": ticket}} for ticket in tickets]
    return archive_harness.webhook(events if len(events) > 1 else events[0], secret.encode())


# ─── backfill ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", ["a/b", "../x", "Jane Doe", "a" * 129, "á", "a\x00", "a b"])
def test_an_invalid_id_is_reported_by_its_place_and_nothing_is_sent(bad: str, cli: CliHarness) -> None:
    result = cli.fails(
        "backfill", "t1", bad, "--file", "-", stdin=f"t2\n# note\n\n{bad}\n", said="argument 2", code=Exit.USAGE
    )
    assert cli.stack.queues == {}
    assert "line 4" in result.stderr
    assert bad not in result.output


@pytest.mark.parametrize("force", [True, False])
def test_each_id_is_sent_once_as_a_ticket_request(force: bool, cli: CliHarness) -> None:
    given = ["t1", "x/y", "t1", "t2", "--skip-invalid", *(["--force"] if force else [])]
    found = cli.json("backfill", *given)
    sent = [read_message(body) for body in cli.stack.queue("QueueUrl").sent]
    assert sent == [TicketRequest(ticket=ticket, kind="backfill", force=force) for ticket in ("t1", "t2")]
    assert (found["sent"], found["repeated"], found["invalid"]) == (2, 1, ["argument 2"])


def test_a_file_of_ids_may_have_a_byte_order_mark_and_windows_line_ends_but_no_other_encoding(
    cli: CliHarness, tmp_path: Path
) -> None:
    file = tmp_path / "tickets.txt"
    file.write_bytes("\ufefft1\r\nt2\r\n".encode())
    assert cli.json("backfill", "--file", str(file))["sent"] == 2
    file.write_bytes("t1\r\nt2\r\n".encode("utf-16"))
    cli.fails("backfill", "--file", str(file), said="line 1: not a ticket id", code=Exit.USAGE)


def test_a_dry_backfill_sends_nothing(cli: CliHarness) -> None:
    found = cli.json("backfill", "t1", "--dry-run")
    assert (found["sent"], found["rest"]) == (0, 1)
    assert cli.stack.queues == {}


def test_tickets_that_sqs_refuses_are_named(cli: CliHarness) -> None:
    cli.stack.queue("QueueUrl").refuses = {ticket_message("t2", kind="backfill")}
    cli.fails("backfill", "t1", "t2", "t3", said="SQS did not take 1 tickets: t2")
    assert len(cli.stack.queue("QueueUrl").sent) == 2


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (TimeoutError("CANARY"), 1)])
def test_an_interrupted_backfill_says_where_to_continue(
    error: BaseException, code: int, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = cli.stack.queue("QueueUrl")
    send = queue.send

    def stop_after_one(bodies: Any) -> set[int]:
        if queue.sent:
            raise error
        return send(bodies)

    monkeypatch.setattr(queue, "send", stop_after_one)
    monkeypatch.setattr(Pace, "wait", lambda *_: None)
    result = cli("backfill", "t1", "t2", "t3", "--rate", "1", "--json")
    assert result.exit_code == code
    assert {"sent": 1, "rest": 2, "next": "t2"}.items() <= json.loads(result.stdout).items()
    assert "CANARY" not in result.output


# ─── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "types"), [([], tuple(ImageType)), (["--without", "DOCUMENT"], (ImageType.DOCUMENT,))]
)
def test_settle_requests_the_ticket_with_the_types_to_settle(
    options: list[str], types: tuple[ImageType, ...], cli: CliHarness
) -> None:
    cli.stack.add_incomplete_ticket("t1", "vendor_unavailable")
    assert cli("settle", "t1", *options).exit_code == Exit.OK
    [body] = cli.stack.queue("QueueUrl").sent
    assert read_message(body) == TicketRequest(ticket="t1", kind="settle", settle=types)
    assert [record["command"] for record in cli.stack.recorded] == ["settle"]


def test_an_archived_ticket_is_not_settled(cli: CliHarness) -> None:
    cli.stack.add_ticket("t1")
    assert cli("settle", "t1").exit_code == Exit.FAILED
    assert cli.stack.queues == {}


# ─── redrive: the loop ────────────────────────────────────────────────────────────────────────────────────────────


def run(source: FakeQueue, target: FakeQueue, **given: Any) -> list[MessageInfo]:
    options: dict[str, Any] = {"wanted": lambda _: True, "limit": None, "dry_run": False, **given}
    describe: Callable[[Received], MessageInfo] = options.pop("describe", quarantined)
    return list(redrive_messages(cast("Queue", source), cast("Queue", target), describe, pace=Pace(1000), **options))


def full(*reasons: str) -> FakeQueue:
    queue = FakeQueue()
    for number, reason in enumerate(reasons):
        queue.add(f"body {number}", reason)
    return queue


def test_all_messages_move_to_the_ticket_queue_at_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = full(*["undecipherable"] * 25), FakeQueue()
    paced: list[int] = []
    monkeypatch.setattr(Pace, "wait", lambda _, count: paced.append(count))
    moved = run(source, target)
    assert [each.outcome for each in moved] == [Outcome.MOVED] * 25
    assert sorted(target.sent) == sorted(f"body {number}" for number in range(25))
    assert sum(paced) == 25
    assert len(source) == 0


def test_unwanted_messages_stay_and_become_visible_again() -> None:
    source, target = full("not_json", "undecipherable", "not_json"), FakeQueue()
    run(source, target, wanted=lambda message: message.reason == "undecipherable")
    assert target.sent == ["body 1"]
    assert [message.body for message in source.waiting] == ["body 0", "body 2"]
    assert not source.hidden


def test_a_message_that_is_received_twice_is_shown_once() -> None:
    source = full("a", "b")
    source.waiting.append(source.waiting[0])
    assert [each.reason for each in run(source, FakeQueue(), dry_run=True)] == ["a", "b"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_limit_counts_wanted_messages(dry_run: bool) -> None:
    source, target = full("a", "b", "a", "b", "a", "b"), FakeQueue()
    done = run(source, target, wanted=lambda message: message.reason == "b", limit=2, dry_run=dry_run)
    assert len(done) == 2
    assert not source.hidden
    assert len(source.waiting) == (6 if dry_run else 4)


@pytest.mark.parametrize("seconds", [1.0, 0.1])
def test_a_message_that_comes_back_meanwhile_is_left_alone(seconds: float) -> None:
    # GIVEN a secret that is still wrong: the ingest function quarantines again at once what is redriven
    source, target = full("undecipherable", "undecipherable"), FakeQueue()
    target.returns_to, target.returns_after = source, seconds
    moved = run(source, target)
    assert len(moved) == len(target.sent) == len(source.waiting) == 2


def test_a_message_of_the_second_in_which_it_begins_is_not_overlooked() -> None:
    # SQS's clock has whole seconds
    source, target = FakeQueue(), FakeQueue()
    source.add("body", "not_json", age=-0.9)
    assert len(run(source, target)) == 1


def test_a_message_that_cannot_be_sent_stays_and_one_that_cannot_be_deleted_is_in_both_queues() -> None:
    source, target = full("a", "b", "c"), FakeQueue()
    target.refuses = {"body 0"}
    source.keeps = {source.waiting[1].id}
    outcomes = [each.outcome for each in run(source, target)]
    assert outcomes == [Outcome.NOT_SENT, Outcome.NOT_DELETED, Outcome.MOVED]
    assert [message.body for message in source.waiting] == ["body 0", "body 1"]
    assert target.sent == ["body 1", "body 2"]


@pytest.mark.parametrize("moment", ["send", "delete"])
def test_a_crash_between_sending_and_deleting_loses_nothing(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = full("a", "b", "c"), FakeQueue()

    def crash(_messages: object) -> set[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(target if moment == "send" else source, moment, crash)
    with pytest.raises(KeyboardInterrupt):
        run(source, target)
    assert {message.body for message in source.waiting} == {"body 0", "body 1", "body 2"}


def test_stopping_early_makes_received_messages_visible_again() -> None:
    source, target = full("a", "b", "c"), FakeQueue()
    pace = Pace(1000)
    queues = cast("Queue", source), cast("Queue", target)
    listing = redrive_messages(*queues, quarantined, wanted=lambda _: True, limit=None, dry_run=True, pace=pace)
    with closing(listing):
        next(listing)
    assert len(source.waiting) == 3


# ─── redrive: what is shown ───────────────────────────────────────────────────────────────────────────────────────


def test_a_dead_letter_shows_its_ticket_last_error_and_attempts(fake: FakeStack) -> None:
    fake.add_incomplete_ticket("t1", "vendor_auth_error")
    fake.add_ticket("t2", last_error="vendor_unavailable")
    queue = FakeQueue()
    for number in range(3):
        queue.add(ticket_message(f"t{number}", kind="schedule"))
    found = [dead_letter(fake.table, [], message) for message in queue.waiting]
    assert [(info.ticket, info.kind, info.reason, info.state, info.attempts) for info in found] == [
        ("t0", "schedule", "ticket_unknown", None, None),
        ("t1", "schedule", "vendor_auth_error", "incomplete", 3),
        ("t2", "schedule", "archived", "archived", 1),
    ]


@pytest.mark.parametrize("options", [(), ("--discard", "JUNK")])
def test_a_dead_webhook_with_several_events_is_listed_under_their_tickets_and_discarded_for_none_of_them(
    options: tuple[str, ...], with_secret: CliHarness
) -> None:
    with_secret.stack.queue("DeadLetterQueueUrl").add(webhook("t1", "t2", "t1"))
    [message] = with_secret.json("redrive", "dead-letters", "--dry-run")["messages"]
    assert (message["ticket"], message["reason"], message["state"]) == ("t1 t2", "several_events", None)
    redriven = with_secret.json("redrive", "dead-letters", "--ticket", "t2", *options)["messages"]
    assert [each["outcome"] for each in redriven] == ([] if options else ["moved"])


@pytest.mark.parametrize("error", [SettingsError("secret"), ClientError({}, "GetSecretValue")])
def test_a_dead_webhook_without_the_secret_is_listed_unopened(
    error: Exception, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeStack, "webhook_secrets", Mock(side_effect=error))
    cli.stack.queue("DeadLetterQueueUrl").add(webhook("t1"))
    result = cli("redrive", "dead-letters", "--dry-run", "--json")
    [message] = json.loads(result.stdout)["messages"]
    assert (message["ticket"], message["reason"]) == (None, "webhook_not_opened")
    assert "could not be read" in result.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("CANARY", "message_malformed"),
        ('{"ticket": "CANARY NAME"}', "ticket_malformed"),
        ('{"v": 9, "ticket": "t"}', "message_version"),
        (webhook("t1", secret="x" * 32), "undecipherable"),
    ],
)
def test_an_unreadable_dead_letter_is_shown_by_a_code_alone(body: str, reason: str, with_secret: CliHarness) -> None:
    with_secret.stack.queue("DeadLetterQueueUrl").add(body)
    result = with_secret("redrive", "dead-letters", "--dry-run", "--json")
    [message] = json.loads(result.stdout)["messages"]
    assert (message["ticket"], message["reason"]) == (None, reason)
    assert "CANARY" not in result.output


def test_quarantined_messages_are_counted_by_reason_without_their_content(cli: CliHarness) -> None:
    quarantine = cli.stack.queue("QuarantineQueueUrl")
    for reason in ("not_json", "undecipherable", "not_json", None):
        quarantine.add("CANARY", reason)
    found = cli.json("redrive", "quarantine", "--dry-run")
    assert {"reason": "not_json", "outcome": "listed", "messages": 2} in found["by_reason"]
    assert {"reason": "none_given", "outcome": "listed", "messages": 1} in found["by_reason"]
    assert "CANARY" not in json.dumps(found) + cli("redrive", "quarantine", "--dry-run").output
    assert len(quarantine.waiting) == 4


def test_dead_letters_are_filtered_by_ticket_webhooks_too(with_secret: CliHarness) -> None:
    with_secret.stack.add_incomplete_ticket("t2", "vendor_auth_error")
    dead = with_secret.stack.queue("DeadLetterQueueUrl")
    bodies = [ticket_message("t1"), webhook("t2"), ticket_message("t2")]
    for body in bodies:
        dead.add(body)
    found = with_secret.json("redrive", "dead-letters", "--ticket", "t2")["messages"]
    assert [each["kind"] for each in found] == ["webhook", None]
    assert {each["reason"] for each in found} == {"vendor_auth_error"}
    assert with_secret.stack.queue("QueueUrl").sent == bodies[1:]
    assert [message.body for message in dead.waiting] == bodies[:1]


@pytest.mark.parametrize(
    ("options", "moved"),
    [
        (["--since", "2026-01-31T11:00"], ["new"]),
        (["--until", "2026-01-31T12:00:00+01:00"], ["old"]),
        (["--since", "2026-01-31T09:00Z", "--until", "2026-01-31T11:59Z"], ["old"]),
        (["--since", "1h"], ["new"]),
    ],
)
def test_messages_are_filtered_by_time(
    options: list[str], moved: list[str], cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.arguments.now", lambda: NOON)
    quarantine = cli.stack.queue("QuarantineQueueUrl")
    quarantine.add("old", "not_json", age=timedelta(hours=2).total_seconds())
    quarantine.add("new", "not_json", age=30)
    cli("redrive", "quarantine", *options)
    assert cli.stack.queue("QueueUrl").sent == moved


def test_every_message_is_a_line_for_grep(cli: CliHarness) -> None:
    quarantine = cli.stack.queue("QuarantineQueueUrl")
    ids = [quarantine.add(f"body {number}", "not_json") for number in range(150)]
    shown = cli("redrive", "quarantine", "--dry-run").stdout.splitlines()
    assert [number for number in ids if not any(line.startswith(number) for line in shown)] == []


def test_a_discard_is_recorded_with_the_time_that_an_age_means(
    cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.arguments.now", lambda: NOON)
    cli("redrive", "quarantine", "--discard", "JUNK-7", "--since", "1h")
    assert [(each["since"], each["until"]) for each in cli.stack.recorded] == [(NOON - timedelta(hours=1), None)]


def test_discarding_deletes_what_is_wanted_and_is_recorded_with_its_reason_and_the_messages(cli: CliHarness) -> None:
    quarantine, command = cli.stack.queue("QuarantineQueueUrl"), ("redrive", "quarantine", "--discard", "JUNK-7")
    quarantine.add("CANARY", "not_json")
    quarantine.add("other", "undecipherable")
    cli.json(*command, "--dry-run")
    assert (cli.stack.recorded, len(quarantine.waiting)) == ([], 2)
    found = cli.json(*command, "--reason", "not_json")
    assert [message["outcome"] for message in found["messages"]] == ["discarded"]
    assert [record["command"] for record in cli.stack.recorded] == ["discard", "discarded"]
    assert {record["reason"] for record in cli.stack.recorded} == {"JUNK-7"}
    assert cli.stack.recorded[1]["messages"][0]["id"] == found["messages"][0]["id"]
    assert "CANARY" not in json.dumps(cli.stack.recorded, default=str)
    assert ([message.body for message in quarantine.waiting], cli.stack.queue("QueueUrl").sent) == (["other"], [])


def test_messages_that_someone_else_has_received_are_counted(cli: CliHarness) -> None:
    quarantine = cli.stack.queue("QuarantineQueueUrl")
    quarantine.add("body", "not_json")
    quarantine.receive(10)
    result = cli("redrive", "quarantine", "--dry-run")
    assert "No messages." in result.stdout
    assert "1 messages were in flight" in result.stderr


@pytest.mark.parametrize("options", [[], ["--discard", "JUNK-7"]])
def test_a_message_that_could_not_be_moved_or_discarded_exits_1(options: list[str], cli: CliHarness) -> None:
    quarantine = cli.stack.queue("QuarantineQueueUrl")
    quarantine.keeps = {quarantine.add("body", "not_json")}
    cli.stack.queue("QueueUrl").refuses = {"body"}
    assert cli("redrive", "quarantine", *options).exit_code == Exit.FAILED
