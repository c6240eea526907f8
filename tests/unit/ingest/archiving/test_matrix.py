"""Every flow, file format, response shape and timing through the real processor, client and parser, in simulated time.

A sample in which every two values meet is tested; --hypothesis-profile=full tests all 1,584 combinations.
"""

import json
import random
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from hashlib import sha256
from itertools import chain, combinations, count, cycle, product
from typing import Any, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from ingest.archiving.processor import MessageProcessor
from ingest.vendor.client import Preventor
from ingest.vendor.http import Response
from local.simulator import exactly
from local.vendor.credential import Credential
from local.vendor.details import details
from local.vendor.pictures import FileFormat, Picture
from local.vendor.service import Request, Service
from local.vendor.shapes import Absence, Shape, Unusable
from local.vendor.tickets import DetailsForm, Envelope, Flow, Tickets
from tests.support.archive_harness import COMPLETED, TICKET, ArchiveHarness, webhook
from tests.support.sample_files import FILES
from tests.support.strategies import json_values
from ticket_archive.clock import iso
from ticket_archive.details import read_stored_details
from ticket_archive.models import DETAILS, ImageType, TicketItem, TicketState, TypeState
from ticket_archive.secrets import VendorCredential

ORIGIN = "https://api.preventor.com"
SETTLE_TIME = timedelta(minutes=2)
CREDENTIAL = Credential.generate(1)

AT_ONCE, LATE, NEVER = 0.0, 60.0, float("inf")
Combination = tuple[Flow, FileFormat, Shape, Envelope, Absence, float]
VALUES: list[Sequence[Any]] = [[*each] for each in (Flow, FileFormat, Shape, Envelope, Absence, (AT_ONCE, LATE, NEVER))]


def pairwise_sample() -> list[Combination]:
    """Return combinations in which every two values of different dimensions meet: every format in every shape, and
    the other values in turns. Where the turns leave a pair out, the first combination that has it is added.
    """
    turns = [(i + j, i, j, i + j, i + 2 * j, i // 3 + j) for i, j in product(*(range(len(VALUES[n])) for n in (1, 2)))]
    every = [tuple(values[n % len(values)] for n, values in zip(turn, VALUES, strict=True)) for turn in turns]
    missing = {((a, x), (b, y)) for a, b in combinations(range(6), 2) for x, y in product(VALUES[a], VALUES[b])}
    sample: list[Any] = []
    for combination in chain(every, product(*VALUES)):
        if pairs := missing.intersection(combinations(enumerate(combination), 2)):
            missing -= pairs
            sample.append(combination)
        if not missing:
            break
    return sample


def full_product() -> list[Combination]:
    """Return every flow, format, shape and time, each with an envelope and an empty answer that a seed draws."""
    rng = random.Random(1)
    return [
        (flow, form, shape, rng.choice(list(Envelope)), rng.choice(list(Absence)), time)
        for flow, form, shape, time in product(Flow, FileFormat, Shape, (AT_ONCE, LATE, NEVER))
    ]


COMBINATIONS = full_product() if settings.get_current_profile_name() == "full" else pairwise_sample()


class Http:
    """`ingest.vendor.http.HttpClient` that answers from a function of the request."""

    def __init__(self, answer: Callable[[Request], tuple[int, bytes, str]]) -> None:
        self._answer = answer

    def send(self, method: str, url: str, *, headers: Mapping[str, str], **_: Any) -> Response:
        lower = {name.lower(): value for name, value in headers.items()}
        status, body, content_type = self._answer(Request(method, url.removeprefix(ORIGIN), lower))
        return Response(status, CaseInsensitiveDict(), body, content_type.partition(";")[0])


def processor(harness: ArchiveHarness, http: Http) -> MessageProcessor:
    credential = VendorCredential(**asdict(CREDENTIAL))
    vendor = Preventor(ORIGIN, lambda **_: credential, cast("Any", http), sleep=lambda _: None)
    return harness.processor(vendor=vendor)


def archive(harness: ArchiveHarness, http: Http, ticket: str) -> TicketItem:
    """Deliver the ticket's webhook and everything that follows; return the item."""
    message = webhook({**COMPLETED, "ticket": ticket}, received_at=iso(harness.clock()))
    began = harness.clock()
    harness.deliver_message(message, processor(harness, http))
    item = harness.table[ticket]
    assert item.state is TicketState.ARCHIVED
    assert harness.clock() - began < SETTLE_TIME + timedelta(minutes=1)
    harness.check(ticket)
    return item


_indices = count()


def archive_from_simulator(**state: Any) -> tuple[ArchiveHarness, Service, str, TicketItem]:
    harness = ArchiveHarness(settle_time=SETTLE_TIME)
    tickets = Tickets(scale=0.01)
    ticket = tickets.id(next(_indices))
    service = Service(tickets, CREDENTIAL, clock=lambda: harness.clock().timestamp())
    service.base_url = ORIGIN
    service.change(ticket, **state)

    def answer(request: Request) -> tuple[int, bytes, str]:
        response = service.respond(request)
        return response.status, response.body, response.content_type

    return harness, service, ticket, archive(harness, Http(answer), ticket)


def check_archived(
    harness: ArchiveHarness, item: TicketItem, expected: Mapping[ImageType, Sequence[Picture]], *, complete: bool
) -> None:
    """Compare images, objects and manifest with the vendor's files, byte by byte."""
    images = [
        (kind, index, picture.sha256, len(picture.data), picture.content_type)
        for kind, pictures in expected.items()
        for index, picture in enumerate(pictures)
    ]
    found = [(each.type, each.index, each.sha256, each.bytes, each.content_type) for each in item.images]
    assert found == images
    stored = [harness.bucket[image.key] for image in item.images]
    assert stored == [picture.data for pictures in expected.values() for picture in pictures]
    [manifest] = harness.bucket.manifests(item.ticket)
    assert manifest["images"] == [image.model_dump() for image in item.images]
    assert manifest["complete"] is item.complete is complete
    assert manifest["version"] == item.version
    assert manifest["absent"] == [kind for kind in ImageType if item.types[kind] is TypeState.ABSENT]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda each: "-".join(str(value) for value in each))
def test_ticket_ends_archived_byte_by_byte(combination: Combination) -> None:
    flow, form, shape, envelope, absence, ready_after = combination
    harness, service, ticket, item = archive_from_simulator(
        flow=flow,
        formats=dict.fromkeys(ImageType, form),
        shape=shape,
        envelope=envelope,
        absence=absence,
        ready_after=ready_after,
        unusable={},
        details=DetailsForm.PLAIN,
    )
    known = service.ticket(ticket)
    expected = {kind: known.pictures(kind) if ready_after != NEVER else () for kind in ImageType}

    check_archived(harness, item, expected, complete=True)
    assert {image.content_type for image in item.images} <= {form}
    assert item.types == {
        kind: TypeState.STORED if pictures else TypeState.ABSENT for kind, pictures in expected.items()
    }
    assert (item.outcome, item.attributes["customer"]) == (known.outcome, known.customer)
    assert exactly(read_stored_details(item.attributes, harness.bucket)) == exactly(json.dumps(details(known)))


@pytest.mark.parametrize(("kind", "unusable"), [*zip(ImageType, cycle(Unusable))])
def test_unusable_type_is_unrecognized_and_the_rest_archived(kind: ImageType, unusable: Unusable) -> None:
    harness, service, ticket, item = archive_from_simulator(
        flow=Flow.DOCUMENT_AND_SELFIE, unusable={kind: unusable}, shape=Shape.DATA_URIS
    )
    known = service.ticket(ticket)
    expected = {each: () if each is kind else known.pictures(each) for each in ImageType}
    check_archived(harness, item, expected, complete=False)
    assert item.types[kind] is TypeState.UNRECOGNIZED
    [file] = item.unrecognized
    assert (file.type, len(harness.bucket[file.key])) == (kind, file.bytes)


JPEG = FILES["jpeg"][0]
BASE64 = b64encode(JPEG).decode()
TYPES = (ImageType.SELF_PORTRAITS, ImageType.DOCUMENT, ImageType.DOCUMENT_PORTRAIT)
URLS = ["https://images.example.com/x", "http://169.254.169.254/", "/1.jpg", "//["]
TEXTS = [f"data:image/jpeg;base64,{BASE64}", BASE64, *URLS, "", "PASSED"]
KEYS = ["images", "image", "url", "type", "data", "status", "code", "documentFront", "ticket"]
JSON_VALUES = json_values(
    st.sampled_from(TEXTS),
    numbers=st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    keys=st.text(max_size=5) | st.sampled_from(KEYS),
)

ERRORS = st.fixed_dictionaries(
    {
        "status": st.sampled_from([200, 400, 409, 422, 500, 503, "FAILED"]),
        "code": st.sampled_from(["BDRQST", "INTRNL", 422, "500"]) | st.text(max_size=5),
    },
    optional={"message": JSON_VALUES, "ticket": st.just(TICKET)},
)


@given(
    answers=st.fixed_dictionaries(dict.fromkeys(TYPES, JSON_VALUES | ERRORS)),
    details=JSON_VALUES
    | ERRORS
    | st.dictionaries(st.text(), JSON_VALUES).map(lambda more: {**more, "flow_status": "ACCEPTED"}),
    lost=st.fixed_dictionaries(dict.fromkeys([DETAILS, *TYPES], st.sampled_from([0, 0, 1, 9]))),
)
def test_whatever_json_the_vendor_answers_is_archived_and_reads_back_identical(
    answers: Mapping[ImageType, object], details: object, lost: Mapping[str, int]
) -> None:
    """`lost` is how many of each body's last bytes never come. The codes of errors that pass are not archived."""
    bodies = {part: json.dumps(each).encode() for part, each in [(DETAILS, details), *answers.items()]}
    bodies = {part: body[: len(body) - lost[part]] for part, body in bodies.items()}
    assume(not any(code in body for code in (b"401", b"403", b"404", b"429") for body in bodies.values()))

    def answer(request: Request) -> tuple[int, bytes, str]:
        if request.path.endswith("/token"):
            return 200, b'{"token": "t", "expires_in": 3600}', "application/json"
        return 200, bodies[request.types or DETAILS], "application/json"

    harness = ArchiveHarness(image_types=TYPES, settle_time=SETTLE_TIME)

    item = archive(harness, Http(answer), TICKET)

    if item.details_sha256 is not None:
        assert exactly(read_stored_details(item.attributes, harness.bucket)) == exactly(bodies[DETAILS])
    else:
        assert harness.bucket[item.unrecognized[0].key] == bodies[DETAILS]
    assert TypeState.FAILED not in item.types.values()
    for image in item.images:
        assert harness.bucket[image.key] == JPEG
    for file in item.unrecognized:
        assert sha256(harness.bucket[file.key]).hexdigest() == file.sha256
    assert item.complete is (item.details_sha256 is not None and not item.unrecognized)
