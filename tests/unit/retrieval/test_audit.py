"""One record per answer: who, what, until when, by ids; never a URL, never a customer's code or data."""

import json
from typing import Any

import pytest
import time_machine

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import (
    CALLER,
    CUSTOMER,
    EXTENDED_REQUEST_ID,
    REQUEST_ID,
    TICKET,
    World,
    incomplete,
    item,
    sha256_of,
)
from ticket_archive.models import ImageType

IMAGES = "/tickets/{ticket}/images"
IDS = {"request_id": REQUEST_ID, "extended_request_id": EXTENDED_REQUEST_ID}
WHO = {"caller": CALLER, "account": "123456789012", **IDS}


@time_machine.travel("2026-01-15T10:00:00Z", tick=False)
def test_every_url_issued_is_recorded_with_its_image_and_its_end(call: Call) -> None:
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


def test_a_redirect_to_an_image_is_recorded_as_a_url(call: Call) -> None:
    answer = call(f"{IMAGES}/{{sha256}}", {"ticket": TICKET, "sha256": sha256_of(ImageType.DOCUMENT)})

    assert (answer.audit["status"], answer.audit["urls"]) == (307, 1)
    assert answer.audit["sha256"] == [sha256_of(ImageType.DOCUMENT)]


def test_a_list_is_recorded_by_its_length_and_not_by_the_customer(call: Call) -> None:
    answer = call("/customers/{customer}/tickets", {"customer": CUSTOMER})

    assert answer.audit == {**WHO, "route": "GET /customers/{customer}/tickets", "status": 200, "tickets": 1}
    assert answer.metrics == {"CustomersListed": 1}


@pytest.mark.parametrize(("state", "status"), [("incomplete", 202), ("erased", 410)])
def test_an_answer_without_the_ticket_is_recorded_too(call: Call, world: World, state: str, status: int) -> None:
    world.tickets.add(item(state=state))

    assert call(IMAGES, {"ticket": TICKET}).audit == {
        **WHO,
        "route": f"GET {IMAGES}",
        "status": status,
        "ticket": TICKET,
    }


def test_a_malformed_ticket_is_not_in_the_record(call: Call) -> None:
    assert "ticket" not in call("/tickets/{ticket}", {"ticket": "-x"}).audit


def test_what_one_request_noted_is_not_in_the_next_ones_record(call: Call) -> None:
    call(IMAGES, {"ticket": TICKET})

    assert "urls" not in call("/tickets/{ticket}", {"ticket": "unknown"}).audit


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("/tickets/{ticket}", {"ticket": TICKET}),
        ("/tickets/{ticket}/details", {"ticket": TICKET}),
        (IMAGES, {"ticket": TICKET}),
        (f"{IMAGES}/{{sha256}}", {"ticket": TICKET, "sha256": sha256_of(ImageType.DOCUMENT)}),
        ("/customers/{customer}/tickets", {"customer": CUSTOMER}),
    ],
)
@pytest.mark.parametrize("broken", [False, True])
def test_logs_hold_no_url_no_signature_no_customer_and_no_data(
    call: Call, world: World, resource: str, path: dict[str, str], broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    world.tickets.broken = ValueError("Jón Þór") if broken else None

    log = json.dumps(call(resource, path).log, ensure_ascii=False)

    for secret in ("X-Amz", "https://", "canary-signature", "Jón", CUSTOMER, "AKIA"):
        assert secret not in log


def test_a_quiet_log_level_does_not_silence_the_audit(call: Call) -> None:
    from retrieval import audit

    logger: Any = audit._logger
    assert logger.log_level <= 20


def test_a_pending_ticket_is_counted(call: Call, world: World) -> None:
    world.tickets.add(incomplete())

    assert call(IMAGES, {"ticket": TICKET}).metrics == {"TicketsPending": 1}
