"""Brings a ticket from the vendor: details and every missing image type at once, each image stored as it arrives."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from ingest.files.parsing import InlineImage, LinkedImage
from ticket_archive.details import Details
from ticket_archive.errors import ArchiveError, DeadlineExceeded, TicketIncomplete, UnrecognizedResponse
from ticket_archive.keys import image_key, unrecognized_key
from ticket_archive.models import ImageType, StoredImage, TypeState

T = TypeVar("T")


class Vendor(Protocol):
    """Where tickets come from: `ingest.vendor.client.Preventor`."""

    def details(self, ticket: str, deadline: float) -> Details:
        """A ticket's details."""
        ...

    def files(self, ticket: str, image_type: ImageType, deadline: float) -> list[InlineImage | LinkedImage]:
        """A ticket's images of one type."""
        ...

    def linked_file(self, link: LinkedImage, deadline: float) -> InlineImage:
        """The image behind a URL."""
        ...


class Store(Protocol):
    """Where objects go: `ticket_archive.bucket.Bucket`."""

    def create(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> bool:
        """Stores an object unless its key is taken."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one attempt brought. `failures` are in the order of importance: the details' own first."""

    details: Details | None
    images: Mapping[ImageType, Sequence[StoredImage]] = field(default_factory=dict)
    absent: Collection[ImageType] = ()
    failures: Mapping[str, ArchiveError] = field(default_factory=dict)

    def state_of(self, kind: ImageType) -> TypeState:
        """What became of one type that was asked for."""
        if kind in self.images:
            return TypeState.STORED
        return TypeState.ABSENT if kind in self.absent else TypeState.FAILED


class Fetcher:
    """Runs the calls of one ticket on a pool of threads that all tickets of an invocation share."""

    def __init__(self, vendor: Vendor, bucket: Store, pool: Executor) -> None:
        self._vendor = vendor
        self._bucket = bucket
        self._pool = pool

    def into(self, bucket: Store) -> "Fetcher":
        """The same, storing elsewhere."""
        return Fetcher(self._vendor, bucket, self._pool)

    def fetch(self, ticket: str, types: Iterable[ImageType], expires_at: float, *, with_details: bool) -> Fetched:
        """Asks for the details and for each of `types`, all at once, and stores the images.

        A failure of one part never costs another part: it is in the result. Raises what the bucket raises.
        """
        wanted = list(types)
        asked = self._pool.submit(self._vendor.details, ticket, expires_at) if with_details else None
        answers = {kind: self._pool.submit(self._images, ticket, kind, expires_at) for kind in wanted}
        failures: dict[str, ArchiveError] = {}
        storing: dict[ImageType, list[Future[StoredImage]]] = {}
        absent: set[ImageType] = set()

        details = self._outcome("details", ticket, asked, expires_at, failures) if asked else None
        for kind, answer in answers.items():
            images = self._outcome(kind.value, ticket, answer, expires_at, failures)
            if images:
                storing[kind] = images
            elif images is not None and kind.uploaded:
                failures[kind.value] = TicketIncomplete("images_not_ready")
            elif images is not None:
                absent.add(kind)
        stored = self._stored(ticket, storing, expires_at, failures)
        if any(kind.uploaded and kind.value in failures for kind in wanted):
            # The derived images are cut from the uploaded ones: while those are not there, nothing is known of these.
            for kind in absent:
                failures[kind.value] = TicketIncomplete("images_not_ready")
            absent = set()
        return Fetched(details, stored, absent, failures)

    def _stored(
        self,
        ticket: str,
        storing: Mapping[ImageType, Sequence[Future[StoredImage]]],
        expires_at: float,
        failures: dict[str, ArchiveError],
    ) -> dict[ImageType, Sequence[StoredImage]]:
        """The types of which every image is stored."""
        stored: dict[ImageType, Sequence[StoredImage]] = {}
        for kind, futures in storing.items():
            images = [self._outcome(kind.value, ticket, future, expires_at, failures) for future in futures]
            complete = [image for image in images if image is not None]
            if len(complete) == len(futures):
                stored[kind] = complete
        return stored

    def _images(self, ticket: str, kind: ImageType, expires_at: float) -> list[Future[StoredImage]]:
        """One type's images on their way into the bucket, which begins before the other types have answered.

        The last of them, mostly the only one, is stored in this thread: to wake another would take longer.
        """
        images = self._vendor.files(ticket, kind, expires_at)
        store = [partial(self._store, ticket, kind, index, image, expires_at) for index, image in enumerate(images)]
        return [*map(self._pool.submit, store[:-1]), *map(_done, store[-1:])]

    def _store(
        self, ticket: str, kind: ImageType, index: int, image: InlineImage | LinkedImage, expires_at: float
    ) -> StoredImage:
        if isinstance(image, LinkedImage):
            image = self._vendor.linked_file(image, expires_at)
        digest = hashlib.sha256(image.data)
        sha256 = digest.hexdigest()
        key = image_key(ticket, kind, sha256, image.extension)
        self._bucket.create(key, image.data, image.content_type, digest.digest())
        return StoredImage(kind, index, key, sha256, len(image.data), image.content_type)

    def _outcome(
        self, part: str, ticket: str, future: Future[T], expires_at: float, failures: dict[str, ArchiveError]
    ) -> T | None:
        """A part's result, or None with its failure noted. A body that nobody understands is kept for a person."""
        try:
            return future.result(timeout=max(0.0, expires_at - time.monotonic()))
        except FutureTimeout:
            future.cancel()
            failures[part] = DeadlineExceeded(part)
        except UnrecognizedResponse as error:
            self._bucket.create(
                unrecognized_key(ticket, hashlib.sha256(error.body).hexdigest()), error.body, "application/octet-stream"
            )
            failures[part] = error
        except ArchiveError as error:
            failures[part] = error
        return None


def _done(work: Callable[[], T]) -> Future[T]:
    """As if another thread had done it."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - whoever asks for the result hears of it
        future.set_exception(error)
    try:
        return future
    finally:
        del future, work  # the error knows this frame, and would keep the image as long as itself
