"""`export`, `audit`, `erase`, `hold`, `release` and `retention`."""

import errno
import hashlib
import json
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ops.action_log import ActionLog
from ops.bucket import Version
from ops.commands.erase import Receipt, erase_tickets
from ops.commands.retention import hold_tickets, release_tickets
from ops.errors import Exit
from ops.parallel import DRAIN_SECONDS, Drain
from ops.stack import Stack
from tests.unit.ops.cli_harness import NOON, CliHarness, FakeStack
from ticket_archive.clock import iso
from ticket_archive.models import TicketState
from ticket_archive.retention import NEVER, expiry

RECEIVED = "2026-01-31T11:59:00.000000Z"
NO_DRAIN = ("--drain-seconds", "0")


class Clock:
    """A clock that only `sleep` moves; `meanwhile` runs during a sleep."""

    def __init__(self) -> None:
        self.now = NOON
        self.sleeps: list[float] = []
        self.meanwhile: Callable[[], Any] = lambda: None

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.meanwhile()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stack(fake: FakeStack) -> FakeStack:
    fake.parameters = {"RetentionDays": "30"}
    fake.add_ticket("t1", customer="CANARY")
    fake.expiring = set(fake.versions("t1"))
    return fake


def left(stack: FakeStack, ticket: str = "t1") -> list[Version]:
    return list(stack.versions(ticket))


def drain(clock: Clock, seconds: float = DRAIN_SECONDS) -> Drain:
    return Drain(seconds, clock.sleep, now=clock)


def receipt(stack: FakeStack, clock: Clock, seconds: float = DRAIN_SECONDS) -> Receipt:
    [found] = erase_tickets(["t1"], cast("Stack", stack), drain(clock, seconds)).check()
    return found


def hold(stack: FakeStack, clock: Clock) -> list[dict[str, Any]]:
    return hold_tickets(["t1"], cast("Stack", stack), drain(clock), "C-1").check()


def attempted(stack: FakeStack, seconds_ago: float) -> None:
    """Let the last attempt at the ticket have begun so long ago."""
    at = (NOON - timedelta(seconds=seconds_ago)).isoformat()
    stack.change("t1", attempted_at=at)


# ─── erase ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tombstone_comes_first_then_every_object_version_then_the_events(stack: FakeStack, clock: Clock) -> None:
    stack.put(left(stack)[0].key, b"another version")
    lines = sorted(f"{key}\t{version}\n" for key, version in left(stack))
    found = receipt(stack, clock)
    assert stack.calls == ["put ticket", *["delete object"] * 4, "delete event#1#x"]
    assert stack.item("t1").state is TicketState.ERASED
    assert (left(stack), list(stack.table.events("t1"))) == ([], [])
    assert (found["object_versions"], found["events"], found["refused"]) == (4, 1, 0)
    assert found["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_what_was_in_flight_is_removed_by_the_second_pass(stack: FakeStack, clock: Clock) -> None:
    def late() -> None:
        stack.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")
        stack.add_event("t1", "event#2#y")

    clock.meanwhile = late
    found = receipt(stack, clock)
    assert (left(stack), list(stack.table.events("t1"))) == ([], [])
    assert (found["late_object_versions"], found["late_events"], found["object_versions"]) == (1, 1, 4)
    assert clock.sleeps == [70]


@pytest.mark.parametrize(
    ("after", "sleeps"), [(timedelta(days=1), []), (timedelta(seconds=30), [40]), (timedelta(days=-1), [70])]
)
def test_a_repetition_keeps_the_first_time_and_waits_for_what_is_left_of_it(
    after: timedelta, sleeps: list[float], stack: FakeStack, clock: Clock
) -> None:
    first = receipt(stack, clock, seconds=0)
    clock.now += after
    second = receipt(stack, clock)
    assert second["erased_at"] == first["erased_at"]
    assert (second["object_versions"], second["events"]) == (0, 0)
    assert clock.sleeps == sleeps


def test_a_hundred_tickets_are_erased_with_one_wait_and_one_that_fails_stops_none(
    stack: FakeStack, clock: Clock
) -> None:
    tickets = [f"many{number}" for number in range(100)]
    for ticket in tickets:
        stack.add_ticket(ticket)
    stack.add_ticket("held", legal_hold=RECEIVED)
    outcomes = erase_tickets(["held", *tickets], cast("Stack", stack), drain(clock))
    assert list(outcomes.done) == tickets
    assert ["legal hold" in reason for reason in outcomes.reasons.values()] == [True]
    assert clock.sleeps == [70]
    assert (len(left(stack)), len(left(stack, "held"))) == (3, 3)


def test_erase_changes_nothing_without_yes(stack: FakeStack, cli: CliHarness) -> None:
    found = cli.json("erase", "t1")
    assert (found["dry_run"], found["object_versions"], found["events"]) == (True, 3, 1)
    assert "t1      archived  3         1" in cli("erase", "t1").stdout, "an operator sees what would be lost"
    assert stack.calls == []


def test_the_receipt_is_printed_and_kept_without_personal_data(stack: FakeStack, cli: CliHarness) -> None:
    found = cli.json("erase", "t1", "--yes", *NO_DRAIN, "--reason-code", "gdpr-17")
    assert (found["reason_code"], found["object_versions"], found["refused"]) == ("gdpr-17", 3, 0)
    [record] = stack.recorded
    assert (record["command"], record["ticket"], record["reason_code"]) == ("erase", "t1", "gdpr-17")
    assert record["sha256"] == found["receipts"][0]["sha256"]
    assert "CANARY" not in json.dumps([found, record])


def test_an_erasure_that_is_repeated_gives_its_first_receipt_unless_something_came_back(
    stack: FakeStack, cli: CliHarness
) -> None:
    command = ("erase", "t1", "--yes", *NO_DRAIN)
    first = cli.json(*command)["receipts"]
    assert cli.json(*command)["receipts"] == first
    assert len(stack.recorded) == 1
    stack.add_ticket("t1")  # as a restore does, with another tombstone to come
    stack.put("tickets/t1/images/DOCUMENT/restored.jpg", b"x")
    second = cli.json(*command)["receipts"]
    assert second[0]["object_versions"] > 0
    assert cli.json(*command)["receipts"] == second
    assert len(stack.recorded) == 2


@pytest.mark.parametrize("command", [["erase", "--yes"], ["hold"], ["release"]])
def test_an_action_that_cannot_be_recorded_is_printed_and_exits_1(
    command: list[str], stack: FakeStack, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == ["release"]:
        stack.table.hold("t1", RECEIVED, None, "me")
    monkeypatch.setattr(FakeStack, "write", lambda *_, **__: (_ for _ in ()).throw(PermissionError))
    assert "t1" in json.dumps(cli.json(*command, "t1", *NO_DRAIN, exit_code=1))
    assert stack.table.is_held("t1") == (command != ["erase", "--yes"]), "nothing is released without a record"


@pytest.mark.parametrize("command", [["erase", "--yes"], ["hold"], ["release"]])
def test_a_customers_tickets_are_chosen_in_any_state(command: list[str], stack: FakeStack, cli: CliHarness) -> None:
    stack.add_incomplete_ticket("t2", "vendor_unavailable", customer="CANARY")
    other = stack.add_ticket("t10", customer="another")
    found = cli.json(*command, "--customer", "CANARY", *NO_DRAIN)
    assert {each["ticket"] for each in found.get("receipts") or found["tickets"]} == {"t1", "t2"}
    assert stack.item("t10") == other


def test_tickets_are_erased_from_a_file_and_problems_are_named(stack: FakeStack, cli: CliHarness) -> None:
    stack.add_ticket("t2", legal_hold=RECEIVED)
    result = cli("erase", "--file", "-", "--yes", *NO_DRAIN, "--json", stdin="t1\n# held\nt2\nunknown\n")
    found = json.loads(result.stdout)
    assert result.exit_code == Exit.FAILED
    assert [each["ticket"] for each in found["receipts"]] == ["t1"]
    assert (found["held"], found["unknown"]) == (["t2"], ["unknown"])


@pytest.mark.parametrize("fault", ["refused by S3", "interrupted", "interrupted at the end"])
def test_an_erasure_by_customer_that_did_not_end_finds_its_tickets_again(
    fault: str, stack: FakeStack, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_customer = ("erase", "--customer", "CANARY", "--yes", *NO_DRAIN)
    with monkeypatch.context() as broken:
        if fault != "refused by S3":
            where = "delete" if fault == "interrupted" else "write"
            broken.setattr(FakeStack, where, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            stack.undeletable = {left(stack)[0].key}
        assert cli(*by_customer).exit_code != Exit.OK
    stack.undeletable = set()

    [found] = cli.json(*by_customer)["receipts"]

    assert (found["ticket"], found["refused"], left(stack)) == ("t1", 0, [])
    assert stack.calls[-2:] == ["recorded erase", "update ticket"], "no ticket is forgotten without its receipt"
    assert "CANARY" not in json.dumps(stack.dynamodb.records["t1", "ticket"])
    assert cli(*by_customer).exit_code == Exit.FAILED, "nothing of the customer is left"


def test_objects_and_events_without_an_item_are_erased(fake: FakeStack, cli: CliHarness) -> None:
    fake.put("tickets/t1/images/DOCUMENT/x.jpg", b"x")
    fake.add_event("t2")
    found = cli.json("erase", "t1", "t2", "--yes", *NO_DRAIN)
    assert (found["object_versions"], found["events"]) == (1, 1)


def test_an_erasure_that_s3_refuses_in_part_exits_1_until_nothing_is_left(stack: FakeStack, cli: CliHarness) -> None:
    stack.undeletable = {left(stack)[0].key}
    cli.fails("erase", "t1", "--yes", *NO_DRAIN, said="could not be deleted")
    stack.stored.clear()  # in another way
    assert cli.json("erase", "t1", "--yes", *NO_DRAIN)["refused"] == 0
    assert [each["refused"] for each in stack.recorded] == [1, 0]


@pytest.mark.parametrize("yes", [[], ["--yes"]])
def test_a_hold_stops_an_erasure_until_it_is_released(yes: list[str], stack: FakeStack, cli: CliHarness) -> None:
    assert cli("hold", "t1").exit_code == Exit.OK
    stack.calls.clear()
    result = cli.fails("erase", "t1", *yes, *NO_DRAIN, "--json", said="legal hold")
    assert json.loads(result.stdout)["held"] == ["t1"]
    assert stack.calls == []
    assert cli.json("release", "t1")["tickets"] == [{"ticket": "t1", "was_held": True}]
    assert cli("erase", "t1", *yes, *NO_DRAIN).exit_code == Exit.OK


# ─── hold and release ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_stops_the_expiry_of_item_events_and_objects(stack: FakeStack, clock: Clock) -> None:
    [held] = hold(stack, clock)
    since = {"since": "2026-01-31T12:00:00.000000Z", "case": "C-1"}
    assert held == {"ticket": "t1", **since, "object_versions": 3, "events": 1}
    assert stack.expiring == set()
    assert stack.item("t1").expires_at == NEVER
    assert stack.event_expiry("t1") is None
    assert stack.calls[0] == "update ticket", "attempts that begin now must already see the hold"


@pytest.mark.parametrize(("seconds_ago", "sleeps"), [(20, [DRAIN_SECONDS - 20]), (3600, [])])
def test_a_hold_waits_for_a_recent_attempt_only(
    seconds_ago: float, sleeps: list[float], stack: FakeStack, clock: Clock
) -> None:
    attempted(stack, seconds_ago)

    def late() -> None:
        stack.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")
        stack.expiring |= {each for each in stack.versions("t1") if "late" in each.key}
        stack.change("t1", expires_at=expiry(RECEIVED, 30))

    clock.meanwhile = late
    hold(stack, clock)
    assert clock.sleeps == sleeps
    assert stack.expiring == set()
    assert stack.item("t1").expires_at == NEVER


def test_a_release_waits_for_an_attempt_that_began_under_the_hold(stack: FakeStack, clock: Clock) -> None:
    hold(stack, clock)
    attempted(stack, 20)
    clock.meanwhile = lambda: stack.put("tickets/t1/images/DOCUMENT/late.jpg", b"late")
    assert release_tickets(["t1"], cast("Stack", stack), drain(clock)).done == {"t1": True}
    assert clock.sleeps == [DRAIN_SECONDS - 20]
    assert stack.expiring == set(stack.versions("t1"))


@pytest.mark.parametrize("days", [30, 0])
def test_a_release_sets_every_expiry_again_and_the_items_last(days: int, stack: FakeStack, clock: Clock) -> None:
    hold(stack, clock)
    stack.parameters = {"RetentionDays": str(days)}
    release_tickets(["t1"], cast("Stack", stack), drain(clock)).check()
    assert stack.expiring == (set(stack.versions("t1")) if days else set())
    assert stack.item("t1").expires_at == stack.event_expiry("t1") == expiry(RECEIVED, days)
    assert stack.calls[-1] == "update ticket", "a release that was interrupted before still shows as held"


@pytest.mark.parametrize("days", [30, 0])
@pytest.mark.parametrize(
    ("last_error", "images"), [("ticket_not_found", False), ("ticket_not_found", True), ("x", False)]
)
def test_a_release_ends_a_ticket_that_the_vendor_does_not_know_and_that_has_no_content(
    last_error: str, images: bool, days: int, stack: FakeStack, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.commands.retention.now", lambda: NOON)
    stack.parameters = {"RetentionDays": str(days)}
    stored = [each.model_dump() for each in stack.item("t1").images] if images else None
    stack.add_incomplete_ticket("t2", last_error, retry_at=None, incomplete=None, expires_at=NEVER, images=stored)
    stack.change("t2", legal_hold=RECEIVED)
    release_tickets(["t2"], cast("Stack", stack), drain(clock)).check()
    in_a_day = last_error == "ticket_not_found" and not images
    received = str(stack.item("t2").received_at)
    assert stack.item("t2").expires_at == (expiry(iso(NOON), 1) if in_a_day else expiry(received, days))


def test_a_release_for_another_case_leaves_the_hold(stack: FakeStack, cli: CliHarness) -> None:
    stack.table.hold("t1", RECEIVED, "C-1", "me")
    cli.fails("release", "t1", "--case", "C-2", said="t1: held for C-1, not for C-2")
    assert (stack.table.is_held("t1"), stack.recorded) == (True, [])
    assert cli.json("release", "t1", "--case", "C-1")["tickets"] == [{"ticket": "t1", "was_held": True}]


@pytest.mark.parametrize("command", ["hold", "release"])
def test_every_ticket_that_fails_is_named_with_its_reason(command: str, stack: FakeStack, cli: CliHarness) -> None:
    for ticket in ("gone", "gone-too"):
        stack.change(ticket, state="erased", erased_at=RECEIVED)
    result = cli(command, "t1", "gone", "unknown", "gone-too", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == Exit.FAILED
    assert [each["ticket"] for each in found["tickets"]] == ["t1"]
    assert list(found["failed"]) == ["gone", "unknown", "gone-too"]
    assert "\ngone, gone-too: the ticket is erased" in f"\n{result.stderr}"
    assert "\nticket unknown is not in the archive" in result.stderr


def test_a_ticket_that_is_not_held_is_not_changed_by_a_release(stack: FakeStack, cli: CliHarness) -> None:
    before = stack.item("t1"), set(stack.expiring)
    assert cli.json("release", "t1")["tickets"] == [{"ticket": "t1", "was_held": False}]
    assert (stack.item("t1"), stack.expiring, stack.calls) == (*before, [])


def test_a_hold_has_case_author_and_date(stack: FakeStack, cli: CliHarness) -> None:
    [held] = cli.json("hold", "t1", "--case", "C-9")["tickets"]
    status = cli.json("status", "t1")
    assert (status["legal_hold_case"], status["legal_hold_by"]) == ("C-9", stack.caller)
    assert status["legal_hold"] == held["since"]
    assert [(each["command"], each["ticket"], each["case"]) for each in stack.recorded] == [("hold", "t1", "C-9")]


def test_a_hold_for_another_case_says_that_the_first_stays(stack: FakeStack, cli: CliHarness) -> None:
    stack.table.hold("t1", RECEIVED, "C-1", "me")
    result = cli("hold", "t1", "--case", "C-2")
    assert "C-1" in result.stdout
    assert "earlier case, which stays: t1" in result.stderr


# ─── retention ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("days", [30, 0])
def test_a_changed_retention_applies_to_existing_tickets_but_not_to_held_ones(
    days: int, stack: FakeStack, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.commands.retention.now", lambda: NOON + timedelta(days=31))
    stack.parameters = {"RetentionDays": str(days)} if days else {}
    stack.add_ticket("t2", legal_hold=RECEIVED)
    stack.change("gone", state="erased", erased_at=RECEIVED)
    stack.add_incomplete_ticket("given-up", "ticket_not_found", retry_at=None, expires_at=7)
    sums = {"days": days, "tickets": 1, "held": 1, "over": 1 if days else 0}

    assert cli.json("retention") == {"dry_run": True, **sums}
    assert f"1 tickets would {'expire 30 days' if days else 'never expire'}" in cli("retention").stdout
    assert stack.calls == []

    assert cli.json("retention", "--yes") == {"dry_run": False, **sums}
    assert (stack.item("t1").expires_at, stack.item("t2").expires_at) == (expiry(RECEIVED, days), None)
    assert stack.item("given-up").expires_at == 7
    assert stack.expiring == (set(stack.versions("t1")) if days else set())


def test_a_retention_that_ends_early_says_so(cli: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.stack.table, "scan", lambda: (_ for _ in ()).throw(PermissionError))
    assert cli.fails("retention", "--yes", said="PermissionError").stdout.startswith("Not all items were read.")


@pytest.mark.parametrize("command", ["retention", "release"])
def test_a_ticket_that_is_held_while_its_expiry_is_set_does_not_expire(
    command: str, stack: FakeStack, clock: Clock, cli: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile() -> Any:
        return hold_tickets(["t1"], cast("Stack", stack), drain(clock, 0), "C-2").check()

    if command == "release":
        hold(stack, clock)
        attempted(stack, 20)
        clock.meanwhile = meanwhile
        release_tickets(["t1"], cast("Stack", stack), drain(clock)).check()
    else:
        pages = list(stack.table.scan())
        monkeypatch.setattr(stack.table, "scan", lambda: (meanwhile(), pages)[1])
        cli.json("retention", "--yes")

    assert stack.table.is_held("t1")
    assert stack.item("t1").expires_at == NEVER
    assert stack.expiring == set()


# ─── export ───────────────────────────────────────────────────────────────────────────────────────────────────────


def names_in(output: Path) -> set[str]:
    if output.suffix == ".zip":
        return {name for name in zipfile.ZipFile(output).namelist() if not name.endswith("/")}
    return {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_an_export_has_every_ticket_with_its_history_and_an_index(
    name: str, stack: FakeStack, cli: CliHarness, tmp_path: Path
) -> None:
    stack.add_version("t1", b'{"flow_status":"REJECTED"}', "REJECTED")
    stack.add_incomplete_ticket("t2", "vendor_unavailable", customer="CANARY")
    output = tmp_path / name

    found = cli.json("export", "--customer", "CANARY", "-o", str(output))

    assert (found["tickets"], found["faults"]) == (["t1", "t2"], [])
    history = f"t1/history/{'a' * 16}"
    assert names_in(output) == {
        "index.html",
        "t1/index.html",
        "t2/index.html",
        *(f"t1/{file}" for file in ("details.json", "manifest.json", "SELF_PORTRAITS-0.jpg", "DOCUMENT-0.jpg")),
        f"{history}/manifest.json",
        f"{history}/details.json",
    }
    assert [(each["command"], each["ticket"]) for each in stack.recorded] == [("export", "t1"), ("export", "t2")]
    assert output.stat().st_mode & 0o077 == 0 or name.endswith(".zip")


@pytest.mark.parametrize("name", ["out", "out.zip", "[/out]"])
@pytest.mark.parametrize("ending", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_does_not_end_leaves_nothing_and_can_be_repeated(
    ending: BaseException, name: str, stack: FakeStack, cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.add_ticket("t2", customer="CANARY")
    command = ("export", "--customer", "CANARY", "-o", str(tmp_path / name))
    with monkeypatch.context() as broken:
        broken.setattr("ops.commands.export.index_page", lambda _: (_ for _ in ()).throw(ending))
        assert cli(*command).exit_code != Exit.OK
    assert [path for path in tmp_path.rglob("*") if path.name != "["] == []
    assert f"2 tickets are in {tmp_path / name};" in cli(*command).stdout


def test_an_export_replaces_nothing_and_needs_tickets(stack: FakeStack, cli: CliHarness, tmp_path: Path) -> None:
    assert cli("export", "--customer", "nobody", "-o", str(tmp_path / "new")).exit_code == Exit.FAILED
    assert cli("export", "--customer", "CANARY", "-o", str(tmp_path)).exit_code == Exit.FAILED
    assert stack.recorded == []


def test_a_ticket_that_is_erased_while_an_export_runs_is_not_in_it(
    stack: FakeStack, cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.add_ticket("t2", customer="CANARY")
    erase = partial(stack.table.erase, "t2", RECEIVED)
    monkeypatch.setattr("ops.commands.export.export_ticket", lambda *_: [erase()][1:])
    assert cli.json("export", "--customer", "CANARY", "-o", str(tmp_path / "new"))["tickets"] == ["t1"]


@pytest.mark.parametrize("of_an_earlier_version", [False, True])
def test_an_export_names_what_is_missing(
    of_an_earlier_version: bool, stack: FakeStack, cli: CliHarness, tmp_path: Path
) -> None:
    stack.stored[stack.item("t1").images[0].key] = []
    if of_an_earlier_version:
        stack.add_version("t1", b"{}", "REJECTED", images=[stack.item("t1").images[1].model_dump()])
    found = cli.json("export", "--customer", "CANARY", "-o", str(tmp_path / "new"), exit_code=1)
    assert found["faults"] == [{"ticket": "t1", "name": "SELF_PORTRAITS-0.jpg", "fault": "missing in the bucket"}]


# ─── audit ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_audit_shows_api_callers_and_operators_by_time(stack: FakeStack, cli: CliHarness, tmp_path: Path) -> None:
    def event(ticket: str, at: datetime, **facts: Any) -> dict[str, Any]:
        audit = {"ticket": ticket, "caller": "arn:app", "status": 200, **facts}
        line = {"timestamp": f"{at:%Y-%m-%d %H:%M:%S},000+0000", "audit": audit}  # as Powertools writes it
        return {"timestamp": int(at.timestamp() * 1000), "message": json.dumps(line)}

    function = {"LoggingConfig": {"LogGroup": "/aws/lambda/stack-retrieval"}}
    stack.clients["lambda"] = SimpleNamespace(get_function_configuration=lambda **_: function)
    later, before = NOON + timedelta(minutes=1), NOON - timedelta(minutes=1)
    events = [
        event("t1", later, route="GET /tickets/{ticket}/images", urls=2, until="2026-01-31T12:06:00Z"),
        event("t1", before, route="GET /tickets/{ticket}/details"),
        event("t10", before, route="GET /tickets/{ticket}"),
        {"timestamp": 0, "message": "START RequestId: t1"},
    ]
    asked: list[int] = []

    def paginate(**given: Any) -> list[dict[str, Any]]:
        asked.append(given["startTime"])
        return [{"events": events}]

    stack.clients["logs"] = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    cli("fetch", "t1", "-o", str(tmp_path / "t1"))

    found = cli.json("audit", "t1", "--since", "1900-01-01")

    assert asked == [0], "CloudWatch takes no negative time"
    assert [(each["source"], each["what"]) for each in found["accesses"]] == [
        ("API", "GET /tickets/{ticket}/details"),
        ("operator", "fetch"),
        ("API", "GET /tickets/{ticket}/images"),
    ]
    assert [each["at"] for each in found["accesses"]] == [iso(at) for at in (before, NOON, later)]
    assert "2 URLs until 2026-01-31T12:06:00Z" in found["accesses"][2]["result"]
    assert "tickets/t1/" in found["others"]["S3 access log"]


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[]", b"{}"])
def test_a_damaged_record_of_an_action_is_named(body: bytes, cli: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket: Any = SimpleNamespace(keys=lambda prefix: [f"{prefix}x.json"], read=lambda _: body)
    monkeypatch.setattr(cli.stack, "of_ticket", ActionLog(bucket, by="").of_ticket)
    cli.fails("audit", "t1", said="operations/t1/x.json is damaged")


def test_an_audit_without_the_apis_log_shows_the_operators_and_exits_1(
    stack: FakeStack, cli: CliHarness, tmp_path: Path
) -> None:
    missing = ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
    stack.clients["lambda"] = SimpleNamespace(get_function_configuration=lambda **_: (_ for _ in ()).throw(missing))
    assert cli("audit", "t1").stdout == "", "not that no access was recorded"
    cli("fetch", "t1", "-o", str(tmp_path / "t1"))
    result = cli.fails("audit", "t1", "--json", said="FilterLogEvents failed: ResourceNotFoundException")
    assert [each["what"] for each in json.loads(result.stdout)["accesses"]] == ["fetch"]
