import gzip
import json
import time
import zlib
from collections.abc import Callable

import pytest
import requests

from local.vendor import FAULTS, Simulator
from local.vendor.faults import BOMB_BYTES, HUGE_BYTES
from tests.unit.local.vendor.client import (
    TOKEN_PATH,
    details_path,
    get,
    headers,
    images_path,
    raw,
    token_headers,
)

LARGE = {"huge_body", "endless_body", "gzip_bomb"}
HARMLESS = {"drip_body", "drip_headers", "bad_length"}  # for this client
CASES = [(name, endpoint) for name, fault in FAULTS.items() for endpoint in sorted(fault.endpoints)]


@pytest.fixture
def ticket(vendor: Simulator) -> str:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape="DATA_URIS")
    return ticket


def body_of(came: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = came.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): value for name, _, value in lines}, body


PATHS: dict[str, Callable[[str], str]] = {"details": details_path, "images": images_path}


@pytest.mark.parametrize(("fault", "endpoint"), CASES)
def test_a_fault_applies_once_and_the_next_response_is_correct(
    vendor: Simulator, ticket: str, fault: str, endpoint: str
) -> None:
    def ask() -> object:
        try:
            with session.request(method, vendor.url + path, headers=given, stream=True, timeout=5) as answer:
                if answer.status_code == 302:
                    return answer.status_code
                if fault in LARGE:
                    return len(answer.raw.read(10**6))
                return (
                    answer.status_code,
                    answer.headers["Content-Type"],
                    answer.json() if method == "POST" else (answer.content),
                )
        except (requests.RequestException, ValueError, RecursionError) as problem:
            return type(problem)

    vendor.pause = 0
    method, given = "GET", headers(vendor)
    path = PATHS[endpoint](ticket) if endpoint in PATHS else TOKEN_PATH
    if endpoint == "token":
        method, given = "POST", token_headers(vendor)
    elif endpoint == "picture":
        vendor.state(ticket, shape="URLS")
        path = get(vendor, images_path(ticket, "DOCUMENT")).json()["images"][0].removeprefix(vendor.url)
        given = {}
    with requests.Session() as session:
        session.max_redirects = 0
        vendor.forget()
        vendor.script(fault, endpoint)
        wrong = ask()
        if endpoint in ("details", "images"):
            given = headers(vendor)
        right = ask()
        if fault not in HARMLESS:
            assert wrong != right
    assert [call["fault"] for call in vendor.calls(endpoint=endpoint)] == [fault, None]
    assert vendor.calls(endpoint=endpoint)[1]["status"] == 200


def test_a_credential_sent_after_a_redirect_is_recorded(vendor: Simulator, ticket: str) -> None:
    vendor.script("redirect", "details", ticket)
    requests.get(vendor.url + details_path(ticket), headers=headers(vendor), timeout=5)
    assert [call["authorization"] for call in vendor.calls(endpoint="elsewhere")] == [True]


def test_a_reset_or_closed_connection_has_no_response(vendor: Simulator, ticket: str) -> None:
    vendor.script("reset", "details", ticket)
    with pytest.raises(ConnectionResetError):
        raw(vendor, details_path(ticket))
    assert [call["status"] for call in vendor.calls(ticket)] == [None]
    vendor.script("hang_up", "details", ticket)
    assert raw(vendor, details_path(ticket)) == b""


@pytest.mark.parametrize("fault", ["cut_off", "stall_body"])
def test_a_cut_off_body_is_half_its_length(vendor: Simulator, ticket: str, fault: str) -> None:
    vendor.script(fault, "details", ticket)
    given, body = body_of(raw(vendor, details_path(ticket)))
    assert int(given["content-length"]) // 2 == len(body) > 0


def test_a_cut_off_body_without_a_length_shows_no_end(vendor: Simulator, ticket: str) -> None:
    vendor.script("cut_off_unsized", "details", ticket)
    given, body = body_of(raw(vendor, details_path(ticket)))
    assert not {"content-length", "transfer-encoding"} & given.keys()
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    vendor.script("cut_off_chunked", "details", ticket)
    given, body = body_of(raw(vendor, details_path(ticket)))
    assert given["transfer-encoding"] == "chunked"
    assert len(body) > 100
    assert not body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(("fault", "limit"), [("drip_body", 170), ("drip_headers", 20)])
def test_a_slow_response_outlasts_read_timeouts(vendor: Simulator, ticket: str, fault: str, limit: int) -> None:
    vendor.script(fault, "details", ticket)
    began = time.monotonic()
    came = raw(vendor, details_path(ticket), seconds=0.2, limit=limit)
    assert len(came) >= limit
    assert time.monotonic() - began > 0.2


def test_a_stall_sends_nothing_and_ends_after_the_patience(vendor: Simulator, ticket: str) -> None:
    vendor.script("stall", "details", ticket)
    began = time.monotonic()
    assert raw(vendor, details_path(ticket)) == b""
    assert vendor.patience * 0.9 < time.monotonic() - began < 2


def test_a_gzip_bomb_is_small_compressed_and_huge_decompressed(vendor: Simulator, ticket: str) -> None:
    vendor.script("gzip_bomb", "details", ticket)
    given, body = body_of(raw(vendor, details_path(ticket)))
    assert given["content-encoding"] == "gzip"
    assert len(body) < 300_000
    opener = zlib.decompressobj(wbits=31)
    size, rest = 0, body
    while not opener.eof:
        size += len(opener.decompress(rest, 2**20))
        rest = opener.unconsumed_tail
    assert size == BOMB_BYTES == 200 * 2**20


def test_gzip_bodies_can_be_invalid_or_cut_off(vendor: Simulator, ticket: str) -> None:
    vendor.script("bad_gzip", "details", ticket)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(body_of(raw(vendor, details_path(ticket)))[1])
    vendor.script("cut_off_gzip", "details", ticket)
    given, body = body_of(raw(vendor, details_path(ticket)))
    assert int(given["content-length"]) == len(body)
    with pytest.raises(EOFError):
        gzip.decompress(body)


def test_a_huge_body_is_complete_and_an_endless_one_is_not(vendor: Simulator, ticket: str) -> None:
    vendor.script("huge_body", "details", ticket)
    assert len(body_of(raw(vendor, details_path(ticket)))[1]) == HUGE_BYTES
    vendor.script("endless_body", "details", ticket)
    assert len(raw(vendor, details_path(ticket), limit=HUGE_BYTES)) >= HUGE_BYTES


def test_garbage_is_not_http(vendor: Simulator, ticket: str) -> None:
    vendor.script("garbage", "details", ticket)
    assert not raw(vendor, details_path(ticket)).startswith(b"HTTP/")


@pytest.mark.parametrize("fault", ["truncated_image", "html_as_image", "svg_as_image", "empty_image"])
@pytest.mark.parametrize("shape", ["BINARY", "URLS"])
def test_an_altered_file_has_the_shape_of_a_correct_one(vendor: Simulator, ticket: str, fault: str, shape: str) -> None:
    vendor.state(ticket, shape=shape, sizes={"DOCUMENT": [3000]})
    vendor.script(fault, "images", ticket)

    def fetched() -> bytes:
        answer = get(vendor, images_path(ticket, "DOCUMENT"))
        return answer.content if shape == "BINARY" else requests.get(answer.json()["images"][0], timeout=5).content

    wrong, right = fetched(), fetched()
    assert {
        "truncated_image": right[: len(right) // 2],
        "html_as_image": wrong if wrong.startswith(b"<!DOCTYPE html>") else None,
        "svg_as_image": wrong if wrong.startswith(b"<svg") else None,
        "empty_image": b"",
    }[fault] == wrong


def test_an_expired_token_is_refused(vendor: Simulator) -> None:
    vendor.script("token_expired", "token")
    answer = requests.post(vendor.url + TOKEN_PATH, headers=token_headers(vendor), timeout=5).json()
    assert answer["expiracy"] < time.time()
    assert get(vendor, details_path(vendor.ids(1)[0]), answer["token"]).status_code == 401


def test_a_wait_ends_when_the_simulator_stops() -> None:
    with Simulator(seed=7, scale=0.05, patience=60) as vendor:
        [ticket] = vendor.ids(1)
        vendor.script("stall", "details", ticket)
        with pytest.raises(requests.Timeout):
            requests.get(vendor.url + details_path(ticket), headers=headers(vendor), timeout=0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 2
