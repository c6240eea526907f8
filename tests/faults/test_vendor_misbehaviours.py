"""Every fault of the vendor simulator at each of its endpoints, against the real client over loopback.

Each ends in its declared outcome, by its deadline and within twice the byte limit of memory: once with the fault in
every response, and once with the fault in the first only. `test_transport_on_sockets.py` tests the wire byte by byte.
"""

import itertools
import time
import tracemalloc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import NamedTuple

import pytest

from ingest.files.parsing import LinkedFile
from ingest.vendor import client as client_module
from ingest.vendor.client import MAX_BYTES, Preventor
from ingest.vendor.http import HttpClient
from local.vendor import FAULTS, Endpoint, Shape, Simulator
from ticket_archive.errors import ArchiveError, RetryableError
from ticket_archive.models import ImageType
from ticket_archive.webhook_credentials import VendorCredential

CAP = 2_000_000
GRACE = 1.0


class Limits(NamedTuple):
    """Seconds: for the whole call, for one attempt, and between two bytes. `at_once` cases run at the same time."""

    call: float
    attempt: float
    silence: float
    at_once: int


PATIENT = Limits(call=30.0, attempt=20.0, silence=10.0, at_once=6)
"""A busy machine must not turn another fault into a time-out, which would be retried."""
SHORT = Limits(call=6.0, attempt=2.0, silence=0.6, at_once=16)
"""For the faults that only a time-out ends."""
SLOW = ("drip_body", "drip_headers", "stall", "stall_body")

TOKEN, DETAILS, IMAGES, PICTURE = Endpoint
OK = "ok"
NOTHING = "no images"
UNSERVED = "a file that is never served"
CUT_OFF = "a file that is not complete"

Outcomes = Mapping[Endpoint, str]

OUTCOMES: Mapping[str, str | Outcomes] = {
    "throttled": "vendor_throttled: 429",
    "throttled_seconds": "vendor_throttled: 429",
    "throttled_date": "vendor_throttled: 429",
    "throttled_past_date": "vendor_throttled: 429",
    "throttled_absurd": "vendor_throttled: 429",
    "throttled_negative": "vendor_throttled: 429",
    "throttled_malformed": "vendor_throttled: 429",
    "server_error": "vendor_unavailable: 500",
    "bad_gateway": "vendor_unavailable: 502",
    "unavailable": "vendor_unavailable: 503",
    "unavailable_retry_after": "vendor_unavailable: 503",
    "gateway_timeout": "vendor_unavailable: 504",
    "forbidden": {
        TOKEN: "vendor_auth_error: 403",
        DETAILS: "vendor_auth_error: 403",
        IMAGES: "vendor_auth_error: 403",
        PICTURE: "invalid_vendor_response: 403",
    },
    "bad_request": "invalid_vendor_response: 400",
    "odd_status": "invalid_vendor_response: 299",
    "error_as_200": {
        TOKEN: "vendor_unavailable: 500",
        DETAILS: "vendor_unavailable: 500",
        IMAGES: "vendor_unavailable: 500",
        PICTURE: UNSERVED,
    },
    "not_found_as_200": {DETAILS: "ticket_not_found: 404", IMAGES: NOTHING},
    "details_of_another_ticket": "unrecognized_response: other_ticket",
    "details_without_outcome": OK,
    "unauthorized": "vendor_auth_error: 401",
    "redirect": "invalid_vendor_response: redirect",
    "not_ready": {
        DETAILS: "ticket_not_found: 404",
        IMAGES: NOTHING,
    },
    "empty_list": NOTHING,
    "null": {
        DETAILS: "unrecognized_response: details_not_an_object",
        IMAGES: NOTHING,
    },
    "no_content": {
        DETAILS: "unrecognized_response: details_not_json",
        IMAGES: NOTHING,
    },
    "empty_body": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: details_not_json",
        IMAGES: NOTHING,
        PICTURE: UNSERVED,
    },
    "partial_list": "1 images",
    "html": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: details_not_json",
        IMAGES: "unrecognized_response: html",
        PICTURE: UNSERVED,
    },
    "html_as_json": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: details_not_json",
        IMAGES: "unrecognized_response: html",
        PICTURE: UNSERVED,
    },
    "json_error_as_image": {
        TOKEN: "vendor_unavailable: 500",
        DETAILS: "vendor_unavailable: 500",
        IMAGES: "vendor_unavailable: 500",
        PICTURE: UNSERVED,
    },
    "unknown_shape": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: no_ticket",
        IMAGES: "unrecognized_response: no_file",
    },
    "scalar": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: details_not_an_object",
        IMAGES: "unrecognized_response: no_file",
    },
    "too_deep": {
        TOKEN: "invalid_vendor_response: too_large",
        DETAILS: "unrecognized_response: details_too_deep",
        IMAGES: "unrecognized_response: too_deep",
    },
    "long_number": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: no_ticket",
        IMAGES: "unrecognized_response: no_file",
    },
    "not_a_number": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: no_ticket",
        IMAGES: "unrecognized_response: no_file",
    },
    "lone_surrogate": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: no_ticket",
        IMAGES: "unrecognized_response: no_file",
    },
    "bad_utf8": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "unrecognized_response: details_not_utf8",
        IMAGES: "unrecognized_response: no_file",
    },
    "invalid_json": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "vendor_unavailable: truncated",
        IMAGES: "vendor_unavailable: truncated",
    },
    "mislabelled": OK,
    "truncated_image": CUT_OFF,
    "html_as_image": UNSERVED,
    "svg_as_image": UNSERVED,
    "empty_image": {IMAGES: NOTHING, PICTURE: UNSERVED},
    "bad_base64": UNSERVED,
    "private_url": "invalid_vendor_response: image_url",
    "token_missing": "invalid_vendor_response: token_missing",
    "token_without_expiry": "vendor_auth_error: 401",
    "token_of_another_type": "invalid_vendor_response: token_missing",
    "token_without_expiracy": OK,
    "token_expired": "vendor_auth_error: 401",
    "reset": "vendor_unavailable: reset",
    "reset_midway": "vendor_unavailable: reset",
    "hang_up": "vendor_unavailable: reset",
    "cut_off": "vendor_unavailable: truncated",
    "cut_off_unsized": {
        TOKEN: "invalid_vendor_response: token_missing",
        DETAILS: "vendor_unavailable: truncated",
        IMAGES: "vendor_unavailable: truncated",
        PICTURE: CUT_OFF,
    },
    "cut_off_chunked": "vendor_unavailable: truncated",
    "drip_body": "vendor_unavailable: deadline",
    "drip_headers": "vendor_unavailable: deadline",
    "stall": "vendor_unavailable: timeout",
    "stall_body": "vendor_unavailable: timeout",
    "gzip_bomb": "invalid_vendor_response: too_large",
    "bad_gzip": "vendor_unavailable: encoding",
    "cut_off_gzip": "vendor_unavailable: truncated",
    "huge_body": "invalid_vendor_response: too_large",
    "endless_body": "invalid_vendor_response: too_large",
    "huge_header": "vendor_unavailable: protocol",
    "bad_length": "vendor_unavailable: protocol",
    "garbage": "vendor_unavailable: protocol",
}
"""`code: detail` of the client's error. `ingest.archiving` decides what an unrecognized body and an empty list mean."""

PAUSES: Mapping[str, float] = {"throttled_seconds": 1, "throttled_absurd": 900, "unavailable_retry_after": 1}
"""Seconds that the vendor asks for, capped. None for a malformed or past value; a date is tested on its own."""

BIG = ("gzip_bomb", "endless_body", "huge_body", "huge_header", "too_deep")

REPLACED = ("unauthorized", "token_without_expiry", "token_expired")
"""Faults of a token that looks valid: it is replaced once."""


@dataclass(frozen=True)
class Ending:
    """`pause` is the error's `retry_after`; `calls` counts those of the endpoint."""

    outcome: str
    seconds: float
    calls: int
    pause: float | None = None


Case = tuple[str, Endpoint]
CASES: list[Case] = [
    (name, endpoint) for name, fault in FAULTS.items() for endpoint in Endpoint if endpoint in fault.endpoints
]


def limits_of(case: Case) -> Limits:
    return SHORT if case[0] in SLOW else PATIENT


def play(case: Case, times: int | None) -> Ending:
    """Make one call to a simulator that plays one fault `times` times; None means every time."""
    name, endpoint = case
    limits = limits_of(case)
    with Simulator(pause=0.05, patience=5) as vendor:
        ticket = vendor.ids(1)[0]
        shape = Shape.URLS if endpoint is PICTURE else Shape.DATA_URIS
        vendor.state(ticket, shape=shape, sizes={ImageType.DOCUMENT: [2500, 2500]})
        vendor.script(name, endpoint, times=times)
        transport = HttpClient(idle_timeout=limits.silence)
        client = Preventor(vendor.url, Credentials(vendor), transport)
        pause = None
        began = time.monotonic()
        try:
            outcome = ask(client, endpoint, ticket, began + limits.call)
        except ArchiveError as error:
            outcome = str(error)
            pause = error.retry_after if isinstance(error, RetryableError) else None
        seconds = time.monotonic() - began
        calls = [call for call in vendor.calls() if call["endpoint"] == endpoint]
        assert not [call for call in vendor.calls() if call["endpoint"] in ("elsewhere", "unknown")]
        return Ending(outcome, seconds, len(calls), pause)


def ask(client: Preventor, endpoint: Endpoint, ticket: str, deadline: float) -> str:
    """Call the endpoints up to this one, as the archive does."""
    if endpoint in (TOKEN, DETAILS):
        return OK if client.details(ticket, deadline).facts.ticket == ticket else "other details"
    images = client.files(ticket, ImageType.DOCUMENT, deadline)
    if not images:
        return NOTHING
    fetched = [client.linked_file(image, deadline) if isinstance(image, LinkedFile) else image for image in images]
    if any(file.format is None for file in fetched):
        return UNSERVED
    if not all(file.complete for file in fetched):
        return CUT_OFF
    return OK if len(fetched) == 2 else f"{len(fetched)} images"


class Credentials:
    def __init__(self, vendor: Simulator) -> None:
        self._credential = VendorCredential(**asdict(vendor.credential))

    def __call__(self, *, fresh: bool = False) -> VendorCredential:
        return self._credential


Endings = Mapping[Case, Ending]


@pytest.fixture(scope="module")
def endings() -> tuple[Endings, Endings]:
    """Return every case's ending with the fault in every response, and with the fault once."""
    for_ever: dict[Case, Ending] = {}
    once: dict[Case, Ending] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "MAX_BYTES", CAP)
        for limits in (PATIENT, SHORT):
            patch.setattr(client_module, "ATTEMPT_TIMEOUT", limits.attempt)
            cases = [case for case in CASES if limits_of(case) is limits]
            with ThreadPoolExecutor(limits.at_once) as pool:
                for_ever |= zip(cases, pool.map(play, cases, itertools.repeat(None)), strict=True)
                once |= zip(cases, pool.map(play, cases, itertools.repeat(1)), strict=True)
    return for_ever, once


def declared(case: Case) -> str:
    name, endpoint = case
    outcome = OUTCOMES[name]
    return outcome if isinstance(outcome, str) else outcome[endpoint]


def test_every_fault_has_a_declared_outcome() -> None:
    assert OUTCOMES.keys() == FAULTS.keys()
    for endpoint in (TOKEN, DETAILS, IMAGES):
        assert len([case for case in CASES if case[1] is endpoint]) >= 40
    declared_for = {(name, at) for name, told in OUTCOMES.items() if not isinstance(told, str) for at in told}
    assert declared_for <= set(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_lasting_fault_ends_as_declared(case: Case, endings: tuple[Endings, Endings]) -> None:
    ending = endings[0][case]
    assert ending.outcome == declared(case)
    assert ending.seconds < limits_of(case).call + GRACE
    both_files = case[1] is PICTURE and ending.outcome in (UNSERVED, CUT_OFF)  # the first is no failure
    twice = case[0] in REPLACED or both_files
    tries = 3 if ending.outcome.startswith("vendor_unavailable") else 2 if twice else 1
    assert ending.calls <= tries


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_single_fault_costs_a_retry_or_ends_as_declared(case: Case, endings: tuple[Endings, Endings]) -> None:
    ending, lasting = endings[1][case], declared(case)
    quick = lasting.startswith("vendor_unavailable") and case[0] not in PAUSES
    assert ending.outcome == (OK if quick or case[0] in REPLACED else lasting)
    assert ending.seconds < limits_of(case).call + GRACE


@pytest.mark.parametrize("case", [case for case in CASES if "thrott" in case[0] or "unavail" in case[0]], ids=str)
def test_retry_after_is_in_the_error_and_capped(case: Case, endings: tuple[Endings, Endings]) -> None:
    pause = endings[0][case].pause
    if case[0] == "throttled_date":
        assert pause is not None
        assert 0 < pause <= 2
    else:
        assert pause == PAUSES.get(case[0])


@pytest.mark.parametrize("case", [case for case in CASES if case[0] in BIG], ids=str)
def test_no_response_takes_more_than_twice_the_limit_of_memory(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator is in the same process, so its memory counts too."""
    monkeypatch.setattr(client_module, "MAX_BYTES", MAX_BYTES)  # the real one
    play(case, 1)  # the bomb, modules
    tracemalloc.start()
    try:
        ending = play(case, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ending.outcome == (OK if case[0] == "huge_header" else declared(case))
    assert peak < 2 * MAX_BYTES
