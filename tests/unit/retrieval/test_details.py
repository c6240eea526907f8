"""GET /tickets/{ticket}/details."""

import gzip
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, World, item
from ticket_archive.details import RESPONSE_LIMIT, read_details, stored_form

DETAILS = "/tickets/{ticket}/details"
KEY = f"tickets/{TICKET}/details/{'d' * 64}.json.gz"
RAW = '{"b": 1e400, "a": 0.12345678901234567890123456789012345678901234567890, "name": "Jón"}'.encode()


def test_details_stored_as_a_map_are_the_same_json(call: Call, world: World) -> None:
    sent = b'{"z": 98.70, "a": {"n": 12345678901234567890123456789012345678, "t": "\\u00e9\\n"}, "l": [true, null]}'
    world.tickets.add(item(**stored_form(TICKET, read_details(sent))[0]))
    answer = call(DETAILS, {"ticket": TICKET})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.audit["details_sha256"] == "d" * 64
    assert json.loads(answer.text, parse_float=Decimal) == json.loads(sent, parse_float=Decimal)


def test_only_this_route_reads_details(call: Call, world: World) -> None:
    for path, reads in (("/tickets/{ticket}", 0), ("/tickets/{ticket}/images", 0), (DETAILS, 1)):
        assert call(path, {"ticket": TICKET}).status == 200
        assert world.tickets.details_read == reads, path


@pytest.mark.parametrize(
    "place", [{"details_packed": gzip.compress(RAW, mtime=0)}, {"details_key": KEY}], ids=["item", "bucket"]
)
def test_compressed_details_are_the_same_bytes(call: Call, world: World, place: dict[str, Any]) -> None:
    world.bucket[KEY] = gzip.compress(RAW)
    world.tickets.add(item(details=None, details_bytes=len(RAW), **place))
    assert call(DETAILS, {"ticket": TICKET}).text.encode() == RAW


def test_details_at_the_limit_are_served_and_above_it_a_signed_url(call: Call, world: World) -> None:
    world.bucket[KEY] = gzip.compress(RAW)
    world.tickets.add(item(details=None, details_key=KEY, details_bytes=RESPONSE_LIMIT))
    assert call(DETAILS, {"ticket": TICKET}).headers["Content-Type"] == "application/json"
    world.tickets.add(item(details=None, details_key=KEY, details_bytes=RESPONSE_LIMIT + 1))
    answer = call(DETAILS, {"ticket": TICKET})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/vnd.ticket-archive.signed-url+json")
    assert answer.json["bytes"] == RESPONSE_LIMIT + 1
    url = urlsplit(answer.json["url"])
    assert url.path == f"/{KEY}"
    signed = parse_qs(url.query)
    assert signed["response-content-encoding"] == ["gzip"]
    assert signed["response-content-type"] == ["application/json"]
    assert answer.metrics["UrlsIssued"] == 1
    assert (answer.audit["urls"], answer.audit["until"]) == (1, answer.json["expires_at"])


def test_an_archived_ticket_without_usable_details_is_404(call: Call, world: World) -> None:
    world.tickets.add(item(details=None, details_sha256=None, complete=False))
    answer = call(DETAILS, {"ticket": TICKET})
    assert (answer.status, answer.json["code"]) == (404, "no_details")


@pytest.mark.parametrize("character", ["\x7f", '\\"', "é", "漢", "😀", "\\u0001", "\\\\"])
def test_details_at_the_limit_fit_into_a_lambda_response(character: str) -> None:
    # GIVEN as much JSON as is served, of the characters that grow most when JSON is put into JSON
    count = (RESPONSE_LIMIT - 10) // len(character.encode())
    raw = f'{{"a":"{character * count}"}}'
    # WHEN the runtime escapes everything that it can
    answer = json.dumps({"body": raw})
    # THEN it is within Lambda's 6 MB
    assert len(raw.encode()) <= RESPONSE_LIMIT
    assert len(answer) < 6 * 1024 * 1024
