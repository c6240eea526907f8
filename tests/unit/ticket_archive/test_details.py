"""Details come back as the same JSON value, whichever of the three places they were kept in."""

import gzip
import hashlib
import json
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.interpreter import run
from ticket_archive import details as module
from ticket_archive.details import ATTRIBUTES, RESPONSE_LIMIT, Details, read_details, stored_form, to_json
from ticket_archive.errors import ArchiveError, UnrecognizedResponse, VendorUnavailable

TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"


TRICKY_NUMBERS = (
    *["-0", "-0.0", "0.0", "0e500", "0e-500", "1e400", "-1e-400", "1e125", "1e-130", "0.1", "98.0"],
    *("9" * 38, "9" * 39, "1" + "0" * 40, "9" * 5000, "1." + "0" * 60, "0." + "3" * 38),
    *("1e999999999999999999", "1e-999999999999999999", "1e99999999999999999999"),
)

# Strategies of JSON texts, because numbers have many spellings and a key may be repeated.
finite_numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.builds("{}.{}e{}".format, st.integers(), st.integers(0, 10**45), st.integers(-150, 150)),
)
any_number = finite_numbers | st.sampled_from([*TRICKY_NUMBERS, "NaN", "Infinity", "-Infinity"])
any_string = st.text() | st.text(st.characters(exclude_categories=())) | st.sampled_from(["", "\0", "\ud800", '"'])
constants = st.sampled_from(["null", "true", "false"])


def object_text(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"


def objects(
    leaves: st.SearchStrategy[str], keys: st.SearchStrategy[str], unique_by: Callable[[Any], Any] | None = None
) -> st.SearchStrategy[str]:
    def of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.lists(st.tuples(keys, values), max_size=4, unique_by=unique_by).map(object_text)

    def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.lists(values, max_size=4).map(lambda items: f"[{','.join(items)}]")

    return of(st.recursive(leaves, lambda inner: lists(inner) | of(inner), max_leaves=12))


any_object = objects(constants | any_number | any_string.map(json.dumps), any_string)
plain_object = objects(constants | finite_numbers | st.text().map(json.dumps), st.text(), lambda pair: pair[0])


def nested(depth: int) -> bytes:
    """An object of `depth` levels: objects and lists in turn."""
    body = b"1"
    for level in reversed(range(depth)):
        body = b"[" + body + b"]" if level % 2 else b'{"a":' + body + b"}"
    return body


def through_dynamodb(value: Any) -> Any:
    return TypeDeserializer().deserialize(TypeSerializer().serialize(value))


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: True is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def exactly(body: bytes) -> Any:
    return json.loads(body.decode(), parse_int=Decimal, parse_float=Decimal)


@given(any_object)
@example('{"n": 0e500}')
@example('{"n": -0}')
@example(f'{{"n": [{", ".join(TRICKY_NUMBERS)}]}}')
@example('{"n": 1, "n": 2}')
@example('{"": 1}')
@example('{"\\ud800": "\\u0000"}')
def test_details_come_back_equal(document: str) -> None:
    # GIVEN any JSON object
    body = document.encode()
    # WHEN it is read, placed, and goes through DynamoDB's notation
    details = read_details(body)
    item = {name: through_dynamodb(value) for name, value in stored_form(TICKET, details)[0].items()}
    # THEN exactly one attribute holds it, as the same value or as the same bytes
    assert len(item) == 1
    if details.native:
        assert same(item["details"], exactly(body))
        assert hashlib.sha256(to_json(item["details"])).hexdigest() == details.sha256
    else:
        assert gzip.decompress(bytes(item["details_packed"])) == body


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"n": %s}' % number for number in (b"-0", b"0e500", b"1e400", b"1e99999999999999999999", b"9" * 39)),
        *(b'{"n": NaN}', b'{"n": -Infinity}', b'{"a": 1, "a": 2}', b'{"": 1}', b'{"a": {"": 1}}'),
        *(b'{"a": "\\ud800"}', b'{"\\ud800": 1}', nested(200), nested(900)),
    ],
    ids=range(14),
)
def test_json_beyond_a_maps_limits_is_stored_as_bytes(body: bytes) -> None:
    details = read_details(body)
    assert not details.native
    assert gzip.decompress(stored_form(TICKET, details)[0]["details_packed"]) == body


@given(any_object)
def test_a_list_of_one_object_has_its_facts_and_is_stored_unchanged(document: str) -> None:
    details, alone = read_details(f"[{document}]".encode()), read_details(document.encode())
    assert details.facts == alone.facts
    assert details.sha256 != alone.sha256
    assert gzip.decompress(stored_form(TICKET, details)[0]["details_packed"]) == f"[{document}]".encode()


@pytest.mark.parametrize("body", [b"{}", b'{"a": "\\u0000", "b": "", "c": [], "d": {}, "e": null, "f": [true, 0.0]}'])
def test_ordinary_json_is_a_native_map(body: bytes) -> None:
    details = read_details(body)
    assert details.native
    assert details.size == len(body)
    assert stored_form(TICKET, details)[0] == {"details": exactly(body)}


@pytest.mark.parametrize("depth", range(29, 41))
def test_a_map_has_at_most_30_of_dynamodbs_32_levels(depth: int) -> None:
    lists = b'{"a": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    assert read_details(nested(depth)).native is (depth <= 30)
    assert read_details(lists).native is (depth <= 30)


def element_size(value: Any) -> int:
    """Bytes in an item by DynamoDB's published rules (developer guide, item sizes), a number at its largest."""
    if isinstance(value, dict):
        return 3 + sum(1 + len(key.encode()) + element_size(inner) for key, inner in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + element_size(inner) for inner in value)
    if isinstance(value, str):
        return len(value.encode())
    return 21 if isinstance(value, Decimal) else 1


@pytest.mark.parametrize(
    "fill",
    [
        *(lambda n: "x" * n, lambda n: "é" * n, lambda n: ["x"] * n),
        *(lambda n: [None] * n, lambda n: [[]] * n, lambda n: [10**37 + 1] * n),
        lambda n: {f"é{i}": {} for i in range(n)},
    ],
)
def test_a_map_stays_below_its_size_limit(fill: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NATIVE_LIMIT", 3000)
    sizes = []
    for n in range(0, 3200, 7):
        details = read_details(json.dumps({"a": fill(n)}).encode())
        if not details.native:
            break
        sizes.append(element_size(details.value))
    else:
        pytest.fail("every size was taken as a map")
    assert 100 < max(sizes) <= 3000


@pytest.mark.parametrize(("spare", "attribute"), [(0, "details_packed"), (-1, "details_key")])
def test_large_packed_details_go_to_the_bucket(spare: int, attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    details = read_details(b'{"n": 1e400}')
    packed = len(stored_form(TICKET, details)[0]["details_packed"])
    monkeypatch.setattr(module, "PACKED_LIMIT", packed + spare)
    assert list(stored_form(TICKET, details)[0]) == [attribute]


@pytest.mark.parametrize(
    ("size", "attribute"), [(RESPONSE_LIMIT, "details_packed"), (RESPONSE_LIMIT + 1, "details_key")]
)
def test_details_over_the_response_limit_go_to_the_bucket(size: int, attribute: str) -> None:
    body = b'{"a": "%s"}' % (b"x" * (size - 9))
    assert len(body) == size
    assert list(stored_form(TICKET, read_details(body))[0]) == [attribute]


def test_incompressible_details_are_one_object_with_the_vendors_bytes() -> None:
    # GIVEN details that compress to more than an item can take
    noise = random.Random(1).randbytes(350_000).hex()
    details = read_details(json.dumps({"noise": noise}).encode())
    # WHEN they are placed
    attributes, body = stored_form(TICKET, details)
    # THEN the item points to the object, which is named by the digest
    assert attributes == {"details_key": f"tickets/{TICKET}/details/{details.sha256}.json.gz"}
    assert gzip.decompress(body) == details.raw


def test_packing_twice_gives_the_same_bytes() -> None:
    details = read_details(b'{"n": 1e400}')
    with time_machine.travel(0):
        first = stored_form(TICKET, details)
    assert stored_form(TICKET, details) == first


def test_attributes_lists_every_attribute_that_holds_details(monkeypatch: pytest.MonkeyPatch) -> None:
    placements = [stored_form(TICKET, read_details(body))[0] for body in (b"{}", b'{"n": -0}')]
    monkeypatch.setattr(module, "PACKED_LIMIT", 0)
    placements.append(stored_form(TICKET, read_details(b'{"n": -0}'))[0])
    assert {name for placement in placements for name in placement} == set(ATTRIBUTES)


def respelt(node: Any, draw: random.Random) -> str:
    """The same value: keys in another order, numbers with a longer coefficient and an exponent."""
    match node:
        case Decimal():
            sign, digits, exponent = node.as_tuple()
            zeros = draw.randrange(4)
            coefficient = ("".join(map(str, digits)) + "0" * zeros).lstrip("0") or "0"
            return f"{'-' if sign else ''}{coefficient}{draw.choice('eE')}{int(exponent) - zeros}"
        case dict():
            return object_text([(key, respelt(node[key], draw)) for key in draw.sample([*node], len(node))])
        case list():
            return f"[{','.join(respelt(element, draw) for element in node)}]"
    return json.dumps(node)


@given(plain_object, st.randoms(use_true_random=False))
@example('{"n": 98.0, "m": 0.0001}', random.Random(1))
def test_the_digest_does_not_depend_on_spelling(document: str, draw: random.Random) -> None:
    body = document.encode()
    assert read_details(respelt(exactly(body), draw).encode()).sha256 == read_details(body).sha256


@given(plain_object, plain_object)
@example('{"n": true}', '{"n": 1}')
@example('{"n": 1}', '{"n": "1"}')
@example('{"n": 10}', '{"n": 1}')
@example('{"n": []}', '{"n": {}}')
def test_different_values_have_different_digests(one: str, other: str) -> None:
    first, second = one.encode(), other.encode()
    if read_details(first).sha256 == read_details(second).sha256:
        assert same(exactly(first), exactly(second))


def test_the_digest_differs_where_a_parser_would_merge() -> None:
    values = (b"NaN", b"null", b"Infinity", b'1, "n": 2', b"2", b"-0", b"0")
    assert len({read_details(b'{"n": %s}' % value).sha256 for value in values}) == len(values)


@given(plain_object, st.data())
@example('{"a": {"b": 1}}', None)
@example('{"a": "}"}', None)
@example('{"\\u00e9": "\\u00e9"}', None)
def test_any_beginning_of_details_is_truncated(document: str, data: st.DataObject | None) -> None:
    # GIVEN details of which only the first bytes came, be it up to within a character
    body = json.dumps(exactly(document.encode()), default=str, ensure_ascii=False).encode()
    ends = range(1, len(body)) if data is None else [data.draw(st.integers(1, len(body) - 1))]
    for end in ends:
        # WHEN / THEN the vendor is asked again, and the error has the body, for it may be all that ever comes
        with pytest.raises(VendorUnavailable) as error:
            read_details(body[:end])
        assert (error.value.detail, error.value.body) == ("truncated", body[:end])
        assert error.value.quick


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        *((body, "details_not_json") for body in (b"", b"<html>{}</html>", b'{"a": 1} x', b'{"a": 1}}', b"{'a': 1}")),
        *((body, "details_not_json") for body in (b'{"a": 1}{"a":', b'{"a": 1,}', b'{"a": 01}', b'{"a": "\n"}')),
        (b'{"a": 1}\xff', "details_not_json"),
        *((body, "details_not_an_object") for body in (b"[]", b"[{}, {}]", b"[[{}]]", b"null", b'"text"', b"12")),
        *((b'{"a": ' + b"[" * 90_000 + ends, "details_too_deep") for ends in (b"", b"]" * 90_000)),
        (b'{"a":' * 90_000 + b"1" + b"}" * 90_000, "details_too_deep"),
    ],
)
def test_what_is_no_json_object_or_absurdly_deep_is_unrecognized_with_its_body(body: bytes, detail: str) -> None:
    with pytest.raises(UnrecognizedResponse) as error:
        read_details(body)
    assert (error.value.detail, error.value.body) == (detail, body)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("Zoë".encode("latin-1"), "Zoë"),
        ("Zoë €".encode("cp1252"), "Zoë €"),
        (b"A\x81\x8d", "A\x81\x8d"),  # undefined there
        (b"Jos\xc3", "JosÃ"),  # cut off within a character
        ("Zoë ".encode() + b"Jos\xe9", "Zoë José"),
        ("Zoë Пример 名前 😀".encode(), "Zoë Пример 名前 😀"),
    ],
)
def test_bytes_that_are_no_utf8_are_read_as_windows_1252(body: bytes, name: str) -> None:
    details = read_details(b'{"flow_status": "ACCEPTED", "fullname": "' + body + b'"}')
    assert details.value == {"flow_status": "ACCEPTED", "fullname": name}
    assert details.raw.decode() == f'{{"flow_status": "ACCEPTED", "fullname": "{name}"}}'
    assert details.facts.outcome == "ACCEPTED"


@given(st.one_of(st.binary(), st.text().map(str.encode), st.text(alphabet='{}[]",:\\0123e-truefalsnu').map(str.encode)))
def test_any_body_is_read_or_has_a_documented_error(body: bytes) -> None:
    with suppress(UnrecognizedResponse, VendorUnavailable):
        assert isinstance(read_details(body), Details)


@pytest.mark.parametrize("body", [b'{"risk_code": "Canary"}', b'{"fullname": "Canary Doe", "n": NaN}'])
def test_no_repr_and_no_error_shows_content(body: bytes) -> None:
    details = read_details(body)
    assert "Canary" not in repr(details)
    with pytest.raises(ArchiveError) as error:
        read_details(body + b"Canary")
    assert "Canary" not in str(error.value) + repr(error.value)


BIG = {
    "numbers": b"[" + b"1," * 600_000 + b"1]",
    "objects": b"[" + b'{"k":1},' * 150_000 + b"{}]",
    "lists": b"[" + b"[]," * 400_000 + b"[]]",
}


@pytest.mark.parametrize("form", BIG)
def test_details_of_too_many_parts_are_kept_packed_with_their_first_facts(form: str) -> None:
    body = b'{"data": {"ticket": "T-1", "flow_status": "ACCEPTED", "list": %s}}' % BIG[form]
    details = read_details(body)
    _, packed = stored_form("T-1", details)
    assert (details.value, details.native, details.facts.outcome) == (None, False, "ACCEPTED")
    assert gzip.decompress(packed) == body
    details.check_ticket("T-1")
    with pytest.raises(UnrecognizedResponse, match="other_ticket"):
        details.check_ticket("T-2")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"a": ' + BIG["lists"], "truncated"),
        (b"[" + BIG["lists"] + b"]", "details_not_an_object"),
        (b"<p>" + b"," * 100_001 + b"</p>", "details_not_json"),
    ],
)
def test_a_body_of_too_many_parts_must_begin_and_end_as_an_object(body: bytes, error: str) -> None:
    with pytest.raises(ArchiveError, match=error):
        read_details(body)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of its memory in /proc")
def test_three_details_of_small_parts_at_once_need_little_memory_and_time() -> None:
    """Three times 9.8 MB. `ru_maxrss` would be no measure: the memory of the starting process counts in it."""
    program = """
import re, time
from concurrent.futures import ThreadPoolExecutor
from ticket_archive.details import read_details, stored_form
def keep(number):
    body = b'{"flow_status": "ACCEPTED", "list": [' + (b'{"k":1},' * 1_220_000) + b'{}], "n": %d}' % number
    details = read_details(body)
    return details, stored_form("T-1", details)
with ThreadPoolExecutor(3) as pool:
    kept = list(pool.map(keep, range(3)))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024, time.process_time())
"""
    megabytes, seconds = map(float, run(program).stdout.split())
    assert megabytes < 512
    assert seconds < 10


@pytest.mark.parametrize("body", [b'{"ticket": "T-1"}', b'{"ticket": "T-1", "n": NaN}', b'{"a": [' + b"1," * 100_001])
def test_a_byte_order_mark_changes_nothing(body: bytes) -> None:
    """Not even what is kept: JSON is served without one."""
    read: list[Any] = []
    for each in (body, b"\xef\xbb\xbf" + body):
        try:
            read.append(stored_form("T-1", read_details(each)))
        except VendorUnavailable as error:
            read.append(error.detail)
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"ticket": "T-1"}', None),
        (b'{"ticket": " t-1 ", "flow_status": "ACCEPTED"}', None),
        (b'{"id": "T-1"}', None),
        (b'{"ticket": "2026-17", "ticketId": "T-1", "flow_status": "ACCEPTED"}', None),
        (b'{"ticket": "T1-", "flow_status": "ACCEPTED"}', "other_ticket"),
        (b'{"ticket": "T-2", "ticketId": "2026-17", "flow_status": "ACCEPTED"}', "other_ticket"),
        (b'{"data": "{\\"ticket\\": \\"T-2\\", \\"flow_status\\": \\"ACCEPTED\\"}"}', "other_ticket"),
        (b'{"flow_status": "ACCEPTED"}', None),
        (b'{"flow_status": "ACCEPTED", "previous": {"ticket": "T-2"}}', None),
        (b'{"ticket": "T-2", "flow_status": "ACCEPTED"}', "other_ticket"),
        (b'{"status": 200, "data": {"ticket": "T-2", "flow_status": "ACCEPTED"}}', "other_ticket"),
        (b'{"data": [{"ticket": "T-2", "flow_status": "ACCEPTED"}]}', "other_ticket"),
        (b'{"data": [{"ticket": "T-2", "cifcode": "C"}, {"ticket": "T-1", "status": "FAILED"}]}', "other_ticket"),
        (b'{"data": [{"ticket": "2026-17", "ticketId": "T-1"}, {"ticketId": "t-1", "flow_status": "ACCEPTED"}]}', None),
        (b'{"ticket": "2026-17", "data": {"ticket": "T-1", "flow_status": "ACCEPTED"}}', None),
        (b"{}", "no_ticket"),
        (b'{"status": 500, "message": "Internal error"}', "no_ticket"),
        (b'{"error": "Internal Server Error", "path": "/transactions/T-1"}', "no_ticket"),
        (b'{"data": null, "errors": [{"message": "T-1 not found", "ids": ["T-1 "]}]}', "no_ticket"),
        (b'{"data": {"anything": {"id": "t-1"}}}', None),
    ],
)
def test_details_must_be_those_of_the_ticket(body: bytes, error: str | None) -> None:
    details = read_details(body)
    if error is None:
        details.check_ticket("T-1")
        return
    with pytest.raises(UnrecognizedResponse, match=error) as raised:
        details.check_ticket("T-1")
    assert raised.value.body == body


@pytest.mark.parametrize("form", [" {}\n", "urn:uuid:{}", "{{{}}}"])
@pytest.mark.parametrize("name", ["ticket", "id"])
def test_details_may_write_the_tickets_id_in_another_form(name: str, form: str) -> None:
    for ticket in (form.format(TICKET.upper()), TICKET.replace("-", "")):
        read_details(json.dumps({name: ticket}).encode()).check_ticket(TICKET)
