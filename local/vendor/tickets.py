"""The tickets of a seed: any number, created on demand, the same in every process."""

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import pydantic

from local.vendor.people import document, person
from local.vendor.pictures import DERIVED, FileFormat, Picture, picture
from local.vendor.seeding import seeded
from local.vendor.shapes import Absence, Shape, Unusable
from ticket_archive.models import ImageType

_DAY_ZERO_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class Outcome(StrEnum):
    """The outcome of a verification."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class Flow(StrEnum):
    """The files that the user uploads."""

    DOCUMENT_AND_SELFIE = "DOCUMENT_AND_SELFIE"
    DOCUMENT_ONLY = "DOCUMENT_ONLY"
    SELFIE_ONLY = "SELFIE_ONLY"
    NOTHING = "NOTHING"


class Envelope(StrEnum):
    """The envelope of the details."""

    NONE = "NONE"
    DATA = "DATA"  # {"status": 200, "code": "SUCCESS", "data": {…}}
    STATUS = "STATUS"  # the same, with the ticket's state two levels down: {"data": {"status": {…}}}


class DetailsForm(StrEnum):
    """Details within or beyond DynamoDB's limits of 38 digits, 32 levels and 400 KB."""

    PLAIN = "PLAIN"
    PRECISE = "PRECISE"
    DEEP = "DEEP"
    LARGE = "LARGE"


@pydantic.dataclasses.dataclass(frozen=True, eq=False, config={"extra": "forbid"})
class State:
    """A test's changes of a ticket; None keeps the seed's value. Caches use its identity as a key.

    `take` replaces the files by others of the same person, `sizes` has the bytes of every file per type (other types
    are absent), `formats` the format of a type's files, `unusable` the types that never have a usable response. Images
    are ready `ready_after` seconds after the ticket's first request.
    """

    outcome: Outcome | None = None
    take: int = 0
    shape: Shape | None = None
    absence: Absence | None = None
    details: DetailsForm | None = None
    sizes: Mapping[ImageType, tuple[int, ...]] | None = None
    flow: Flow | None = None
    envelope: Envelope | None = None
    formats: Mapping[ImageType, FileFormat] | None = None
    unusable: Mapping[ImageType, Unusable] | None = None
    ready_after: float = 0.0


UNCHANGED = State()

# Every twentieth ticket of each kind, by its index modulo 20.
_FLOWS = {9: Flow.DOCUMENT_ONLY, 14: Flow.SELFIE_ONLY}
_FORMATS: dict[int, dict[ImageType, FileFormat]] = {
    3: {ImageType.DOCUMENT: FileFormat.PDF},
    4: {ImageType.SELF_PORTRAITS: FileFormat.WEBM},
    6: {ImageType.DOCUMENT: FileFormat.HEIC, ImageType.SELF_PORTRAITS: FileFormat.HEIC},
    11: {ImageType.SELF_PORTRAITS: FileFormat.MP4},
    12: {ImageType.DOCUMENT: FileFormat.TIFF},
    13: {ImageType.DOCUMENT: FileFormat.AVIF},
    15: {ImageType.DOCUMENT_SIGNATURE: FileFormat.GIF, ImageType.DOCUMENT_PORTRAIT: FileFormat.GIF},
    16: {ImageType.DOCUMENT: FileFormat.BMP},
    18: {ImageType.DOCUMENT: FileFormat.JPEG2000},
}
# By its index modulo 15, 40 and 80.
_ENVELOPES = {5: Envelope.DATA, 10: Envelope.STATUS}
_DETAILS = {17: DetailsForm.PRECISE, 27: DetailsForm.DEEP, 37: DetailsForm.LARGE}
_UNUSABLE = {33: {ImageType.DOCUMENT_PORTRAIT: Unusable.HTML}, 73: {ImageType.DOCUMENT_PORTRAIT: Unusable.SVG}}

# The types that a flow has no files of.
_WITHOUT = {
    Flow.DOCUMENT_ONLY: frozenset({ImageType.SELF_PORTRAITS}),
    Flow.SELFIE_ONLY: frozenset(ImageType) - {ImageType.SELF_PORTRAITS},
    Flow.NOTHING: frozenset(ImageType),
}

# The number of pages of each document, and the images that are cut from it.
_DOCUMENTS: dict[str, tuple[int, frozenset[ImageType]]] = {
    "PASSPORT": (1, DERIVED),
    "ID_CARD": (2, frozenset({ImageType.DOCUMENT_PORTRAIT, ImageType.DOCUMENT_GHOST_PORTRAIT})),
    "DRIVER_LICENSE": (2, frozenset({ImageType.DOCUMENT_PORTRAIT, ImageType.DOCUMENT_SIGNATURE})),
    "RESIDENCE_PERMIT": (2, frozenset({ImageType.DOCUMENT_PORTRAIT})),
}


@dataclass(frozen=True)
class Tickets:
    """The tickets of a seed. `scale` is a factor for the size of every file; 1 gives 30 KB to 4 MB."""

    seed: int = 1
    scale: float = 1.0

    def id(self, index: int) -> str:
        """Return the ticket's UUID. It ends in the index, so that no list of tickets is needed."""
        digest = hashlib.sha256(f"{self.seed}:{index}:ticket".encode()).digest()
        return str(uuid.UUID(bytes=digest[:12] + index.to_bytes(4), version=4))

    def index(self, ticket: str) -> int:
        """Return the index of an id. Raises KeyError for an id of another seed."""
        with suppress(ValueError):
            index = int.from_bytes(bytes.fromhex(ticket[-8:]))
            if self.id(index) == ticket:
                return index
        raise KeyError(ticket)

    def ids(self, count: int, start: int = 0) -> list[str]:
        """Return the ids of `count` tickets."""
        return [self.id(index) for index in range(start, start + count)]

    def get(self, ticket: str, state: State | None = None) -> "Ticket":
        """Return the ticket of an id. Raises KeyError for an id of another seed."""
        return Ticket(self.seed, self.index(ticket), ticket, state or UNCHANGED, self.scale)


class Ticket:
    """One verification: the person, the document, the outcome and the files, generated from the seed.

    `person` is in all pictures, `shape` and `absence` are those of the images response, `unusable` has the types that
    have no usable one. `created` and `processed` are epoch milliseconds, `sizes` the intended bytes of each file.
    """

    def __init__(self, seed: int, index: int, ticket: str, state: State, scale: float) -> None:
        self.seed, self.index, self.id, self.state = seed, index, ticket, state
        self.customer = f"CIF{seed:03d}{index * 5 // 6:07d}"  # some customers have two tickets
        self.person = person(seeded(self.customer, "person"))
        rng = seeded(seed, index, "document")
        self.document = document(rng.choice(sorted(_DOCUMENTS)), rng)
        drawn = seeded(seed, index, "outcome").choice([Outcome.ACCEPTED] * 4 + [Outcome.REJECTED])
        self.outcome = state.outcome or drawn
        good, rng = self.outcome is Outcome.ACCEPTED, seeded(seed, index, "scores", self.outcome)
        self.disposition = "PASSED" if good else "FAILED"
        self.confidence_score = round(rng.uniform(86, 99.99) if good else rng.uniform(3, 60), 2)
        self.risk_code = rng.choice(("R-000", "R-010") if good else ("R-310", "R-420", "R-990"))
        self.shape = state.shape or list(Shape)[index % len(Shape)]  # a dozen consecutive tickets have every shape
        self.absence = state.absence or list(Absence)[index % len(Absence)]
        self.details_form = state.details or _DETAILS.get(index % 40, DetailsForm.PLAIN)
        self.flow = state.flow or _FLOWS.get(index % 20, Flow.DOCUMENT_AND_SELFIE)
        self.envelope = state.envelope or _ENVELOPES.get(index % 15, Envelope.NONE)
        self.unusable = _UNUSABLE.get(index % 80, {}) if state.unusable is None else state.unusable
        pace = seeded(seed, index, "pace").randint(9_000, 240_000)
        self.created = _DAY_ZERO_MS + index * 61_037
        self.processed = self.created + pace
        self.sizes = self._sizes(scale) if state.sizes is None else dict.fromkeys(ImageType, ()) | dict(state.sizes)

    def _sizes(self, scale: float) -> dict[ImageType, tuple[int, ...]]:
        """Draw the sizes; one ticket in fifty has a file of 4 MB."""
        rng = seeded(self.seed, self.index, "sizes")
        pages, derived = _DOCUMENTS[self.document.type]
        uploads = {ImageType.SELF_PORTRAITS: rng.choice((1, 2, 2, 3)), ImageType.DOCUMENT: pages}
        drawn = {kind: [round(30_000 * 12 ** rng.random()) for _ in range(count)] for kind, count in uploads.items()}
        big = drawn[rng.choice(sorted(drawn))]
        if rng.random() < 0.02:
            big[0] = 3_900_000
        elif rng.random() < 0.1:
            big[0] = rng.randint(700_000, 1_400_000)
        drawn |= {kind: [rng.randint(31_000, 60_000)] if kind in derived else [] for kind in sorted(DERIVED)}
        without = _WITHOUT.get(self.flow, frozenset())
        return {kind: tuple(round(size * scale) for size in drawn[kind] if kind not in without) for kind in ImageType}

    def pictures(self, kind: ImageType) -> tuple[Picture, ...]:
        """Return the files of one type in the vendor's order: selfies as taken, the document's front first."""
        take = f"{self.index}:{self.state.take}"
        return tuple(
            picture(self.customer, self._lines(), kind, at, f"{take}:{at}", self._form(kind, size, at), size)
            for at, size in enumerate(self.sizes[kind])
        )

    def _form(self, kind: ImageType, size: int, number: int) -> FileFormat:
        chosen = self.state.formats or _FORMATS.get(self.index % 20, {})
        if kind in chosen:
            return chosen[kind]
        photo = [FileFormat.JPEG, FileFormat.JPEG, FileFormat.PNG]
        forms = [FileFormat.PNG] if kind is ImageType.DOCUMENT_SIGNATURE else photo
        rng = seeded(self.seed, self.index, f"{kind}:{number}:form")
        return rng.choice(forms if size > 400_000 else [*forms, FileFormat.WEBP])

    def _lines(self) -> list[str]:
        """Return the document's text."""
        who, paper = self.person.latin, self.document
        return [
            f"{self.person.country} {paper.type.replace('_', ' ')}",
            who["surnames"],
            who["given_names"],
            f"{self.person.born:%d %b %Y}  {self.person.gender}".upper(),
            paper.number,
            f"{paper.expires:%d %b %Y}".upper(),
            who["city"],
        ]
