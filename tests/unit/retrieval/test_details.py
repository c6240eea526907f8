"""GET /tickets/{ticket}/details."""

import gzip
import json
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import TICKET, World, item
from ticket_archive.details import ANSWER_LIMIT, place, read_details

DETAILS = "/tickets/{ticket}/details"
KEY = f"tickets/{TICKET}/details/{'d' * 64}.json.gz"
RAW = '{"b": 1e400, "a": 0.12345678901234567890123456789012345678901234567890, "name": "Jón"}'.encode()


def test_details_kept_as_a_map_come_back_as_the_same_json(call: Call, world: World) -> None:
    sent = b'{"z": 98.70, "a": {"n": 12345678901234567890123456789012345678, "t": "\\u00e9\\n"}, "l": [true, null]}'
    world.tickets.add(item(**place(TICKET, read_details(sent)).attributes))

    answer = call(DETAILS, {"ticket": TICKET})

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.text, parse_float=Decimal) == json.loads(sent, parse_float=Decimal)


def test_details_kept_packed_come_back_byte_for_byte(call: Call, world: World) -> None:
    placement = place(TICKET, read_details(RAW))
    assert "details_packed" in placement.attributes
    world.tickets.add(item(details=None, **placement.attributes))

    assert call(DETAILS, {"ticket": TICKET}).text.encode() == RAW


def test_details_kept_in_the_bucket_come_back_byte_for_byte(call: Call, world: World) -> None:
    world.objects[KEY] = gzip.compress(RAW)
    world.tickets.add(item(details=None, details_key=KEY, details_bytes=len(RAW)))

    assert call(DETAILS, {"ticket": TICKET}).text.encode() == RAW


def test_details_at_the_limit_are_answered_and_beyond_it_led_to(call: Call, world: World) -> None:
    world.objects[KEY] = gzip.compress(RAW)
    world.tickets.add(item(details=None, details_key=KEY, details_bytes=ANSWER_LIMIT))
    assert call(DETAILS, {"ticket": TICKET}).status == 200
    world.tickets.add(item(details=None, details_key=KEY, details_bytes=ANSWER_LIMIT + 1))

    answer = call(DETAILS, {"ticket": TICKET})

    assert answer.status == 307
    assert answer.json["url"] == answer.headers["Location"]
    url = urlsplit(answer.headers["Location"])
    assert url.path == f"/{KEY}"
    signed = parse_qs(url.query)
    assert signed["response-content-encoding"] == ["gzip"]
    assert signed["response-content-type"] == ["application/json"]
    assert answer.json["bytes"] == ANSWER_LIMIT + 1
    assert answer.metrics["UrlsIssued"] == 1
    assert answer.audit["urls"] == 1


@pytest.mark.parametrize("character", ["\x7f", '\\"', "é", "漢", "😀", "\\u0001", "\\\\"])
def test_what_the_item_may_hold_fits_into_an_answer(character: str) -> None:
    # GIVEN as much JSON as an answer takes, of the characters that grow most when JSON is put into JSON
    count = (ANSWER_LIMIT - 10) // len(character.encode())
    raw = f'{{"a":"{character * count}"}}'

    # WHEN the runtime writes the answer the most verbose way
    answer = json.dumps({"body": raw})

    # THEN it is within Lambda's 6 MB
    assert len(raw.encode()) <= ANSWER_LIMIT
    assert len(answer) < 6 * 1024 * 1024


def test_what_is_larger_than_an_answer_is_never_kept_in_the_item_however_well_it_packs() -> None:
    details = read_details(b'{"a": "%s"}' % (b"a" * ANSWER_LIMIT))

    assert set(place(TICKET, details).attributes) == {"details_key"}
