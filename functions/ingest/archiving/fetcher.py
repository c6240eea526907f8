"""Fetch a ticket from the vendor: details and image types in parallel; each file is stored as soon as it arrives."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeVar

from ingest.archiving.models import Fetched
from ingest.archiving.settling import EMPTY, Observation
from ingest.files.decoding import File, InlineFile, LinkedFile
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
)
from ticket_archive.keys import image_key, unrecognized_key
from ticket_archive.models import DETAILS, ImageType, StoredImage, TypeState, UnrecognizedFile

T = TypeVar("T")
F = TypeVar("F", InlineFile, File)
StoredFile = StoredImage | UnrecognizedFile

MAX_UNANSWERED = 4
"""Tickets that may wait for their details at the same time. Their calls reach the limit of concurrent calls; if all ten
tickets queued for it, they would end together, and nothing would be stored while the vendor works (`make bench`)."""
UNANSWERED_SECONDS = 1.0
"""How long a ticket waits for others, whose details may never come."""
STORE_SECONDS = 1.0
"""No store is begun later than this after a ticket's deadline, so that every store ends before the invocation does."""


class _Failure(NamedTuple):
    """A part's error. `file` is the body that came with it, as it is stored: a body is not kept in memory."""

    error: ArchiveError
    file: UnrecognizedFile | None = None


class Fetcher:
    """Fetches tickets on the thread pool that all tickets of an invocation share."""

    def __init__(self, vendor: Preventor, bucket: Bucket, pool: Executor) -> None:
        self._vendor = vendor
        self._bucket = bucket
        self._pool = pool
        self._unanswered = threading.Semaphore(MAX_UNANSWERED)

    def fetch(
        self,
        ticket: str,
        types: Iterable[ImageType],
        deadline: float,
        *,
        expiring: bool,
        with_details: bool,
        details_first: bool,
        on_known_ticket: Callable[[], None],
    ) -> Fetched:
        """Fetch the details and the image types, and store the files, which expire with their ticket if `expiring`.

        With `details_first`, images are requested only after the vendor has confirmed that it knows the ticket, so that
        an event for an invented ticket costs one call. `on_known_ticket` is called while images are being fetched,
        unless the ticket is unknown to the vendor or not final. The error of one part never affects another part; it is
        in the result. When this returns or raises, no thread stores anything for the ticket any more. Raises what the
        bucket and `on_known_ticket` raise.
        """
        calls = _TicketCalls(self._vendor, self._bucket, self._pool, ticket, deadline, expiring)
        fetched = Fetched()
        details = self._begin_details(calls) if with_details else None
        if details and details_first:
            _read_details(details, fetched)
            if isinstance(fetched.errors.get(DETAILS), TicketNotFound | TicketInProgress):
                return fetched
        answers = {kind: self._pool.submit(calls.files, kind) for kind in types}
        try:
            if details and not details_first:
                _read_details(details, fetched)
            if not isinstance(fetched.errors.get(DETAILS), TicketNotFound | TicketInProgress):
                on_known_ticket()
        finally:
            wait(answers.values())
            wait(store for answer in answers.values() if answer.exception() is None for store in answer.result())
        for kind, answer in answers.items():
            _read_files(kind, [store.result() for store in answer.result()], fetched)
        return fetched

    def _begin_details(self, calls: "_TicketCalls") -> Future[Details | _Failure]:
        in_turn = self._unanswered.acquire(timeout=UNANSWERED_SECONDS)
        details = self._pool.submit(calls.details)
        if in_turn:
            details.add_done_callback(lambda _: self._unanswered.release())
        return details


@dataclass(repr=False, eq=False)
class _TicketCalls:
    """The calls of one ticket, and the storing of its files."""

    vendor: Preventor
    bucket: Bucket
    pool: Executor
    ticket: str
    deadline: float
    expiring: bool

    def details(self) -> Details | _Failure:
        return self._answer(DETAILS, lambda: self.vendor.details(self.ticket, self.deadline))

    def files(self, kind: ImageType) -> list[Future[StoredFile | _Failure]]:
        """Fetch one type's files and begin to store them, before the other types have answered.

        The last file, usually the only one, is stored in this thread: waking another one would take longer.
        """
        fetch = partial(self.vendor.files, self.ticket, kind, self.deadline)
        answer = self._answer(kind, lambda: _fetch_complete(fetch))
        if isinstance(answer, _Failure):
            return [_done(lambda: answer)]
        stores = [
            partial(self._answer, kind, partial(self._store, kind, index, file)) for index, file in enumerate(answer)
        ]
        return [*map(self.pool.submit, stores[:-1]), *map(_done, stores[-1:])]

    def _answer(self, part: str, ask: Callable[[], T]) -> T | _Failure:
        """Return what `ask` returns, or its error. The error's body is stored here, in parallel with other calls."""
        try:
            return ask()
        except ArchiveError as error:
            failure, body = error, error.body
        failure.body = failure.__context__ = failure.__traceback__ = None  # whose frames hold the body, too
        if body is None:
            return _Failure(failure)
        try:
            return _Failure(failure, self._keep_unrecognized(part, body))
        except DeadlineExceeded as late:
            return _Failure(late.with_traceback(None))

    def _store(self, kind: ImageType, index: int, file: File) -> StoredFile:
        if isinstance(file, LinkedFile):
            link = file
            try:
                [file] = _fetch_complete(lambda: [self.vendor.linked_file(link, self.deadline)])
            except InvalidVendorResponse:  # an address that is not allowed, or a link that leads to nothing
                return self._keep_unrecognized(kind, link.url.encode())
        if file.format is None:
            return self._keep_unrecognized(kind, file.data)
        digest, content_type = hashlib.sha256(file.data), file.format.content_type
        sha256, size = digest.hexdigest(), len(file.data)
        key = image_key(self.ticket, kind, sha256, file.format.extension)
        self._put(key, file.data, content_type, digest.digest())
        return StoredImage(type=kind, index=index, key=key, sha256=sha256, bytes=size, content_type=content_type)

    def _keep_unrecognized(self, part: str, body: bytes) -> UnrecognizedFile:
        digest = hashlib.sha256(body)
        key = unrecognized_key(self.ticket, digest.hexdigest())
        self._put(key, body, "application/octet-stream", digest.digest())
        return UnrecognizedFile(type=part, key=key, sha256=digest.hexdigest(), bytes=len(body))

    def _put(self, key: str, body: bytes, content_type: str, sha256: bytes) -> None:
        if time.monotonic() > self.deadline + STORE_SECONDS:
            raise DeadlineExceeded("store")
        self.bucket.store(key, body, content_type, sha256, expiring=self.expiring)


def _read_details(answer: Future[Details | _Failure], fetched: Fetched) -> None:
    details = answer.result()
    if isinstance(details, _Failure):
        _record_failure(DETAILS, details, fetched)
        return
    fetched.details = details
    if details.facts.in_progress:
        _record_failure(DETAILS, _Failure(TicketInProgress()), fetched)
    else:
        fetched.observed[DETAILS] = Observation(TypeState.STORED)


def _read_files(kind: ImageType, stored: Iterable[StoredFile | _Failure], fetched: Fetched) -> None:
    answers = list(stored)
    failures = [each for each in answers if isinstance(each, _Failure)]
    files = [each for each in answers if not isinstance(each, _Failure)]
    # By key, because a file may come twice: as data and at a URL.
    images = {file.key: file for file in files if isinstance(file, StoredImage)}
    unrecognized = [file for file in files if isinstance(file, UnrecognizedFile)]
    fetched.images += [image.model_copy(update={"index": index}) for index, image in enumerate(images.values())]
    fetched.unrecognized += unrecognized
    if failures:
        _record_failure(kind, failures[0], fetched)
    elif unrecognized:
        fetched.errors[kind] = UnrecognizedResponse("file", b"")
        digest = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()
        fetched.observed[kind] = Observation(TypeState.UNRECOGNIZED, digest)
    elif images:
        fetched.observed[kind] = Observation(TypeState.STORED)
    else:
        fetched.observed[kind] = Observation(TypeState.ABSENT, EMPTY)


def _record_failure(part: str, failure: _Failure, fetched: Fetched) -> None:
    """Record a part's error. A body that is not recognized, or that came with an error, is listed."""
    error, file = failure.error, failure.file
    fetched.errors[part] = error
    fetched.observed[part] = Observation(TypeState.FAILED)
    if file is not None:
        fetched.unrecognized.append(file)
        fetched.observed[part] = Observation(TypeState.UNRECOGNIZED, file.sha256)
    elif isinstance(error, InvalidVendorResponse) and not isinstance(error, InvalidTokenResponse):
        # Too large: an answer, and as final as one that is not recognized.
        fetched.observed[part] = Observation(TypeState.UNRECOGNIZED, f"{error.code}:{error.detail}")


def _fetch_complete(fetch: Callable[[], list[F]]) -> list[F]:
    """Return the files; fetch them again if one looks truncated.

    A truncated file that is the same both times is what the vendor has. Another one loses its format: it is unusable.
    """
    files = fetch()
    if all(isinstance(file, LinkedFile) or file.complete for file in files):
        return files
    return [
        replace(file, format=None) if isinstance(file, InlineFile) and not file.complete and file not in files else file
        for file in fetch()
    ]


def _done(work: Callable[[], T]) -> Future[T]:
    """Run `work` in this thread and return its result as a future."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - raised again when the result is read
        future.set_exception(error)
    try:
        return future
    finally:
        del future, work  # the error refers to this frame, and would keep the file in memory
