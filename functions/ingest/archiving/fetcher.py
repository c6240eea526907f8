"""Fetch a ticket from the vendor: details and image types in parallel; each file is stored as soon as it arrives."""

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from ingest.archiving.settling import EMPTY, Observation
from ingest.files.parsing import InlineFile, LinkedFile
from ingest.vendor.client import Preventor
from ticket_archive.bucket import Bucket
from ticket_archive.details import Details
from ticket_archive.errors import (
    ArchiveError,
    DeadlineExceeded,
    InvalidTokenResponse,
    InvalidVendorResponse,
    TicketInProgress,
    TicketNotFound,
    UnrecognizedResponse,
    VendorUnavailable,
)
from ticket_archive.keys import image_key, unrecognized_key
from ticket_archive.models import DETAILS, ImageType, StoredImage, TypeState, UnrecognizedFile

T = TypeVar("T")
F = TypeVar("F", InlineFile, InlineFile | LinkedFile)
StoredFile = StoredImage | UnrecognizedFile

STORE_SECONDS = 1.0
"""No store is begun later than this after a ticket's deadline, so that every store ends before the invocation does."""


@dataclass(slots=True)
class Fetched:
    """What one attempt fetched. `observed` and `errors` are by part: an image type or DETAILS (first, if asked for)."""

    details: Details | None = None
    images: list[StoredImage] = field(default_factory=list)
    unrecognized: list[UnrecognizedFile] = field(default_factory=list)
    observed: dict[str, Observation] = field(default_factory=dict)
    errors: dict[str, ArchiveError] = field(default_factory=dict)


class Fetcher:
    """Runs the calls of one ticket on the thread pool that all tickets of an invocation share."""

    def __init__(self, vendor: Preventor, bucket: Bucket, pool: Executor, *, limited: bool = False) -> None:
        self._vendor = vendor
        self._bucket = bucket
        self._pool = pool
        self._limited = limited

    def storing(self, *, limited: bool) -> "Fetcher":
        """Return a fetcher whose files expire, if `limited`, with their ticket."""
        return Fetcher(self._vendor, self._bucket, self._pool, limited=limited)

    def fetch(
        self,
        ticket: str,
        types: Iterable[ImageType],
        deadline: float,
        *,
        with_details: bool,
        details_first: bool,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Fetched:
        """Fetch the details and the image types, and store the files.

        `details_first` asks for no image before the vendor has said that it knows the ticket, so that an event for an
        invented ticket costs one call. `meanwhile` is called while images are on their way, unless the vendor says that
        there is no such ticket, or that it is not final. The error of one part never affects another part; it is in the
        result. When this returns or raises, no thread stores anything for the ticket any more. Raises what the bucket
        and `meanwhile` raise.
        """
        fetched = Fetched()
        details = self._pool.submit(self._vendor.details, ticket, deadline) if with_details else None
        if details and details_first:
            self._read_details(ticket, details, fetched)
            if isinstance(fetched.errors.get(DETAILS), TicketNotFound | TicketInProgress):
                return fetched
        answers = {kind: self._pool.submit(self._files, ticket, kind, deadline) for kind in types}
        try:
            if details and not details_first:
                self._read_details(ticket, details, fetched)
            if not isinstance(fetched.errors.get(DETAILS), TicketNotFound | TicketInProgress):
                meanwhile()
        finally:
            wait(answers.values())
            wait(future for answer in answers.values() if answer.exception() is None for future in answer.result())
        for kind, answer in answers.items():
            self._read_files(ticket, kind, answer, fetched)
        return fetched

    def _read_details(self, ticket: str, future: Future[Details], fetched: Fetched) -> None:
        try:
            details = future.result()
            if details.facts.in_progress:
                raise TicketInProgress
        except ArchiveError as error:
            self._note_error(ticket, DETAILS, error, fetched)
        else:
            fetched.details = details
            fetched.observed[DETAILS] = Observation(TypeState.STORED)

    def _read_files(
        self, ticket: str, kind: ImageType, answer: Future[list[Future[StoredFile]]], fetched: Fetched
    ) -> None:
        try:
            files = [future.result() for future in answer.result()]
        except ArchiveError as error:
            self._note_error(ticket, kind, error, fetched)
            return
        images = [file for file in files if isinstance(file, StoredImage)]
        unrecognized = [file for file in files if isinstance(file, UnrecognizedFile)]
        fetched.images += [replace(image, index=index) for index, image in enumerate(images)]
        fetched.unrecognized += unrecognized
        if unrecognized:
            fetched.errors[kind] = UnrecognizedResponse("file", b"")
            fetched.observed[kind] = Observation(
                TypeState.UNRECOGNIZED, _digest("".join(file.sha256 for file in files))
            )
        elif images:
            fetched.observed[kind] = Observation(TypeState.STORED)
        else:
            fetched.observed[kind] = Observation(TypeState.ABSENT, EMPTY)

    def _note_error(self, ticket: str, part: str, error: ArchiveError, fetched: Fetched) -> None:
        """Record a part's error. A body that is not recognized, or an error in a 200, is kept and listed."""
        fetched.errors[part] = error
        fetched.observed[part] = Observation(TypeState.FAILED)
        if error.body is not None:
            file = self._keep_unrecognized(ticket, part, error.body)
            fetched.unrecognized.append(file)
            fetched.observed[part] = Observation(TypeState.UNRECOGNIZED, file.sha256)
        elif isinstance(error, InvalidVendorResponse) and not isinstance(error, InvalidTokenResponse):
            # Too large, redirected, or another 4xx: an answer, and as final as one that is not recognized.
            fetched.observed[part] = Observation(TypeState.UNRECOGNIZED, f"{error.code}:{error.detail}")

    def _files(self, ticket: str, kind: ImageType, deadline: float) -> list[Future[StoredFile]]:
        """Fetch one type's files and begin to store them, before the other types have answered.

        The last file, usually the only one, is stored in this thread: waking another one would take longer.
        """
        files = _whole(lambda: self._vendor.files(ticket, kind, deadline))
        store = [partial(self._store, ticket, kind, index, file, deadline) for index, file in enumerate(files)]
        return [*map(self._pool.submit, store[:-1]), *map(_done, store[-1:])]

    def _store(
        self, ticket: str, kind: ImageType, index: int, file: InlineFile | LinkedFile, deadline: float
    ) -> StoredFile:
        if isinstance(file, LinkedFile):
            link = file
            try:
                [file] = _whole(lambda: [self._vendor.linked_file(link, deadline)])
            except InvalidVendorResponse:  # an address that is not allowed, or a link that leads to nothing
                return self._keep_unrecognized(ticket, kind, link.url.encode())
        if time.monotonic() > deadline + STORE_SECONDS:
            raise DeadlineExceeded(kind.value)
        if file.format is None:
            return self._keep_unrecognized(ticket, kind, file.data)
        digest = hashlib.sha256(file.data)
        key = image_key(ticket, kind, digest.hexdigest(), file.format.extension)
        self._bucket.store(key, file.data, file.format.content_type, digest.digest(), limited=self._limited)
        return StoredImage(kind, index, key, digest.hexdigest(), len(file.data), file.format.content_type)

    def _keep_unrecognized(self, ticket: str, part: str, body: bytes) -> UnrecognizedFile:
        sha256 = hashlib.sha256(body).hexdigest()
        key = unrecognized_key(ticket, sha256)
        self._bucket.store(key, body, "application/octet-stream", limited=self._limited)
        return UnrecognizedFile(str(part), key, sha256, len(body))


def _whole(fetch: Callable[[], list[F]]) -> list[F]:
    """Return files; fetch them again if one looks cut off, and take what stays the same. Raises VendorUnavailable."""
    files = fetch()
    if _seem_whole(files):
        return files
    again = fetch()
    if again != files and not _seem_whole(again):
        raise VendorUnavailable("truncated")
    return again


def _seem_whole(files: Iterable[InlineFile | LinkedFile]) -> bool:
    return all(isinstance(file, LinkedFile) or file.complete for file in files)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _done(work: Callable[[], T]) -> Future[T]:
    """Run `work` in this thread and return its result as a future."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - raised again when the result is asked for
        future.set_exception(error)
    try:
        return future
    finally:
        del future, work  # the error refers to this frame, and would keep the file in memory
