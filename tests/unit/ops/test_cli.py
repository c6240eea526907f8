"""The command line: what goes to stdout and what to stderr, exit codes, and what each command refuses."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from ops import stack
from ops.cli import app
from ops.commands import in_front
from ops.errors import Exit
from tests.unit.ops.cli_harness import ArchiveHarness
from ticket_archive.messages import TicketRequest, read_message, ticket_message


class CliHarness(NamedTuple):
    """A command line beside a house."""

    house: ArchiveHarness
    runner: CliRunner

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return self.runner.invoke(app, list(arguments), input=stdin)

    def json(self, *arguments: str) -> Mapping[str, Any]:
        result = self("--json", *arguments)
        assert result.stdout.count("\n") == 1, result.output
        found: Mapping[str, Any] = json.loads(result.stdout)
        return found


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> CliHarness:
    house = ArchiveHarness()
    monkeypatch.setattr(stack, "find", lambda _account, _name: house)
    return CliHarness(house, CliRunner())


@pytest.mark.parametrize(
    ("given", "sorted_"),
    [
        (["status", "t", "--json"], ["--json", "status", "t"]),
        (["list", "--region", "r", "--day", "d", "--local"], ["--region", "r", "--local", "list", "--day", "d"]),
        (["erase", "--profile=p", "t"], ["--profile=p", "erase", "t"]),
        (["backfill", "--", "--json"], ["backfill", "--", "--json"]),
        (["status", "t", "--region"], ["--region", "status", "t"]),
    ],
)
def test_common_options_may_stand_anywhere(given: list[str], sorted_: list[str]) -> None:
    assert in_front(given) == sorted_


def test_status_tells_states_times_and_counts_and_no_content(office: CliHarness) -> None:
    office.house.archive("t1", customer="CANARY")

    found = office.json("status", "t1")

    assert (found["state"], found["outcome"], found["manifest"], found["attempts"]) == ("archived", "ACCEPTED", True, 1)
    assert found["types"] == {"SELF_PORTRAITS": "stored", "DOCUMENT": "stored", "DOCUMENT_SIGNATURE": "absent"}
    assert [image["type"] for image in found["images"]] == ["SELF_PORTRAITS", "DOCUMENT"]
    assert found["details"]["kept_as"] == "map"
    assert [event["event"] for event in found["events"]] == ["ticket.verification.completed"]
    for output in (json.dumps(found), office("status", "t1").output):
        assert not [word for word in ("CANARY", "AMINA", "http", "tickets/") if word in output]


def test_a_missing_manifest_is_seen_in_the_status(office: CliHarness) -> None:
    office.house.archive("t1")
    office.house.stored = {}

    assert office.json("status", "t1")["manifest"] is False
    assert "missing" in office("status", "t1").stdout


@pytest.mark.parametrize("command", ["status", "fetch", "view", "erase", "hold", "release"])
def test_an_unknown_ticket_is_exit_code_1_with_a_line_and_no_traceback(
    command: str, office: CliHarness, tmp_path: Path
) -> None:
    result = office(command, "t1", *(["-o", str(tmp_path / "o")] if command == "fetch" else []))

    assert result.exit_code == Exit.FAILED
    assert result.stdout == ""
    assert result.stderr == "ticket t1 is unknown to the archive: `backfill` asks for it\n"


@pytest.mark.parametrize("command", ["status", "fetch", "view", "erase", "hold", "release"])
def test_a_malformed_ticket_is_wrong_usage_and_asks_no_network(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, "../t", *(["-o", str(tmp_path)] if command == "fetch" else [])])

    assert result.exit_code == Exit.USAGE
    assert "not a ticket id" in result.stderr


def test_every_command_explains_itself() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == Exit.OK


def test_a_list_takes_one_question(office: CliHarness) -> None:
    assert office("list").exit_code == Exit.USAGE
    assert office("list", "--customer", "C", "--state", "incomplete").exit_code == Exit.USAGE


@pytest.mark.parametrize("day", ["2026-13-01", "2026-1-1", "yesterday", "20260101", ""])
def test_a_day_has_one_form(day: str, office: CliHarness) -> None:
    assert office("list", "--day", day).exit_code == Exit.USAGE


def test_a_customers_tickets_are_listed_across_pages_without_the_customer(office: CliHarness) -> None:
    for number in range(250):
        office.house.archive(f"t{number}", customer="CANARY")
    office.house.archive("other", customer="D")

    found = office.json("list", "--customer", "CANARY", "--limit", "240")

    assert len(found["tickets"]) == 240
    assert found["more"] is True
    assert "CANARY" not in json.dumps(found)


def test_incomplete_tickets_come_from_the_index(office: CliHarness) -> None:
    for number in range(3):
        office.house.incomplete_ticket(f"t{number}", "vendor_unavailable")

    found = office.json("list", "--state", "incomplete", "--limit", "2")

    assert [line["ticket"] for line in found["tickets"]] == ["t0", "t1"]
    assert (found["more"], found["scanned"]) == (True, None)


def test_a_day_is_a_scan_that_is_bounded_and_says_so(office: CliHarness) -> None:
    for number in range(10):
        office.house.archive(f"t{number}")

    result = office("list", "--day", "2026-01-31", "--scan-limit", "4", "--json")

    found = json.loads(result.stdout)
    assert (found["scanned"], len(found["tickets"]), found["more"]) == (4, 4, True)
    assert "No index answers this: 4 items were read" in result.stderr


def test_fetch_tells_files_and_ends_with_1_where_one_is_broken(office: CliHarness, tmp_path: Path) -> None:
    item = office.house.archive("t1")
    assert office("fetch", "t1", "-o", str(tmp_path / "a")).exit_code == Exit.OK
    office.house.put(item.images[0].key, b"changed")

    result = office("fetch", "t1", "-o", str(tmp_path / "b"), "--json")

    assert result.exit_code == Exit.FAILED
    assert json.loads(result.stdout)["faults"] == [
        {"name": "SELF_PORTRAITS-0.jpg", "fault": "not what was archived: its hash differs"}
    ]


def test_an_erased_ticket_cannot_be_fetched(office: CliHarness, tmp_path: Path) -> None:
    office.house.erase("t1", "2026-01-31T12:00:00Z")

    result = office("fetch", "t1", "-o", str(tmp_path / "a"))

    assert result.exit_code == Exit.FAILED
    assert "erased" in result.stderr
    assert not (tmp_path / "a").exists()


def test_a_page_is_kept_where_it_is_asked_for(office: CliHarness, tmp_path: Path) -> None:
    office.house.archive("t1")

    assert office("view", "t1", "-o", str(tmp_path / "p.html"), "--no-open").exit_code == Exit.OK
    again = office("view", "t1", "-o", str(tmp_path / "p.html"), "--no-open")

    assert (tmp_path / "p.html").read_bytes().startswith(b"<!DOCTYPE html>")
    assert again.exit_code == Exit.FAILED
    assert "--force" in again.stderr


def test_a_page_that_is_not_kept_leaves_nothing(
    office: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.house.archive("t1")
    seen: list[bool] = []
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("ops.view.time.sleep", lambda _: seen.append(any(tmp_path.rglob("*.html"))))

    assert office("view", "t1", "--no-open", "--keep-seconds", "1").exit_code == Exit.OK

    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_backfill_sends_nothing_if_an_id_is_bad(office: CliHarness) -> None:
    result = office("backfill", "t1", "Jane Doe", "--file", "-", stdin="t2\nx/y\n")

    assert result.exit_code == Exit.USAGE
    assert office.house.queues == {}
    assert "argument 2" in result.stderr
    assert "line 2" in result.stderr
    assert "Jane" not in result.output


def test_backfill_sends_the_good_ones_where_it_may(office: CliHarness) -> None:
    result = office("backfill", "t1", "x/y", "t1", "t2", "--skip-invalid", "--force", "--json")

    assert result.exit_code == Exit.OK
    sent = [read_message(body) for body in office.house.queue("QueueUrl").sent]
    assert sent == [
        TicketRequest(ticket="t1", kind="backfill", force=True),
        TicketRequest(ticket="t2", kind="backfill", force=True),
    ]
    found = json.loads(result.stdout)
    assert (found["sent"], found["repeated"], found["bad"]) == (2, 1, ["argument 2"])


def test_a_dry_backfill_sends_nothing(office: CliHarness) -> None:
    found = office.json("backfill", "t1", "--dry-run")

    assert (found["sent"], found["rest"]) == (0, 1)
    assert office.house.queues == {}


def test_a_backfill_of_nothing_is_wrong_usage(office: CliHarness) -> None:
    assert office("backfill").exit_code == Exit.USAGE


def test_tickets_that_sqs_refuses_are_named(office: CliHarness) -> None:
    office.house.queue("QueueUrl").refuses = {ticket_message("t2", kind="backfill")}

    result = office("backfill", "t1", "t2")

    assert result.exit_code == Exit.FAILED
    assert "t2" in result.stderr


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (TimeoutError("CANARY"), 1)])
def test_a_backfill_that_is_stopped_says_how_far_it_got(
    error: BaseException, code: int, office: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = office.house.queue("QueueUrl")
    send = queue.send

    def stop_after_one(bodies: Any) -> set[int]:
        if queue.sent:
            raise error
        return send(bodies)

    monkeypatch.setattr(queue, "send", stop_after_one)

    result = office("backfill", "t1", "t2", "t3", "--rate", "1", "--json")

    assert result.exit_code == code
    assert {"sent": 1, "rest": 2, "next": "t2"}.items() <= json.loads(result.stdout).items()
    assert "CANARY" not in result.output


def test_redrive_lists_by_reason_and_shows_no_bodies(office: CliHarness) -> None:
    quarantine = office.house.queue("QuarantineQueueUrl")
    for reason in ("not_json", "undecipherable", "not_json"):
        quarantine.add("CANARY", reason)

    result = office("redrive", "quarantine", "--dry-run", "--json")

    found = json.loads(result.stdout)
    assert {"reason": "not_json", "outcome": "listed", "messages": 2} in found["by_reason"]
    assert "CANARY" not in result.output + office("redrive", "quarantine", "--dry-run").output
    assert len(quarantine.waiting) == 3


def test_redrive_moves_a_tickets_dead_letters_only(office: CliHarness) -> None:
    dead = office.house.queue("DeadLetterQueueUrl")
    for ticket in ("t1", "t2"):
        dead.add(ticket_message(ticket))

    assert office("redrive", "dead-letters", "--ticket", "t2").exit_code == Exit.OK

    assert office.house.queue("QueueUrl").sent == [ticket_message("t2")]
    assert [message.body for message in dead.waiting] == [ticket_message("t1")]


def test_quarantined_webhooks_have_no_ticket_to_choose_by(office: CliHarness) -> None:
    assert office("redrive", "quarantine", "--ticket", "t1").exit_code == Exit.USAGE


def test_a_message_that_could_not_be_moved_is_exit_code_1(office: CliHarness) -> None:
    office.house.queue("QuarantineQueueUrl").add("body", "not_json")
    office.house.queue("QueueUrl").refuses = {"body"}

    assert office("redrive", "quarantine").exit_code == Exit.FAILED


def test_erase_is_a_dry_run_unless_yes_is_said(office: CliHarness) -> None:
    office.house.archive("t1")

    found = office.json("erase", "t1")

    assert (found["dry_run"], found["object_versions"], found["events"]) == (True, 3, 1)
    assert office.house.journal == []


def test_erase_prints_a_receipt_with_the_operators_code(office: CliHarness) -> None:
    office.house.archive("t1", customer="CANARY")

    found = office.json("erase", "t1", "--yes", "--drain-seconds", "0", "--reason-code", "gdpr-17")

    assert (found["reason_code"], found["object_versions"], found["refused"]) == ("gdpr-17", 3, 0)
    assert "CANARY" not in json.dumps(found)


def test_a_reason_code_is_no_free_text(office: CliHarness) -> None:
    office.house.archive("t1")

    assert office("erase", "t1", "--yes", "--reason-code", "Jane Doe asked").exit_code == Exit.USAGE
    assert office.house.journal == []


@pytest.mark.parametrize("yes", [[], ["--yes"]])
def test_a_hold_refuses_the_erasure_until_it_is_released(yes: list[str], office: CliHarness) -> None:
    office.house.archive("t1")
    assert office("hold", "t1").exit_code == Exit.OK
    office.house.journal.clear()

    result = office("erase", "t1", *yes, "--drain-seconds", "0")

    assert result.exit_code == Exit.FAILED
    assert "legal hold" in result.stderr
    assert office.house.journal == []
    assert office.json("release", "t1")["was_held"] is True
    assert office("erase", "t1", *yes, "--drain-seconds", "0").exit_code == Exit.OK


def test_a_hold_says_what_it_reaches(office: CliHarness) -> None:
    office.house.archive("t1")

    found = office.json("hold", "t1")

    assert (found["object_versions"], found["events"]) == (3, 1)


def test_retention_counts_until_it_is_told_to_do_it(office: CliHarness) -> None:
    office.house.parameters = {"RetentionDays": "30"}
    office.house.archive("t1")
    office.house.archive("t2", legal_hold="2026-01-01T00:00:00Z")

    def ends() -> list[bool]:
        return [item.expires_at is not None for item in office.house.items.values()]

    told = office.json("retention")
    assert (told["dry_run"], told["days"], told["tickets"], told["held"]) == (True, 30, 1, 1)
    assert ends() == [False, False]

    assert office.json("retention", "--yes")["dry_run"] is False
    assert ends() == [True, False]


def test_an_erasure_that_s3_refuses_in_part_is_not_complete(office: CliHarness) -> None:
    item = office.house.archive("t1")
    office.house.undeletable = {item.images[0].key}

    result = office("erase", "t1", "--yes", "--drain-seconds", "0")

    assert result.exit_code == Exit.FAILED
    assert "not complete" in result.stderr


@pytest.mark.parametrize("arguments", [["--event", "completed"], ["--event", "invitation"], ["--wait"]])
def test_a_trial_makes_up_no_ticket_that_would_end_as_a_dead_letter(arguments: list[str], office: CliHarness) -> None:
    assert office("send-test-webhook", *arguments).exit_code == Exit.USAGE
