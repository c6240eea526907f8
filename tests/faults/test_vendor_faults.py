"""Every fault of the vendor simulator at each of its endpoints, against the real client over loopback.

Each ends in its declared outcome, by its deadline: once with the fault in every response, and once with the fault in
the first only. `test_transport_on_sockets.py` tests the wire byte by byte, and the memory that a response takes.
"""

import itertools
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import NamedTuple

import pytest

from ingest.files.decoding import LinkedFile
from ingest.vendor import client as client_module
from ingest.vendor.client import Preventor
from ingest.vendor.http import HttpClient
from local.vendor.faults import FAULTS
from local.vendor.server import Simulator
from local.vendor.service import Endpoint
from local.vendor.shapes import Shape
from ticket_archive.errors import ArchiveError
from ticket_archive.models import ImageType
from ticket_archive.secrets import VendorCredential

CAP = 2_000_000
GRACE = 1.0


class Limits(NamedTuple):
    """Seconds: for the whole call, and for one attempt. `at_once` cases run at the same time."""

    call: float
    attempt: float
    at_once: int


PATIENT = Limits(call=30.0, attempt=20.0, at_once=6)
"""A busy machine must not turn another fault into a time-out, which would be retried."""
SHORT = Limits(call=6.0, attempt=2.0, at_once=16)
"""For the faults that only a time-out ends."""
SLOW = ("drip_body", "drip_headers", "stall", "stall_body")

TOKEN, DETAILS, IMAGES, PICTURE = Endpoint
OK = "ok"
NOTHING = "no images"
UNSERVED = "a file that is never served"
CUT_OFF = "a file that is not complete"

THROTTLED = "vendor_throttled: 429"
UNAVAILABLE = "vendor_unavailable: {}".format
INVALID = "invalid_vendor_response: {}".format
UNRECOGNIZED = "unrecognized_response: {}".format
AUTH = "vendor_auth_error: {}".format
NO_TOKEN, NOT_JSON = INVALID("token_missing"), UNRECOGNIZED("details_not_json")
UNKNOWN_JSON = (NO_TOKEN, UNRECOGNIZED("no_ticket"), UNRECOGNIZED("no_file"))
PAGE = (NO_TOKEN, NOT_JSON, UNRECOGNIZED("html"), UNSERVED)
SERVER_ERROR = (*[UNAVAILABLE(500)] * 3, UNSERVED)

OUTCOMES: Mapping[str, str | tuple[str | None, ...]] = {
    # at every endpoint, or at: token, details, images, picture (the fault does not exist at the others)
    **dict.fromkeys((name for name in FAULTS if name.startswith("throttled")), THROTTLED),
    "server_error": UNAVAILABLE(500),
    "bad_gateway": UNAVAILABLE(502),
    "unavailable": UNAVAILABLE(503),
    "unavailable_retry_after": UNAVAILABLE(503),
    "gateway_timeout": UNAVAILABLE(504),
    "forbidden": (*[AUTH(403)] * 3, INVALID(403)),
    "bad_request": INVALID(400),
    "odd_status": INVALID(299),
    "error_as_200": SERVER_ERROR,
    "not_found_as_200": (None, "ticket_not_found: 404", NOTHING),
    "details_of_another_ticket": UNRECOGNIZED("other_ticket"),
    "details_without_outcome": OK,
    "unauthorized": AUTH(401),
    "redirect": (*[INVALID("redirect")] * 2, INVALID("image_url"), INVALID("redirect")),
    "not_ready": (None, "ticket_not_found: 404", NOTHING),
    "empty_list": NOTHING,
    "null": (None, UNRECOGNIZED("details_not_an_object"), NOTHING),
    "no_content": (None, NOT_JSON, NOTHING),
    "empty_body": (NO_TOKEN, NOT_JSON, NOTHING, UNSERVED),
    "partial_list": "1 images",
    "html": PAGE,
    "html_as_json": PAGE,
    "json_error_as_image": SERVER_ERROR,
    "unknown_shape": UNKNOWN_JSON,
    "scalar": (NO_TOKEN, UNRECOGNIZED("details_not_an_object"), UNRECOGNIZED("no_file")),
    "too_deep": (INVALID("too_large"), UNRECOGNIZED("details_too_deep"), UNRECOGNIZED("too_deep")),
    "long_number": UNKNOWN_JSON,
    "not_a_number": UNKNOWN_JSON,
    "lone_surrogate": UNKNOWN_JSON,
    "bad_utf8": (NO_TOKEN, UNRECOGNIZED("no_ticket"), UNRECOGNIZED("no_file")),
    "invalid_json": (NO_TOKEN, UNAVAILABLE("truncated"), UNAVAILABLE("truncated")),
    "mislabelled": OK,
    "truncated_image": CUT_OFF,
    "html_as_image": UNSERVED,
    "svg_as_image": UNSERVED,
    "empty_image": (None, None, NOTHING, UNSERVED),
    "bad_base64": UNSERVED,
    "private_url": INVALID("image_url"),
    "token_missing": NO_TOKEN,
    "token_without_expiry": AUTH(401),
    "token_of_another_type": NO_TOKEN,
    "token_without_expiracy": OK,
    "token_expired": AUTH(401),
    "reset": UNAVAILABLE("reset"),
    "reset_midway": UNAVAILABLE("reset"),
    "hang_up": UNAVAILABLE("reset"),
    "cut_off": UNAVAILABLE("truncated"),
    "cut_off_unsized": (NO_TOKEN, UNAVAILABLE("truncated"), UNAVAILABLE("truncated"), CUT_OFF),
    "cut_off_chunked": UNAVAILABLE("truncated"),
    "drip_body": UNAVAILABLE("deadline"),
    "drip_headers": UNAVAILABLE("deadline"),
    "stall": UNAVAILABLE("deadline"),
    "stall_body": UNAVAILABLE("deadline"),
    "gzip_bomb": INVALID("too_large"),
    "bad_gzip": OK,
    "cut_off_gzip": UNAVAILABLE("truncated"),
    "huge_body": INVALID("too_large"),
    "endless_body": INVALID("too_large"),
    "huge_header": UNAVAILABLE("protocol"),
    "bad_length": UNAVAILABLE("protocol"),
    "garbage": UNAVAILABLE("protocol"),
}
"""`code: detail` of the client's error. `ingest.archiving` decides what an unrecognized body and an empty list mean."""

REPLACED = ("unauthorized", "token_without_expiry", "token_expired")
"""Faults of a token that looks valid: it is replaced once."""


@dataclass(frozen=True)
class Ending:
    """`calls` counts those of the endpoint."""

    outcome: str
    seconds: float
    calls: int


Case = tuple[str, Endpoint]
CASES: list[Case] = [
    (name, endpoint) for name, fault in FAULTS.items() for endpoint in Endpoint if endpoint in fault.endpoints
]


def limits_of(case: Case) -> Limits:
    return SHORT if case[0] in SLOW else PATIENT


def play(case: Case, times: int | None) -> Ending:
    """Return how one call ends while the simulator has the fault `times` times (None: always)."""
    name, endpoint = case
    limits = limits_of(case)
    with Simulator(pause=0.05, hold_seconds=5) as vendor:
        ticket = vendor.ids(1)[0]
        shape = Shape.URLS if endpoint is PICTURE else Shape.DATA_URIS
        vendor.state(ticket, shape=shape, sizes={ImageType.DOCUMENT: [2500, 2500]})
        vendor.script(name, endpoint, times=times)
        credential = VendorCredential(**asdict(vendor.service.credential))
        client = Preventor(vendor.url, lambda **_: credential, HttpClient())
        began = time.monotonic()
        try:
            outcome = ask(client, endpoint, ticket, began + limits.call)
        except ArchiveError as error:
            outcome = str(error)
        seconds = time.monotonic() - began
        calls = [call for call in vendor.calls() if call["endpoint"] == endpoint]
        assert not [call for call in vendor.calls() if call["endpoint"] in ("elsewhere", "unknown")]
        return Ending(outcome, seconds, len(calls))


def ask(client: Preventor, endpoint: Endpoint, ticket: str, deadline: float) -> str:
    """Call the endpoints up to this one, as the archive does; return the outcome."""
    if endpoint in (TOKEN, DETAILS):
        return OK if client.details(ticket, deadline).facts.tickets == ((ticket,),) else "other details"
    images = client.files(ticket, ImageType.DOCUMENT, deadline)
    if not images:
        return NOTHING
    fetched = [client.linked_file(image, deadline) if isinstance(image, LinkedFile) else image for image in images]
    if any(file.format is None for file in fetched):
        return UNSERVED
    if not all(file.complete for file in fetched):
        return CUT_OFF
    return OK if len(fetched) == 2 else f"{len(fetched)} images"


def declared(case: Case) -> str | None:
    name, endpoint = case
    outcome = OUTCOMES[name]
    return outcome if isinstance(outcome, str) else dict(zip(Endpoint, outcome, strict=False)).get(endpoint)


AGAIN = [case for case in CASES if case[0] in REPLACED or str(declared(case)).startswith("vendor_unavailable")]
"""Those after which the client asks again. Any other is one call, so that a single fault is a lasting one."""

Endings = Mapping[Case, Ending]


@pytest.fixture(scope="module")
def endings() -> tuple[Endings, Endings]:
    """Return every case's ending with the fault in every response, and with the fault once where it is asked again."""
    for_ever: dict[Case, Ending] = {}
    once: dict[Case, Ending] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "MAX_RESPONSE_BYTES", CAP)
        for limits in (PATIENT, SHORT):
            patch.setattr(client_module, "ATTEMPT_TIMEOUTS", (limits.attempt,) * 3)
            with ThreadPoolExecutor(limits.at_once) as pool:
                for endings, times, all_cases in ((for_ever, None, CASES), (once, 1, AGAIN)):
                    cases = [case for case in all_cases if limits_of(case) is limits]
                    endings |= zip(cases, pool.map(play, cases, itertools.repeat(times)), strict=True)
    return for_ever, once


def test_every_fault_has_a_declared_outcome() -> None:
    assert OUTCOMES.keys() == FAULTS.keys()
    for endpoint in (TOKEN, DETAILS, IMAGES):
        assert len([case for case in CASES if case[1] is endpoint]) >= 40
    by_endpoint = [(name, at) for name, outcome in OUTCOMES.items() if not isinstance(outcome, str) for at in Endpoint]
    assert {case for case in by_endpoint if declared(case)} == set(by_endpoint) & set(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_lasting_fault_ends_as_declared(case: Case, endings: tuple[Endings, Endings]) -> None:
    ending = endings[0][case]
    assert ending.outcome == declared(case)
    assert ending.seconds < limits_of(case).call + GRACE
    both_files = case[1] is PICTURE and ending.outcome in (OK, UNSERVED, CUT_OFF)  # the first is no failure
    twice = case[0] in REPLACED or both_files
    tries = 3 if ending.outcome.startswith("vendor_unavailable") else 2 if twice else 1
    assert ending.calls <= tries


@pytest.mark.parametrize("case", AGAIN, ids=lambda case: f"{case[0]}-{case[1]}")
def test_single_fault_costs_a_retry_at_most(case: Case, endings: tuple[Endings, Endings]) -> None:
    ending = endings[1][case]
    assert ending.outcome == (declared(case) if case[0] == "unavailable_retry_after" else OK)
    assert ending.seconds < limits_of(case).call + GRACE
