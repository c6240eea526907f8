"""Fetching a ticket: everything at once, nothing at another part's cost, each image stored as it arrives."""

import gc
import hashlib
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ingest.archiving.fetcher import Fetched, Fetcher, _done
from ingest.files.parsing import LinkedImage
from tests.support.archive_harness import DOCUMENT, GHOST, PORTRAIT, SELFIES, SIGNATURE, TICKET, pictures
from tests.support.fakes import AtOnce, FakeBucket, FakeVendor, details, picture
from ticket_archive.errors import (
    ArchiveError,
    InvalidVendorResponse,
    TicketIncomplete,
    TicketNotFound,
    UnrecognizedResponse,
    VendorThrottled,
    VendorUnavailable,
    WriteConflict,
)
from ticket_archive.models import ImageType, StoredImage, TypeState

LINK = LinkedImage("https://images.example.com/1.jpg")


@pytest.fixture
def vendor() -> FakeVendor:
    vendor = FakeVendor()
    vendor.becomes(TICKET, details(), pictures())
    return vendor


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def fetch(vendor: FakeVendor, bucket: FakeBucket, *types: ImageType, with_details: bool = True) -> Fetched:
    return Fetcher(vendor, bucket, AtOnce()).fetch(
        TICKET, types or tuple(ImageType), time.monotonic() + 5, with_details=with_details
    )


def test_a_whole_ticket_has_details_images_and_absent_types(vendor: FakeVendor, bucket: FakeBucket) -> None:
    fetched = fetch(vendor, bucket)

    assert fetched.details == vendor.details_of[TICKET]
    assert {kind: len(images) for kind, images in fetched.images.items()} == {SELFIES: 2, DOCUMENT: 2, PORTRAIT: 1}
    assert set(fetched.absent) == {SIGNATURE, GHOST}
    assert fetched.failures == {}


def test_an_image_is_stored_under_its_hash_with_the_type_of_its_bytes(vendor: FakeVendor, bucket: FakeBucket) -> None:
    fetched = fetch(vendor, bucket)

    image = picture("back")
    sha256 = hashlib.sha256(image.data).hexdigest()
    key = f"tickets/{TICKET}/images/DOCUMENT/{sha256}.jpg"
    assert fetched.images[DOCUMENT][1] == StoredImage(DOCUMENT, 1, key, sha256, len(image.data), "image/jpeg")
    assert bucket[key] == image.data
    assert bucket.content_types[key] == "image/jpeg"


def test_the_vendors_order_is_kept(vendor: FakeVendor, bucket: FakeBucket) -> None:
    many = [picture(f"{index}") for index in range(9)]
    vendor.images_of[TICKET, SELFIES] = many

    fetched = fetch(vendor, bucket)

    assert [bucket[image.key] for image in fetched.images[SELFIES]] == [image.data for image in many]
    assert [image.index for image in fetched.images[SELFIES]] == list(range(9))


def test_only_what_is_asked_for_is_fetched(vendor: FakeVendor, bucket: FakeBucket) -> None:
    fetched = fetch(vendor, bucket, DOCUMENT, with_details=False)

    assert vendor.effects.log == [f"vendor.files {TICKET} DOCUMENT"]
    assert fetched.details is None
    assert fetched.failures == {}


def test_a_linked_image_is_stored_like_any_other(vendor: FakeVendor, bucket: FakeBucket) -> None:
    vendor.images_of[TICKET, DOCUMENT] = [LINK, picture("back")]
    vendor.links[LINK.url] = picture("front")

    fetched = fetch(vendor, bucket)

    assert [bucket[image.key] for image in fetched.images[DOCUMENT]] == [picture("front").data, picture("back").data]


@pytest.mark.parametrize("failing", ["details", *ImageType])
@pytest.mark.parametrize(
    "error", [VendorUnavailable("500"), VendorThrottled("429", retry_after=7.0), TicketNotFound("404")]
)
def test_one_parts_failure_costs_no_other_part(
    vendor: FakeVendor, bucket: FakeBucket, failing: str, error: ArchiveError
) -> None:
    vendor.next(str(failing), error)

    fetched = fetch(vendor, bucket)

    assert fetched.failures[str(failing)] is error
    assert (fetched.details is None) == (failing == "details")
    assert set(fetched.images) == {SELFIES, DOCUMENT, PORTRAIT} - {failing}


def test_one_image_that_cannot_be_had_fails_its_type_and_keeps_the_others(
    vendor: FakeVendor, bucket: FakeBucket
) -> None:
    vendor.images_of[TICKET, DOCUMENT] = [picture("front"), LINK]
    vendor.next(LINK.url, InvalidVendorResponse("image_url"))

    fetched = fetch(vendor, bucket)

    assert set(fetched.images) == {SELFIES, PORTRAIT}
    assert fetched.failures[DOCUMENT].detail == "image_url"
    assert fetched.state_of(DOCUMENT) is TypeState.FAILED


@pytest.mark.parametrize("part", ["details", DOCUMENT, LINK.url])
def test_a_body_that_is_not_understood_is_kept_for_a_person_and_the_neighbours_are_stored(
    vendor: FakeVendor, bucket: FakeBucket, part: str
) -> None:
    vendor.images_of[TICKET, DOCUMENT] = [LINK]
    vendor.links[LINK.url] = picture("front")
    vendor.next(str(part), UnrecognizedResponse("no_image", b"<html>Good day</html>"))

    fetched = fetch(vendor, bucket)

    [key] = bucket.keys("unrecognized")
    assert key == f"tickets/{TICKET}/unrecognized/{hashlib.sha256(b'<html>Good day</html>').hexdigest()}"
    assert bucket[key] == b"<html>Good day</html>"
    assert bucket.content_types[key] == "application/octet-stream"
    failed = "details" if part == "details" else DOCUMENT
    assert [part for part, error in fetched.failures.items() if error.code == "unrecognized_response"] == [failed]
    assert set(fetched.images) >= {SELFIES, PORTRAIT}


@pytest.mark.parametrize("kind", [SELFIES, DOCUMENT])
def test_uploaded_images_that_are_not_there_are_not_there_yet(
    vendor: FakeVendor, bucket: FakeBucket, kind: ImageType
) -> None:
    vendor.images_of[TICKET, kind] = ()

    fetched = fetch(vendor, bucket)

    assert isinstance(fetched.failures[kind], TicketIncomplete)
    assert fetched.failures[kind].detail == "images_not_ready"
    assert fetched.state_of(kind) is TypeState.FAILED


@pytest.mark.parametrize("kind", [SELFIES, DOCUMENT])
@pytest.mark.parametrize("how", ["empty", "failed"])
def test_derived_types_are_not_called_absent_while_uploaded_ones_are_missing(
    vendor: FakeVendor, bucket: FakeBucket, kind: ImageType, how: str
) -> None:
    vendor.next(kind, () if how == "empty" else VendorUnavailable("500"))

    fetched = fetch(vendor, bucket)

    assert not fetched.absent
    assert {fetched.state_of(derived) for derived in (SIGNATURE, GHOST)} == {TypeState.FAILED}
    assert fetched.state_of(PORTRAIT) is TypeState.STORED


def test_derived_types_are_absent_where_uploaded_ones_are_not_asked_for(vendor: FakeVendor, bucket: FakeBucket) -> None:
    fetched = fetch(vendor, bucket, SIGNATURE, PORTRAIT)

    assert set(fetched.absent) == {SIGNATURE}


def test_the_details_failure_comes_first(vendor: FakeVendor, bucket: FakeBucket) -> None:
    vendor.next("details", VendorUnavailable("502"))
    vendor.next(SELFIES, VendorUnavailable("503"))

    fetched = fetch(vendor, bucket)

    assert next(iter(fetched.failures)) == "details"


def test_a_bucket_that_fails_is_an_error_of_the_whole_attempt(vendor: FakeVendor, bucket: FakeBucket) -> None:
    class Broken(FakeBucket):
        def create(
            self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, limited: bool = False
        ) -> bool:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fetch(vendor, Broken())


def test_another_writer_of_the_same_object_is_a_failure_of_that_type_alone(
    vendor: FakeVendor, bucket: FakeBucket
) -> None:
    class Contended(FakeBucket):
        def create(
            self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, limited: bool = False
        ) -> bool:
            if "/DOCUMENT/" in key:
                raise WriteConflict("object")
            return super().create(key, body, content_type)

    fetched = fetch(vendor, Contended())

    assert set(fetched.images) == {SELFIES, PORTRAIT}
    assert fetched.failures[DOCUMENT].code == "superseded"


class TestOnThreads:
    @pytest.fixture
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(16) as pool:
            yield pool

    def test_every_call_is_under_way_at_the_same_time(
        self, vendor: FakeVendor, bucket: FakeBucket, pool: ThreadPoolExecutor
    ) -> None:
        together = threading.Barrier(6, timeout=5)

        def meet(when: str, name: str) -> None:
            if when == "before" and name.startswith("vendor."):
                together.wait()

        vendor.effects.hook = meet

        fetched = Fetcher(vendor, bucket, pool).fetch(TICKET, ImageType, time.monotonic() + 5, with_details=True)

        assert fetched.failures == {}

    def test_an_image_is_stored_while_another_type_is_still_on_its_way(
        self, vendor: FakeVendor, bucket: FakeBucket, pool: ThreadPoolExecutor
    ) -> None:
        stored = threading.Event()
        vendor.next(DOCUMENT, lambda: [picture("front")] if stored.wait(5) else VendorUnavailable("waited in vain"))
        bucket.effects.hook = lambda when, name: stored.set() if when == "after" and SELFIES in name else None

        fetched = Fetcher(vendor, bucket, pool).fetch(TICKET, ImageType, time.monotonic() + 10, with_details=True)

        assert fetched.failures == {}

    @pytest.mark.parametrize("stalled", ["details", *ImageType])
    def test_what_stalls_ends_with_the_deadline_and_costs_no_other_part(
        self, vendor: FakeVendor, bucket: FakeBucket, pool: ThreadPoolExecutor, stalled: str
    ) -> None:
        release = threading.Event()
        vendor.next(str(stalled), lambda: release.wait(5) and VendorUnavailable("late"))
        began = time.monotonic()
        try:
            fetched = Fetcher(vendor, bucket, pool).fetch(TICKET, ImageType, began + 0.25, with_details=True)
            took = time.monotonic() - began
        finally:
            release.set()

        assert took < 2
        assert fetched.failures[str(stalled)].code == "deadline_exceeded"
        assert set(fetched.images) == {SELFIES, DOCUMENT, PORTRAIT} - {stalled}
        assert (fetched.details is None) == (stalled == "details")


def test_a_failure_to_store_does_not_keep_the_image() -> None:
    """The queue door does without garbage collection until its first batch is done."""

    class Image:
        pass

    def store(_: Image) -> None:
        raise ValueError

    image = Image()
    gone = weakref.ref(image)
    gc.disable()
    try:
        failed = _done(partial(store, image))
        del image, failed
        assert gone() is None
    finally:
        gc.enable()
