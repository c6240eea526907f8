"""The same request means the same, whoever encoded or decoded its path on the way."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.paths import decoded, route_path
from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import CUSTOMER, TICKET, World, request
from ticket_archive.errors import InvalidRequest

TICKETS = "/customers/{customer}/tickets"
ODD = ["a b", "a/b", "a%b", "ä", "客户", "😀", 'a"b', "a+b", "a?b#c", "a\\b", "{customer}", "..", "a;b=c,d", "e\u0301"]
CODES = st.text(min_size=1, max_size=20).filter(lambda code: code.isprintable() and code.strip() == code)


def as_decoded(event: dict[str, Any], **values: str) -> dict[str, Any]:
    """The event as SAM local and the emulator hand it on."""
    path = event["resource"]
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return {**event, "path": path, "pathParameters": values}


@pytest.mark.parametrize("code", ODD)
def test_a_customer_is_found_whatever_its_code_is_made_of(call: Call, world: World, code: str) -> None:
    answer = call(TICKETS, {"customer": code})

    assert (answer.status, answer.json["customer"]) == (200, code)
    assert world.tickets.asked == (code, 20, None)


@pytest.mark.parametrize("code", ODD)
def test_a_customer_is_found_where_the_path_came_decoded(handle: Any, world: World, code: str) -> None:
    answer = handle(as_decoded(request(TICKETS, {"customer": "x"}), customer=code))

    assert (answer.status, world.tickets.asked) == (200, (code, 20, None))


@given(CODES)
def test_a_code_survives_its_encoding(code: str) -> None:
    event = request(TICKETS, {"customer": code})

    assert decoded(route_path(event).split("/")[2], "customer") == code


@given(CODES.filter(lambda code: not re.search(r"%[0-9A-Fa-f]{2}", code)))
def test_a_code_survives_its_decoding_by_others(code: str) -> None:
    event = as_decoded(request(TICKETS, {"customer": "x"}), customer=code)

    assert decoded(route_path(event).split("/")[2], "customer") == code


@given(st.text())
def test_a_route_has_only_characters_that_paths_have(value: str) -> None:
    event = as_decoded(request(TICKETS, {"customer": "x"}), customer=value)

    assert re.fullmatch(r"/customers/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*/tickets", route_path(event))


def test_what_is_not_utf8_is_refused(handle: Any) -> None:
    event = request(TICKETS, {"customer": "x"})
    answer = handle({**event, "path": "/customers/%FF/tickets", "pathParameters": {"customer": "%FF"}})

    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    with pytest.raises(InvalidRequest, match="customer"):
        decoded("%FF", "customer")


def test_a_custom_domains_base_path_is_not_part_of_the_route(handle: Any) -> None:
    event = request("/tickets/{ticket}", {"ticket": TICKET})

    assert handle({**event, "path": f"/archive{event['path']}"}).status == 200


def test_a_request_without_resource_is_routed_by_its_path(handle: Any) -> None:
    event = request(TICKETS, {"customer": CUSTOMER})

    assert handle({**event, "resource": None, "pathParameters": None}).status == 200
