"""GET /tickets/{ticket}, and the states that every route of a ticket responds to."""

import pytest
import time_machine

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, TYPES, World, image, incomplete, item, path_of
from ticket_archive.models import ImageType

ONE = "/tickets/{ticket}"
DETAILS = "/tickets/{ticket}/details"
IMAGES = "/tickets/{ticket}/images"
IMAGE = "/tickets/{ticket}/images/{sha256}"
ROUTES = [ONE, DETAILS, IMAGES, IMAGE]


def test_an_archived_ticket_has_outcome_times_and_images_but_no_details_and_no_keys(call: Call) -> None:
    answer = call(ONE, {"ticket": TICKET})

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == {
        "ticket": TICKET,
        "state": "archived",
        "complete": True,
        "outcome": "ACCEPTED",
        "disposition": "PASSED",
        "confidence_score": 98.7,
        "risk_code": "R-1",
        "version": "a" * 64,
        "received_at": "2026-01-15T09:30:00.000000Z",
        "fetched_at": "2026-01-15T09:30:01.000000Z",
        "archived_at": "2026-01-15T09:30:02.000000Z",
        "images": [
            {name: value for name, value in image(ImageType(kind), index).items() if name != "key"}
            for kind, index in [("SELF_PORTRAITS", 0), ("SELF_PORTRAITS", 1), ("DOCUMENT", 0), ("DOCUMENT_PORTRAIT", 0)]
        ],
        "types": TYPES,
        "absent": ["DOCUMENT_SIGNATURE"],
        "unrecognized": [],
        "missing": {},
    }


def test_facts_that_the_vendor_did_not_give_are_null(call: Call, world: World) -> None:
    world.tickets.add(item(outcome=None, disposition=None, confidence_score=None, risk_code=None))
    answer = call(ONE, {"ticket": TICKET})
    assert [answer.json[name] for name in ("outcome", "disposition", "confidence_score", "risk_code")] == [None] * 4


def test_an_archived_ticket_says_why_parts_are_missing_as_its_manifest_names_them(call: Call, world: World) -> None:
    """What is kept as unrecognized is not missing, though the item has a reason for it."""
    types = {"SELF_PORTRAITS": "stored", "DOCUMENT": "failed", "DOCUMENT_PORTRAIT": "unrecognized"}
    reasons = {"DETAILS": "too_large", "DOCUMENT": "503", "DOCUMENT_PORTRAIT": "html"}
    kept = {**UNRECOGNIZED, "type": "DOCUMENT_PORTRAIT"}
    ticket = item(complete=False, types=types, missing=reasons, unrecognized=[kept], details=None, details_sha256=None)
    world.tickets.add(ticket)
    assert call(ONE, {"ticket": TICKET}).json["missing"] == {"DETAILS": "too_large", "DOCUMENT": "503"}
    assert ticket.unanswered == ["DETAILS", "DOCUMENT"]


UNRECOGNIZED = {"type": "DOCUMENT", "key": f"tickets/{TICKET}/unrecognized/x", "sha256": "e" * 64, "bytes": 7}


def test_an_unrecognized_file_is_listed_without_its_key_and_never_served(call: Call, world: World) -> None:
    world.tickets.add(item(complete=False, unrecognized=[UNRECOGNIZED]))
    answer = call(ONE, {"ticket": TICKET})
    assert answer.json["complete"] is False
    assert answer.json["unrecognized"] == [{"type": "DOCUMENT", "sha256": "e" * 64, "bytes": 7}]
    assert call(IMAGE, {"ticket": TICKET, "sha256": "e" * 64}).json["code"] == "unknown_image"
    assert "e" * 64 not in call(IMAGES, {"ticket": TICKET}).text


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("state", ["received", "incomplete"])
def test_a_ticket_that_is_not_archived_is_202_with_reasons_and_retry_after(
    call: Call, world: World, route: str, state: str
) -> None:
    world.tickets.add(incomplete(state=state, retry_at=None, missing={"DOCUMENT": "empty", "DETAILS": "503"}))
    answer = call(route, path_of(route))
    assert (answer.status, answer.headers["Retry-After"]) == (202, "5")
    assert answer.json == {
        "ticket": TICKET,
        "state": state,
        "received_at": "2026-01-15T09:30:00.000000Z",
        "types": {"SELF_PORTRAITS": "stored", "DOCUMENT": "failed"},
        "missing": {"DOCUMENT": "empty", "DETAILS": "503"},
    }
    assert answer.metrics == {"TicketsPending": 1}


@pytest.mark.parametrize(
    ("present", "seconds"),
    [
        ("2026-01-15T09:30:40Z", "21"),  # the schedule takes the ticket in 20 seconds
        ("2026-01-15T09:30:59Z", "5"),
        ("2026-01-15T11:00:00Z", "5"),  # overdue
        ("2026-01-15T06:00:00Z", "30"),  # in hours; the queue or a webhook comes before
    ],
)
def test_retry_after_is_from_5_to_30_seconds(call: Call, world: World, present: str, seconds: str) -> None:
    world.tickets.add(incomplete())
    with time_machine.travel(present, tick=False):
        assert call(ONE, {"ticket": TICKET}).headers["Retry-After"] == seconds


@pytest.mark.parametrize("route", ROUTES)
def test_an_unknown_ticket_is_404_and_an_erased_one_410(call: Call, world: World, route: str) -> None:
    answer = call(route, {**path_of(route), "ticket": "unknown"})
    assert (answer.status, answer.json["code"]) == (404, "unknown_ticket")
    world.tickets.add(item(state="erased"))
    answer = call(route, path_of(route))
    assert (answer.status, answer.json["code"]) == (410, "ticket_erased")


@pytest.mark.parametrize("route", ROUTES)
def test_an_expired_ticket_is_404_before_dynamodb_deletes_it(call: Call, world: World, route: str) -> None:
    world.tickets.add(item(expires_at=1_768_469_400))
    with time_machine.travel(1_768_469_399, tick=False):
        assert call(route, path_of(route)).status == 200
        assert world.tickets.reads == 1, "a request reads the table once"
    with time_machine.travel(1_768_469_400, tick=False):
        assert call(route, path_of(route)).status == 404


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("ticket", ["-a", "a/b", "../a", "a" * 129, "a b", "ä", "a\r\nb", "a\n", "a%00"])
def test_a_malformed_ticket_is_400_and_reads_nothing(call: Call, world: World, route: str, ticket: str) -> None:
    answer = call(route, {**path_of(route), "ticket": ticket})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["detail"].startswith("ticket: ")
    assert world.tickets.reads == 0
