"""One audit record per response: caller, resource and expiry, by ids only."""

import json

import pytest
import time_machine

from tests.support.interpreter import run
from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import (
    CALLER,
    CUSTOMER,
    EXTENDED_REQUEST_ID,
    REQUEST_ID,
    TICKET,
    World,
    item,
    path_of,
    sha256_of,
)
from ticket_archive.models import ImageType

IMAGES = "/tickets/{ticket}/images"
IDS = {"request_id": REQUEST_ID, "extended_request_id": EXTENDED_REQUEST_ID}
WHO = {"caller": CALLER, "account": "123456789012", **IDS}


@time_machine.travel("2026-01-15T10:00:00Z", tick=False)
def test_urls_are_recorded_with_their_images_and_expiry(call: Call) -> None:
    answer = call(IMAGES, {"ticket": TICKET}, {"type": "SELF_PORTRAITS"})
    assert answer.audit == {
        **WHO,
        "route": f"GET {IMAGES}",
        "status": 200,
        "ticket": TICKET,
        "types": ["SELF_PORTRAITS"],
        "sha256": [sha256_of(ImageType.SELF_PORTRAITS), sha256_of(ImageType.SELF_PORTRAITS, 1)],
        "urls": 2,
        "until": "2026-01-15T10:05:00Z",
    }
    assert answer.metrics == {"TicketsRead": 1, "UrlsIssued": 2}


def test_one_image_is_recorded_as_one_url(call: Call) -> None:
    answer = call(f"{IMAGES}/{{sha256}}", {"ticket": TICKET, "sha256": sha256_of(ImageType.DOCUMENT)})
    assert (answer.audit["status"], answer.audit["urls"]) == (200, 1)
    assert answer.audit["sha256"] == [sha256_of(ImageType.DOCUMENT)]
    assert answer.audit["until"] == answer.json["expires_at"]


def test_a_customers_list_is_recorded_by_its_length_only(call: Call) -> None:
    answer = call("/customers/{customer}/tickets", {"customer": CUSTOMER})
    assert answer.audit == {**WHO, "route": "GET /customers/{customer}/tickets", "status": 200, "tickets": 1}
    assert answer.metrics == {"CustomersListed": 1}


@pytest.mark.parametrize(("state", "status"), [("incomplete", 202), ("erased", 410)])
def test_a_response_without_content_is_recorded(call: Call, world: World, state: str, status: int) -> None:
    world.tickets.add(item(state=state))
    record = call(IMAGES, {"ticket": TICKET}).audit
    assert record == {**WHO, "route": f"GET {IMAGES}", "status": status, "ticket": TICKET}


def test_a_record_holds_neither_an_invalid_ticket_nor_anything_of_an_earlier_request(call: Call) -> None:
    call(IMAGES, {"ticket": TICKET})
    assert not {"ticket", "urls"} & call("/tickets/{ticket}", {"ticket": "-x"}).audit.keys()


def test_a_failure_is_logged_without_the_ticket_of_an_earlier_request(call: Call, world: World) -> None:
    call(IMAGES, {"ticket": TICKET})
    world.tickets.broken = ValueError()
    log = call("/customers/{customer}/tickets", {"customer": CUSTOMER}).log
    assert [line.get("ticket") for line in log if line["message"] == "request failed"] == [None]


@pytest.mark.parametrize(
    "resource",
    ["/tickets/{ticket}", "/tickets/{ticket}/details", IMAGES, f"{IMAGES}/{{sha256}}", "/customers/{customer}/tickets"],
)
@pytest.mark.parametrize("broken", [False, True])
def test_logs_hold_no_url_signature_customer_or_personal_data(
    call: Call, world: World, resource: str, broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    world.tickets.broken = ValueError("Jón Þór") if broken else None
    log = json.dumps(call(resource, path_of(resource)).log, ensure_ascii=False)
    for secret in ("X-Amz", "https://", "canary-signature", "Jón", CUSTOMER, "AKIA"):
        assert secret not in log


def test_the_log_level_does_not_silence_the_audit() -> None:
    program = "from retrieval import audit; audit.write({'requestContext': {}}, 200)"
    assert "request audited" in run(program, POWERTOOLS_LOG_LEVEL="CRITICAL").stdout
