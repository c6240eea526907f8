"""The operators' command line as a process of its own, on the local stack."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

FIRST = 4200  # of the simulator's tickets: those of these tests


def test_a_ticket_from_backfill_to_erasure(stack: LocalStack, tmp_path: Path) -> None:
    ticket = stack.ticket(FIRST)
    expected = stack.vendor("expected", ticket=ticket)

    # WHEN its webhook never came, and it is asked for
    assert stack.ops("backfill", "--file", "-", stdin=f"# lost\n{ticket}\n{ticket}\n")["sent"] == 1
    eventually(lambda: stack.keys(ticket, "manifests/") or None, "its manifest")
    found = stack.ops("status", ticket)
    assert (found["state"], found["manifest"]) == ("archived", True)

    # THEN status, list and API agree, and every picture comes as the vendor has it
    assert stack.api.get(f"/tickets/{ticket}").json()["outcome"] == found["outcome"]
    listed = stack.ops("list", "--state", "archived", "--limit", "10000")["tickets"]
    assert ticket in {line["ticket"] for line in listed}
    stack.ops("fetch", ticket, "-o", str(tmp_path / "t"))
    pictures = [path for path in (tmp_path / "t").iterdir() if path.suffix != ".json"]
    assert sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures) == sorted(
        picture["sha256"] for pictures in expected["images"].values() for picture in pictures
    )
    assert stack.ops("view", ticket, "--no-open", "-o", str(tmp_path / "page.html"))["faults"] == []

    # AND an audit shows who was given URLs, and who fetched
    stack.api.get(f"/tickets/{ticket}/images")
    accesses = stack.ops("audit", ticket)["accesses"]
    assert {(each["source"], each["what"]) for each in accesses} >= {
        ("API", "GET /tickets/{ticket}/images"),
        ("operator", "fetch"),
        ("operator", "view"),
    }

    # WHEN it is erased, which a hold refuses first
    stack.ops("hold", ticket, "--case", "CASE-1", "--drain-seconds", "0")
    refused = stack.ops_result("erase", ticket, "--yes")
    assert (refused.exit_code, "legal hold" in refused.stderr) == (1, True)
    stack.ops("release", ticket, "--drain-seconds", "0")
    planned = stack.ops("erase", ticket)
    receipt = stack.ops("erase", ticket, "--yes", "--drain-seconds", "2")

    # THEN the receipt says so (what is left, and what comes late: test_erasure.py), a second time too
    assert receipt["object_versions"] == planned["object_versions"] == len(pictures) + 1
    assert receipt["refused"] == 0
    assert stack.api.get(f"/tickets/{ticket}").status_code == 410
    again = stack.ops("erase", ticket, "--yes", "--drain-seconds", "2")
    assert again["receipts"] == receipt["receipts"]
    # AND everything that operators did is on record, the erasure's receipt too
    done = [each["what"] for each in stack.ops("audit", ticket)["accesses"] if each["source"] == "operator"]
    assert done == ["fetch", "view", "hold", "release", "erase"]
    assert stack.ops_result("fetch", ticket, "-o", str(tmp_path / "again")).exit_code == 1


def test_a_test_webhook_without_a_ticket_archives_nothing(stack: LocalStack) -> None:
    found = stack.ops("send-test-webhook")

    assert (found["status"], found["event"]) == (202, "in-progress")
    eventually(lambda: stack.processed(found["ticket"], "in_progress") or None, "the message worked on")
    assert stack.ops_result("status", found["ticket"]).exit_code == 1


def test_doctor_checks_an_installation_with_a_ticket(stack: LocalStack) -> None:
    ticket = stack.archive(FIRST + 4)

    done = stack.ops_result("--json", "doctor", "--ticket", ticket)
    failed = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"] if not check["ok"]}
    # Other tests leave dead letters, junk and alarms; the local stack has no topic.
    assert failed.keys() <= {"dead letters", "quarantine", "alarms", "alarm topic"}, failed
