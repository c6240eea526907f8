"""One attempt to fetch a ticket: stored objects, the state of each part, and calls."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingest.archiving.fetcher import STORE_SECONDS, Fetcher
from ingest.archiving.models import Fetched
from ingest.archiving.settling import Observation
from ingest.files.decoding import InlineFile, LinkedFile
from ingest.files.formats import JPEG
from tests.support.archive_harness import DOCUMENT, PORTRAIT, SELFIES, TICKET, pictures
from tests.support.fakes import AtOnce, FakeBucket, FakeVendor, details, picture
from ticket_archive.errors import (
    ArchiveError,
    DeadlineExceeded,
    InvalidTokenResponse,
    InvalidVendorResponse,
    RetryableError,
    TicketInProgress,
    TicketNotFound,
    UnrecognizedResponse,
    VendorAuthError,
    VendorUnavailable,
)
from ticket_archive.models import DETAILS, ImageType, TypeState

LINK = LinkedFile("https://images.example.com/1.jpg")
CUT_OFF = InlineFile(b"\xff\xd8\xffcut off", JPEG, complete=False)
WHOLE = picture("whole")
SVG = InlineFile(b"<svg onload=alert(1)>", None)


class Fetch:
    """Fetches from a vendor who has everything into an empty bucket."""

    def __init__(self) -> None:
        self.vendor = FakeVendor()
        self.vendor.becomes(TICKET, details(), pictures())
        self.bucket = FakeBucket()

    def __call__(
        self,
        *types: ImageType,
        pool: Any = None,
        seconds: float = 5.0,
        on_known_ticket: Any = lambda: None,
        **more: bool,
    ) -> Fetched:
        deadline = time.monotonic() + seconds
        given = {"expiring": False, "with_details": True, "details_first": False, **more}
        fetcher = Fetcher(self.vendor, self.bucket, pool or AtOnce())
        return fetcher.fetch(TICKET, types or ImageType, deadline, on_known_ticket=on_known_ticket, **given)


@pytest.fixture
def fetch() -> Fetch:
    return Fetch()


def state_of(fetched: Fetched, part: str) -> TypeState:
    return fetched.observed[part].state


@pytest.mark.parametrize("answers", [True, False])
def test_fifth_ticket_waits_while_four_have_no_response_for_details(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr("ingest.archiving.fetcher.UNANSWERED_SECONDS", 30.0 if answers else 0.1)
    vendor, asked, answer = FakeVendor(), threading.Semaphore(0), threading.Event()

    def late(ticket: str, _deadline: float) -> None:
        asked.release()
        assert answer.wait(20)
        raise TicketNotFound(ticket)

    monkeypatch.setattr(vendor, "details", late)
    with ThreadPoolExecutor(8) as calls, ThreadPoolExecutor(5) as tickets:
        fetcher = Fetcher(vendor, FakeBucket(), calls)
        for number in range(5):
            fetch = partial(fetcher.fetch, expiring=False, with_details=True, details_first=True)
            tickets.submit(fetch, f"T-{number}", [], time.monotonic() + 30, on_known_ticket=pytest.fail)
        assert all(asked.acquire(timeout=10) for _ in range(4))
        assert asked.acquire(timeout=0.5) != answers
        answer.set()
        assert not answers or asked.acquire(timeout=10)


def test_on_known_ticket_runs_during_the_fetch_of_images(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, files = threading.Event(), fetch.vendor.files

    def waiting(ticket: str, kind: ImageType, deadline: float) -> list[InlineFile | LinkedFile]:
        assert begun.wait(5)
        return files(ticket, kind, deadline)

    monkeypatch.setattr(fetch.vendor, "files", waiting)
    with ThreadPoolExecutor(6) as pool:
        fetched = fetch(pool=pool, on_known_ticket=begun.set)
    assert len(fetched.images) == len(fetch.bucket) == 5


@pytest.mark.parametrize("error", [TicketNotFound("404"), TicketInProgress()])
@pytest.mark.parametrize("details_first", [True, False])
def test_on_known_ticket_is_not_called_for_an_unknown_or_pending_ticket(
    fetch: Fetch, error: ArchiveError, details_first: bool
) -> None:
    fetch.vendor.next("details", error)
    fetch(details_first=details_first, on_known_ticket=pytest.fail)


def test_an_image_is_stored_under_its_digest_with_the_type_of_its_bytes(fetch: Fetch) -> None:
    [image] = fetch(PORTRAIT).images
    digest = sha256(picture("portrait").data).hexdigest()
    assert (image.sha256, image.key) == (digest, f"tickets/{TICKET}/images/DOCUMENT_PORTRAIT/{digest}.jpg")
    assert fetch.bucket.content_types[image.key] == image.content_type == "image/jpeg"


def test_file_that_comes_as_data_and_at_a_url_is_one_image(fetch: Fetch) -> None:
    fetch.vendor.images_of[TICKET, DOCUMENT] = [WHOLE, LINK, picture("back")]
    fetch.vendor.links[LINK.url] = WHOLE
    found = [(image.index, fetch.bucket[image.key]) for image in fetch(DOCUMENT).images]
    assert found == [(0, WHOLE.data), (1, picture("back").data)]


@pytest.mark.parametrize("error", [VendorUnavailable("503"), VendorAuthError("403"), DeadlineExceeded("vendor")])
@pytest.mark.parametrize("part", ["details", DOCUMENT.value, LINK.url])
def test_error_of_one_part_fails_no_other_part(fetch: Fetch, part: str, error: ArchiveError) -> None:
    fetch.vendor.images_of[TICKET, DOCUMENT] = [LINK]
    fetch.vendor.links[LINK.url] = WHOLE
    fetch.vendor.next(part, error)
    fetched = fetch()
    failed = DETAILS if part == "details" else DOCUMENT
    assert fetched.errors == {failed: error}
    assert [each for each, seen in fetched.observed.items() if seen.state is TypeState.FAILED] == [failed]


@pytest.mark.parametrize(
    ("answer", "code"),
    [(TicketNotFound("404"), TicketNotFound), (details("IN_PROGRESS"), TicketInProgress)],
    ids=["unknown", "in progress"],
)
def test_details_first_asks_for_no_image_of_a_ticket_that_is_unknown_or_in_progress(
    fetch: Fetch, answer: Any, code: type[RetryableError]
) -> None:
    fetch.vendor.next("details", answer)
    fetched = fetch(details_first=True)
    assert isinstance(fetched.errors[DETAILS], code)
    assert fetch.vendor.effects.named("vendor.files") == []
    assert len(fetch.bucket) == 0


def test_details_first_asks_for_images_where_the_vendor_is_only_unavailable(fetch: Fetch) -> None:
    fetch.vendor.next("details", VendorUnavailable("503"))
    assert len(fetch(details_first=True).images) == 5


@pytest.mark.parametrize("part", [DETAILS, DOCUMENT.value])
class TestAnUnusableBody:
    @pytest.mark.parametrize("kind", [UnrecognizedResponse, VendorUnavailable, InvalidVendorResponse])
    def test_is_stored_and_listed(
        self, fetch: Fetch, part: str, kind: type[UnrecognizedResponse | RetryableError]
    ) -> None:
        fetch.vendor.next("details" if part == DETAILS else part, kind("html", b"<html>"))
        fetched = fetch()
        [file] = fetched.unrecognized
        assert (file.type, file.bytes, fetch.bucket[file.key]) == (part, 6, b"<html>")
        assert file.key == f"tickets/{TICKET}/unrecognized/{sha256(b'<html>').hexdigest()}"
        assert fetch.bucket.content_types[file.key] == "application/octet-stream"
        assert fetched.observed[part] == Observation(TypeState.UNRECOGNIZED, file.sha256)

    def test_is_stored_during_the_other_calls(self, fetch: Fetch, part: str) -> None:
        """While the vendor is still busy with another part, so that it is no longer in memory."""
        stored = threading.Event()
        fetch.bucket.on_create = lambda key, _: stored.set() if "unrecognized" in key else None
        fetch.vendor.next("details" if part == DETAILS else part, UnrecognizedResponse("html", b"<html>"))
        fetch.vendor.next(SELFIES, lambda: [WHOLE] if stored.wait(5) else pytest.fail("not stored in time"))
        with ThreadPoolExecutor(6) as pool:
            assert len(fetch(pool=pool).unrecognized) == 1

    def test_is_not_kept_in_memory(self, fetch: Fetch, part: str) -> None:
        body = b"<html>" * 1000

        def answer() -> UnrecognizedResponse:
            try:
                json.loads(body)
            except ValueError:
                raise UnrecognizedResponse("html", body) from None
            raise AssertionError

        before = sys.getrefcount(body)
        fetch.vendor.next("details" if part == DETAILS else part, answer)
        fetched = fetch()
        fetch.bucket.objects.clear()
        assert isinstance(fetched.errors[part], UnrecognizedResponse)
        assert sys.getrefcount(body) == before

    def test_is_not_stored_after_the_deadline(self, fetch: Fetch, part: str) -> None:
        fetch.vendor.next("details" if part == DETAILS else part, UnrecognizedResponse("html", b"<html>"))
        fetched = fetch(DOCUMENT, seconds=-STORE_SECONDS - 1)
        assert isinstance(fetched.errors[part], DeadlineExceeded)
        assert len(fetch.bucket) == 0

    def test_of_a_refused_response_makes_the_part_unrecognized(self, fetch: Fetch, part: str) -> None:
        fetch.vendor.next("details" if part == DETAILS else part, InvalidVendorResponse("too_large"))
        fetched = fetch()
        assert fetched.observed[part] == Observation(TypeState.UNRECOGNIZED, "invalid_vendor_response:too_large")
        assert fetched.unrecognized == [], "there is no body to keep; `missing` has the code"

    def test_of_a_refused_token_makes_the_part_failed(self, fetch: Fetch, part: str) -> None:
        fetch.vendor.next("details" if part == DETAILS else part, InvalidTokenResponse("404"))
        assert state_of(fetch(), part) is TypeState.FAILED


class TestUnrecognized:
    def test_a_file_among_images_is_kept_beside_them(self, fetch: Fetch) -> None:
        fetch.vendor.images_of[TICKET, DOCUMENT] = [SVG, picture("back")]
        fetched = fetch(DOCUMENT)
        assert [(image.index, fetch.bucket[image.key]) for image in fetched.images] == [(0, picture("back").data)]
        assert [fetch.bucket[file.key] for file in fetched.unrecognized] == [SVG.data]
        fetch.vendor.images_of[TICKET, DOCUMENT] = [SVG, picture("front")]
        assert fetch(DOCUMENT).observed[DOCUMENT] != fetched.observed[DOCUMENT], (
            "another answer, which may still change"
        )
        assert state_of(fetched, DOCUMENT) is TypeState.UNRECOGNIZED

    def test_a_link_to_a_forbidden_address_is_kept_as_its_text(self, fetch: Fetch) -> None:
        fetch.vendor.images_of[TICKET, DOCUMENT] = [LinkedFile("https://10.0.0.1/x")]
        fetch.vendor.next("https://10.0.0.1/x", InvalidVendorResponse("address"))
        [file] = fetch(DOCUMENT).unrecognized
        assert fetch.bucket[file.key] == b"https://10.0.0.1/x"


class TestCutOffFiles:
    @pytest.mark.parametrize("linked", [True, False])
    @pytest.mark.parametrize("second", [CUT_OFF, WHOLE], ids=["same bytes", "whole"])
    def test_are_fetched_again_and_stored_if_unchanged(self, fetch: Fetch, linked: bool, second: InlineFile) -> None:
        if linked:
            fetch.vendor.images_of[TICKET, DOCUMENT] = [LINK]
            fetch.vendor.next(LINK.url, CUT_OFF, second)
        else:
            fetch.vendor.next(DOCUMENT, [CUT_OFF], [second])
        fetched = fetch(DOCUMENT, with_details=False)
        assert [fetch.bucket[image.key] for image in fetched.images] == [second.data]
        assert state_of(fetched, DOCUMENT) is TypeState.STORED

    def test_that_are_cut_off_elsewhere_each_time_are_unrecognized_beside_the_others(self, fetch: Fetch) -> None:
        """They are an answer, which settles: a vendor that encodes an image each time must not hold up a ticket."""
        other = InlineFile(b"\xff\xd8\xffother", JPEG, complete=False)
        fetch.vendor.next(DOCUMENT, [WHOLE, CUT_OFF], [WHOLE, other])
        fetched = fetch(DOCUMENT, with_details=False)
        assert [fetch.bucket[image.key] for image in fetched.images] == [WHOLE.data]
        assert [fetch.bucket[file.key] for file in fetched.unrecognized] == [other.data]
        assert state_of(fetched, DOCUMENT) is TypeState.UNRECOGNIZED


class TestThreads:
    @pytest.fixture
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(8) as pool:
            yield pool

    def test_all_parts_are_fetched_concurrently(self, fetch: Fetch, pool: ThreadPoolExecutor) -> None:
        fetch.vendor.effects.before("vendor.", threading.Barrier(6, timeout=5).wait)
        assert len(fetch(pool=pool).images) == 5

    @pytest.mark.parametrize("broken", ["DOCUMENT_PORTRAIT", "unrecognized", "on_known_ticket", None])
    def test_no_write_outlives_the_fetch(self, fetch: Fetch, pool: ThreadPoolExecutor, broken: str | None) -> None:
        """A PUT is slow, and perhaps another write fails; when the fetch has ended, nothing is stored."""
        fetch.vendor.next("details", UnrecognizedResponse("details_not_json", b"<p>"))

        def hook(when: str, name: str) -> None:
            if when == "before" and "SELF_PORTRAITS" in name:
                time.sleep(0.1)
            if broken and when == "before" and broken in name:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

        fetch.bucket.effects.hook = hook
        with nullcontext() if broken is None else pytest.raises(ClientError):
            fetch(pool=pool, on_known_ticket=lambda: hook("before", "on_known_ticket"))
        before = len(fetch.bucket)
        pool.shutdown()
        assert len(fetch.bucket) == before
