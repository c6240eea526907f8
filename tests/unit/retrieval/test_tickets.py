"""GET /tickets/{ticket}, and what every route says of a ticket's state."""

import pytest
import time_machine

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, World, incomplete, item, sha256_of
from ticket_archive.models import ImageType

ONE = "/tickets/{ticket}"
DETAILS = "/tickets/{ticket}/details"
IMAGES = "/tickets/{ticket}/images"
IMAGE = "/tickets/{ticket}/images/{sha256}"
ROUTES = [ONE, DETAILS, IMAGES, IMAGE]
PATH = {"ticket": TICKET, "sha256": sha256_of(ImageType.DOCUMENT)}


def path_of(route: str) -> dict[str, str]:
    return {name: value for name, value in PATH.items() if f"{{{name}}}" in route}


def test_an_archived_ticket_is_told_without_its_details_and_keys(call: Call) -> None:
    answer = call(ONE, {"ticket": TICKET})

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {
        "ticket": TICKET,
        "state": "archived",
        "outcome": "ACCEPTED",
        "disposition": "PASSED",
        "confidence_score": 98.7,
        "risk_code": "R-1",
        "version": "a" * 64,
        "received_at": "2026-01-15T09:30:00.000000Z",
        "fetched_at": "2026-01-15T09:30:01.000000Z",
        "archived_at": "2026-01-15T09:30:02.000000Z",
        "images": [
            {
                "type": kind,
                "index": index,
                "sha256": sha256_of(ImageType(kind), index),
                "bytes": 1234,
                "content_type": "image/jpeg",
            }
            for kind, index in [("SELF_PORTRAITS", 0), ("SELF_PORTRAITS", 1), ("DOCUMENT", 0), ("DOCUMENT_PORTRAIT", 0)]
        ],
        "types": {
            "SELF_PORTRAITS": "stored",
            "DOCUMENT": "stored",
            "DOCUMENT_PORTRAIT": "stored",
            "DOCUMENT_SIGNATURE": "absent",
        },
    }
    assert "tickets/" not in answer.text


def test_what_the_vendor_did_not_say_is_null(call: Call, world: World) -> None:
    world.tickets.add(item(outcome=None, disposition=None, confidence_score=None, risk_code=None))

    answer = call(ONE, {"ticket": TICKET})

    assert [answer.json[name] for name in ("outcome", "disposition", "confidence_score", "risk_code")] == [None] * 4


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("state", ["received", "incomplete"])
def test_a_ticket_that_is_not_archived_yet_is_202_with_the_time_to_ask_again(
    call: Call, world: World, route: str, state: str
) -> None:
    world.tickets.add(incomplete(state=state, retry_at=None))

    answer = call(route, path_of(route))

    assert (answer.status, answer.headers["Retry-After"]) == (202, "5")
    assert answer.json == {
        "ticket": TICKET,
        "state": state,
        "received_at": "2026-01-15T09:30:00.000000Z",
        "types": {"SELF_PORTRAITS": "stored", "DOCUMENT": "failed"},
    }


@pytest.mark.parametrize(
    ("present", "seconds"),
    [
        ("2026-01-15T09:30:20Z", "41"),  # the next attempt begins in 40 seconds
        ("2026-01-15T09:30:59Z", "5"),
        ("2026-01-15T11:00:00Z", "5"),  # overdue
        ("2026-01-15T06:00:00Z", "900"),  # hours to go: something else may come before
    ],
)
def test_an_incomplete_ticket_is_asked_for_again_after_its_next_attempt(
    call: Call, world: World, present: str, seconds: str
) -> None:
    world.tickets.add(incomplete())

    with time_machine.travel(present, tick=False):
        answer = call(ONE, {"ticket": TICKET})

    assert answer.headers["Retry-After"] == seconds


@pytest.mark.parametrize("route", ROUTES)
def test_an_unknown_ticket_is_404(call: Call, route: str) -> None:
    answer = call(route, {**path_of(route), "ticket": "unknown"})

    assert (answer.status, answer.json["code"]) == (404, "unknown_ticket")


@pytest.mark.parametrize("route", ROUTES)
def test_an_erased_ticket_is_410(call: Call, world: World, route: str) -> None:
    world.tickets.add(item(state="erased"))

    answer = call(route, path_of(route))

    assert (answer.status, answer.json["code"]) == (410, "ticket_erased")


@pytest.mark.parametrize("route", ROUTES)
def test_a_ticket_whose_time_is_over_is_gone_before_the_table_deletes_it(call: Call, world: World, route: str) -> None:
    world.tickets.add(item(expires_at=1_768_469_400))

    with time_machine.travel(1_768_469_399, tick=False):
        assert call(route, path_of(route)).status in (200, 307)
    with time_machine.travel(1_768_469_400, tick=False):
        assert call(route, path_of(route)).status == 404


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("ticket", ["-a", "a/b", "../a", "a" * 129, "a b", "ä", "a\r\nb", "a%00"])
def test_a_malformed_ticket_is_400_and_the_table_is_not_asked(
    call: Call, world: World, route: str, ticket: str
) -> None:
    answer = call(route, {**path_of(route), "ticket": ticket})

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert "1 to 128" in answer.json["detail"]
    assert world.tickets.reads == 0


@pytest.mark.parametrize("route", ROUTES)
def test_a_request_reads_the_table_once(call: Call, world: World, route: str) -> None:
    call(route, path_of(route))

    assert world.tickets.reads == 1
