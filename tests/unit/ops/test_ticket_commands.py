"""`status`, `list`, `fetch` and `view`."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.errors import Exit
from tests.unit.ops.cli_harness import DETAILS, JPEG, CliHarness, FakeStack
from ticket_archive.details import read_details, stored_form
from ticket_archive.keys import manifest_key, unrecognized_key
from ticket_archive.models import ImageType

NAMES = ["details.json", "SELF_PORTRAITS-0.jpg", "DOCUMENT-0.jpg", "manifest.json"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def add_unrecognized(stack: FakeStack, ticket: str, body: bytes) -> str:
    """Give a ticket a body that was not recognized as DOCUMENT; return its file name."""
    sha256 = hashlib.sha256(body).hexdigest()
    key = unrecognized_key(ticket, sha256)
    stack.change(ticket, unrecognized=[{"type": "DOCUMENT", "key": key, "sha256": sha256, "bytes": len(body)}])
    stack.put(key, body)
    return f"DOCUMENT-unrecognized-{sha256[:8]}.bin"


# ─── status ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_shows_states_times_and_counts_and_no_content(cli: CliHarness) -> None:
    cli.stack.add_ticket("t1", customer="CANARY")
    found = cli.json("status", "t1")
    assert (found["state"], found["outcome"], found["manifest"], found["attempts"]) == ("archived", "ACCEPTED", True, 1)
    assert found["types"] == {"SELF_PORTRAITS": "stored", "DOCUMENT": "stored", "DOCUMENT_SIGNATURE": "absent"}
    assert [image["type"] for image in found["images"]] == ["SELF_PORTRAITS", "DOCUMENT"]
    assert found["details"]["stored_in"] == "table"
    assert [event["event"] for event in found["events"]] == ["ticket.verification.completed"]
    for output in (json.dumps(found), cli("status", "t1").output):
        assert not [word for word in ("CANARY", "AMINA", "http", "tickets/") if word in output]


def test_status_says_why_an_image_type_is_missing(cli: CliHarness) -> None:
    cli.stack.add_incomplete_ticket("t1", "vendor_auth_error", missing={"DOCUMENT": "403"})
    assert cli.json("status", "t1")["missing"] == {"DOCUMENT": "403"}
    result = cli("status", "t1")
    assert "failed, 403" in result.stdout
    assert 'filter ticket = "t1"' in result.stderr


def test_status_lists_versions_newest_first(cli: CliHarness) -> None:
    cli.stack.add_ticket("t1")
    new = cli.stack.add_version("t1", b'{"flow_status":"REJECTED"}', "REJECTED")
    assert [each["version"] for each in cli.json("status", "t1")["versions"]] == [new.version, "a" * 64]


def test_status_shows_a_missing_manifest(cli: CliHarness) -> None:
    cli.stack.add_ticket("t1")
    cli.stack.stored = {}
    assert cli.json("status", "t1")["manifest"] is False
    assert "missing" in cli("status", "t1").stdout


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[]", b"{}"])
def test_a_damaged_manifest_is_named(body: bytes, cli: CliHarness) -> None:
    cli.stack.add_ticket("t1")
    cli.stack.add_version("t1", b'{"flow_status":"REJECTED"}', "REJECTED")
    key = manifest_key("t1", "a" * 64)
    cli.stack.put(key, body)
    for command in (["status", "t1"], ["view", "t1", "--no-open"]):
        cli.fails(*command, said=f"{key} is damaged")


# ─── list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_customers_tickets_are_listed_across_pages_without_the_customer(cli: CliHarness) -> None:
    for number in range(250):
        cli.stack.add_ticket(f"t{number}", customer="CANARY")
    cli.stack.add_ticket("other", customer="D")
    found = cli.json("list", "--customer", "CANARY", "--limit", "240")
    assert len(found["tickets"]) == 240
    assert found["more"] is True
    assert "CANARY" not in json.dumps(found)


def test_incomplete_tickets_are_listed_with_the_missing_parts_and_the_reason(cli: CliHarness) -> None:
    for number in range(3):
        cli.stack.add_incomplete_ticket(f"t{number}", "vendor_unavailable", missing={"DOCUMENT": "html"})
    found = cli.json("list", "--state", "incomplete", "--limit", "2")
    assert [line["ticket"] for line in found["tickets"]] == ["t0", "t1"]
    assert (found["more"], found["scanned"]) == (True, None)
    line = found["tickets"][0]
    assert (line["missing"], line["last_error"], line["attempts"]) == ({"DOCUMENT": "html"}, "vendor_unavailable", 3)
    assert "DOCUMENT:html" in cli("list", "--state", "incomplete").stdout


@pytest.mark.parametrize("width", [80, 120, 155])
def test_a_terminals_width_cuts_no_id_or_code(width: int, cli: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.context._PIPE_WIDTH", width)
    ticket = "762ebbda-0edb-4e48-86bc-11a280273601"
    cli.stack.add_incomplete_ticket(ticket, "vendor_unavailable", missing={"DOCUMENT": "html"}, customer="C")
    cli.stack.add_ticket("t2", customer="C")
    shown = cli("list", "--customer", "C").stdout
    assert {ticket, "incomplete", "ACCEPTED", "vendor_unavailable", "DOCUMENT:html", "11:59:02Z"} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= width


def test_a_row_is_a_line_where_the_output_is_no_terminal(cli: CliHarness) -> None:
    missing = dict.fromkeys(["DETAILS", *ImageType], "invalid_vendor_response")
    cli.stack.add_incomplete_ticket("t" * 128, "vendor_unavailable", missing=missing)
    [_, row] = cli("list", "--state", "incomplete").stdout.splitlines()
    assert row.split()[-1] == "vendor_unavailable"


def test_each_of_many_rows_is_a_line_on_any_terminal(cli: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.context._PIPE_WIDTH", 40)
    monkeypatch.setattr("ops.context._MANY_ROWS", 2)
    for number in range(3):
        cli.stack.add_incomplete_ticket(f"t{number}", "vendor_unavailable")
    _, *rows = cli("list", "--state", "incomplete").stdout.splitlines()
    assert [(row.split()[0], row.split()[-1]) for row in rows] == [(f"t{n}", "vendor_unavailable") for n in range(3)]


def test_archived_tickets_whose_newer_state_is_still_to_be_fetched_are_listed(cli: CliHarness) -> None:
    cli.stack.add_ticket("current")
    cli.stack.add_ticket("outdated", incomplete="refetch", retry_at="2026-02-01T", last_error="vendor_unavailable")
    [line] = cli.json("list", "--state", "outdated")["tickets"]
    assert (line["ticket"], line["state"], line["last_error"]) == ("outdated", "archived", "vendor_unavailable")
    assert cli("list", "--state", "outdated", "--day", "2026-01-31").exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("state", "attributes", "outcome"),
    [
        ("not-complete", {"complete": False}, "ACCEPTED"),
        ("held", {"legal_hold": "2026-01-01T00:00:00Z"}, "ACCEPTED"),
        ("no-outcome", {}, None),
        ("no-customer", {"customer": None}, None),
    ],
)
def test_conditions_are_found_by_a_scan(
    state: str, attributes: dict[str, Any], outcome: str | None, cli: CliHarness
) -> None:
    cli.stack.add_ticket("other", customer="C")
    cli.stack.add_incomplete_ticket("incomplete", "vendor_unavailable", complete=False, customer="C")
    cli.stack.change("gone", state="erased", erased_at="2026-01-31T12:00:00Z")
    cli.stack.add_ticket("wanted", **{"customer": "C", **attributes}, outcome=outcome)
    assert [line["ticket"] for line in cli.json("list", "--state", state)["tickets"]] == ["wanted"]


@pytest.mark.parametrize(("day", "tickets"), [("2026-01-31", ["archived", "waiting"]), ("2026-02-01", ["archived"])])
def test_a_day_is_that_of_receipt_or_archiving(day: str, tickets: list[str], cli: CliHarness) -> None:
    cli.stack.add_ticket("archived", archived_at="2026-02-01T00:00:01.000000Z")
    cli.stack.add_incomplete_ticket("waiting", "vendor_unavailable", archived_at="2026-02-01T00:00:01.000000Z")
    assert [line["ticket"] for line in cli.json("list", "--day", day)["tickets"]] == tickets


def test_a_scan_is_bounded_and_says_so(cli: CliHarness) -> None:
    for number in range(10):
        cli.stack.add_ticket(f"t{number}")
    result = cli("list", "--day", "2026-01-31", "--scan-limit", "4", "--json")
    found = json.loads(result.stdout)
    assert (found["scanned"], len(found["tickets"]), found["more"]) == (4, 4, True)
    assert "4 items were read" in result.stderr


# ─── fetch ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fetch_writes_what_was_archived_for_this_user_alone(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    folder = tmp_path / "t1"
    found = cli.json("fetch", "t1", "-o", str(folder))
    assert [file["name"] for file in found["files"]] == NAMES
    assert (folder / "DOCUMENT-0.jpg").read_bytes() == JPEG + b"DOCUMENT"
    assert read_details((folder / "details.json").read_bytes()).value == read_details(DETAILS).value
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("command", ["fetch", "view"])
def test_reading_is_recorded_before_anything_is_read(command: str, cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    cli.stack.stored = {}
    options = ["-o", str(tmp_path / "out"), *(["--no-open"] if command == "view" else [])]
    cli(command, "t1", *options)
    [record] = cli.stack.recorded
    assert (record["command"], record["ticket"], record["by"]) == (command, "t1", cli.stack.caller)


def test_nothing_is_read_if_the_access_cannot_be_recorded(
    cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.stack.add_ticket("t1")
    monkeypatch.setattr(FakeStack, "write", lambda *_, **__: (_ for _ in ()).throw(PermissionError))
    assert cli("fetch", "t1", "-o", str(tmp_path / "t1")).exit_code != Exit.OK
    assert list((tmp_path / "t1").iterdir()) == []


def image_key_of(stack: FakeStack) -> str:
    return stack.item("t1").images[1].key


@pytest.mark.parametrize(
    ("damage", "name", "fault"),
    [
        (lambda stack: stack.put(image_key_of(stack), b"another image"), "DOCUMENT-0.jpg", "differs from what was"),
        (lambda stack: stack.stored.pop(image_key_of(stack)), "DOCUMENT-0.jpg", "missing in the bucket"),
        (
            lambda stack: stack.change("t1", details={"flow_status": "REJECTED"}),
            "details.json",
            "differs from what was",
        ),
        (lambda stack: stack.change("t1", details=None, details_key="x"), "details.json", "missing in the bucket"),
        (lambda stack: stack.change("t1", details=None, details_packed=b"no gzip"), "details.json", "unreadable"),
        (lambda stack: stack.change("t1", images=[]), "manifest.json", "describes another state than the table"),
        (lambda stack: stack.put(manifest_key("t1", "a" * 64), b"[]"), "manifest.json", "is no manifest"),
    ],
)
def test_a_damaged_file_is_reported_and_not_written(
    damage: Any, name: str, fault: str, cli: CliHarness, tmp_path: Path
) -> None:
    cli.stack.add_ticket("t1")
    damage(cli.stack)
    found = cli.json("fetch", "t1", "-o", str(tmp_path), exit_code=1)
    [reported] = found["faults"]
    assert reported["name"] == name
    assert fault in reported["fault"]
    assert not (tmp_path / name).exists()
    assert len(list(tmp_path.iterdir())) == len(found["files"]) > 0


def test_access_denied_does_not_mean_missing(cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.stack.add_ticket("t1")
    denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
    monkeypatch.setattr(FakeStack, "read", lambda *_: (_ for _ in ()).throw(denied))
    assert cli("fetch", "t1", "-o", str(tmp_path)).exit_code == Exit.UNREACHABLE


@pytest.mark.parametrize("raw", [b'{"n":-0}', b'{"n":1,"n":2}', b'{"n":' + b"7" * 60 + b"}"])
def test_details_that_no_map_can_hold_come_back_byte_by_byte(raw: bytes, cli: CliHarness, tmp_path: Path) -> None:
    details = read_details(raw)
    stored = {"details": None, "version": None, "details_sha256": details.sha256, **stored_form("t1", details)[0]}
    cli.stack.add_ticket("t1")
    cli.stack.change("t1", **stored)
    cli.json("fetch", "t1", "-o", str(tmp_path))
    assert (tmp_path / "details.json").read_bytes() == raw


def test_unrecognized_bodies_are_downloaded(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    name = add_unrecognized(cli.stack, "t1", b"<html>")
    cli.json("fetch", "t1", "-o", str(tmp_path))
    assert (tmp_path / name).read_bytes() == b"<html>"


def test_an_older_version_is_fetched_by_its_abbreviation(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    cli.stack.add_version("t1", b'{"flow_status":"REJECTED"}', "REJECTED")
    found = cli.json("fetch", "t1", "-o", str(tmp_path), "--version", "aaaa")
    assert (found["version"], found["faults"]) == ("a" * 64, [])
    assert json.loads((tmp_path / "details.json").read_bytes())["flow_status"] == "ACCEPTED"


@pytest.mark.parametrize(("version", "which"), [("ffff", "no version"), ("a", "more than one version")])
def test_a_version_that_is_not_exactly_one_exits_1(version: str, which: str, cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    current = cli.stack.add_version("t1", b'{"n":6}', "REJECTED")
    assert str(current.version).startswith("a")
    cli.fails(
        "fetch", "t1", "-o", str(tmp_path / "new"), "--version", version, said=f"{which} of t1 begins with {version}"
    )


def test_existing_files_stop_a_fetch_unless_forced(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    others = ("DOCUMENT-7.png", "DETAILS-unrecognized-0123abcd.bin")  # of another version
    own = ("notes.txt", "DOCUMENT-scan.pdf", "details-json")
    for name in ("manifest.json", *own, *others):
        (tmp_path / name).write_text("mine")
    assert cli("fetch", "t1", "-o", str(tmp_path)).exit_code == Exit.FAILED
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}
    assert cli("fetch", "t1", "-o", str(tmp_path), "--force").exit_code == Exit.OK
    assert (tmp_path / "manifest.json").read_text() != "mine"
    assert {(tmp_path / name).read_text() for name in own} == {"mine"}
    assert not any((tmp_path / name).exists() for name in others)


def test_a_symbolic_link_is_replaced_and_not_followed(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    (tmp_path / "target").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "details.json").symlink_to(tmp_path / "target")
    cli("fetch", "t1", "-o", str(tmp_path / "out"), "--force")
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "out" / "details.json").is_symlink()


def test_an_erased_ticket_cannot_be_fetched(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.table.erase("t1", "2026-01-31T12:00:00Z")
    cli.fails("fetch", "t1", "-o", str(tmp_path / "a"), said="erased")
    assert not (tmp_path / "a").exists()


# ─── view ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_is_kept_with_output_and_not_replaced(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    page = tmp_path / "new" / "p.html"
    first, again = (cli("view", "t1", "-o", str(page), "--no-open") for _ in range(2))
    assert (first.exit_code, first.stderr) == (Exit.OK, ""), "no progress where there is no terminal"
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert again.exit_code == Exit.FAILED
    assert "--force" in again.stderr


def test_the_browser_opens_the_files_url(cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.stack.add_ticket("t1")
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    cli("view", "t1", "-o", str(tmp_path / "a b.html"))
    assert asked == [(tmp_path / "a b.html").as_uri()]


def test_a_page_without_output_is_removed(cli: CliHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.stack.add_ticket("t1")
    seen: list[bool] = []
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("ops.commands.view.time.sleep", lambda _: seen.append(any(tmp_path.rglob("*.html"))))
    assert cli("view", "t1", "--no-open", "--keep-seconds", "1").exit_code == Exit.OK
    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_page_has_versions_and_unrecognized_bodies_as_downloads(cli: CliHarness, tmp_path: Path) -> None:
    cli.stack.add_ticket("t1")
    name = add_unrecognized(cli.stack, "t1", b"<script>alert(1)</script>")
    cli.stack.add_version("t1", b'{"flow_status":"REJECTED"}', "REJECTED")
    cli("view", "t1", "-o", str(tmp_path / "p.html"), "--no-open")
    html = (tmp_path / "p.html").read_text()
    assert f'download="{name}"' in html
    assert "alert(1)" not in html
    assert html.count("aaaaaaaaaaaa") == 1
