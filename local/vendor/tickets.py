"""The tickets of a seed: any number, created on demand, the same in every process."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from local.vendor import pictures
from local.vendor.people import Document, Person, document, person
from local.vendor.pictures import DERIVED, SIDES, UPLOADED, FileFormat, ImageType, Picture, Sitter
from local.vendor.seeding import seeded
from local.vendor.shapes import Absence, Shape, Unusable

_Choice = TypeVar("_Choice")

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


@dataclass(frozen=True)
class State:
    """A test's changes of a ticket; None keeps the seed's value.

    `revision` changes the processing time and the scores, `take` replaces the files by others of the same person,
    `sizes` has the bytes of every file per type (other types are absent), `formats` the format of a type's files,
    `unusable` the types that never have a usable response. Images are ready `ready_after` seconds after the ticket's
    first request.
    """

    outcome: Outcome | None = None
    revision: int = 0
    take: int = 0
    shape: Shape | None = None
    absence: Absence | None = None
    details: DetailsForm | None = None
    sizes: tuple[tuple[ImageType, tuple[int, ...]], ...] | None = None
    flow: Flow | None = None
    envelope: Envelope | None = None
    formats: tuple[tuple[ImageType, FileFormat], ...] = ()
    unusable: tuple[tuple[ImageType, Unusable], ...] | None = None
    ready_after: float = 0.0


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
_UNUSABLE = {33: Unusable.HTML, 73: Unusable.SVG}  # of an index modulo 80: DOCUMENT_PORTRAIT

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
        """Return the ticket's UUID. The index is encoded in it, so that no list of tickets is needed."""
        tail = bytearray(hashlib.sha256(f"{self.seed}:{index}:ticket".encode()).digest()[:12])
        tail[2] = tail[2] & 0x0F | 0x40  # version 4
        tail[4] = tail[4] & 0x3F | 0x80  # RFC 9562 variant
        return str(uuid.UUID(bytes=(index ^ self._mask(bytes(tail))).to_bytes(4, "big") + bytes(tail)))

    def index(self, ticket: str) -> int:
        """Return the value for an id. Raises KeyError for an id of another seed."""
        try:
            packed = uuid.UUID(ticket).bytes
        except ValueError:
            raise KeyError(ticket) from None
        index = int.from_bytes(packed[:4], "big") ^ self._mask(packed[4:])
        if self.id(index) != ticket:
            raise KeyError(ticket)
        return index

    def ids(self, count: int, start: int = 0) -> Iterator[str]:
        """Return the ids of `count` tickets."""
        return (self.id(index) for index in range(start, start + count))

    def get(self, ticket: str, state: State | None = None) -> "Ticket":
        """Return the value for an id. Raises KeyError for an id of another seed."""
        return Ticket(self.seed, self.index(ticket), ticket, state or State(), self.scale)

    def _mask(self, tail: bytes) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}:".encode() + tail).digest()[:4], "big")


@dataclass(frozen=True)
class Ticket:
    """One verification: the person, the document, the outcome and the files, generated from the seed on first use."""

    seed: int
    index: int
    id: str
    state: State = field(default_factory=State)
    scale: float = 1.0

    @cached_property
    def person(self) -> Person:
        """Return the person in all pictures."""
        return person(seeded(self.customer, "person"))

    @cached_property
    def document(self) -> Document:
        """Return the person's document."""
        rng = seeded(self.seed, self.index, "document")
        return document(rng.choice(sorted(_DOCUMENTS)), rng)

    @property
    def outcome(self) -> Outcome:
        """Return the outcome; four in five tickets are accepted."""
        return self.state.outcome or self._choose("outcome", [Outcome.ACCEPTED] * 4 + [Outcome.REJECTED])

    @property
    def disposition(self) -> str:
        """Return the vendor's second field for the outcome."""
        return "PASSED" if self.outcome is Outcome.ACCEPTED else "FAILED"

    @property
    def shape(self) -> Shape:
        """Return the shape of the images response; a dozen consecutive tickets have every shape."""
        return self.state.shape or list(Shape)[self.index % len(Shape)]

    @property
    def absence(self) -> Absence:
        """Return the form of the response for a type without files."""
        return self.state.absence or list(Absence)[self.index % len(Absence)]

    @property
    def details_form(self) -> DetailsForm:
        """Return the form of the details; three in forty tickets are hard to store."""
        odd = {17: DetailsForm.PRECISE, 27: DetailsForm.DEEP, 37: DetailsForm.LARGE}
        return self.state.details or odd.get(self.index % 40, DetailsForm.PLAIN)

    @property
    def flow(self) -> Flow:
        """Return the flow; one ticket in ten has only a document or only a selfie."""
        return self.state.flow or _FLOWS.get(self.index % 20, Flow.DOCUMENT_AND_SELFIE)

    @property
    def envelope(self) -> Envelope:
        """Return the envelope of the details; two tickets in fifteen have one."""
        drawn = {5: Envelope.DATA, 10: Envelope.STATUS}
        return self.state.envelope or drawn.get(self.index % 15, Envelope.NONE)

    @property
    def unusable(self) -> Mapping[ImageType, Unusable]:
        """Return the types without a usable response: for one ticket in forty its portrait."""
        if self.state.unusable is not None:
            return dict(self.state.unusable)
        drawn = _UNUSABLE.get(self.index % 80)
        return {ImageType.DOCUMENT_PORTRAIT: drawn} if drawn else {}

    @property
    def customer(self) -> str:
        """Return the customer code; some customers have two tickets."""
        return f"CIF{self.seed:03d}{self.index * 5 // 6:07d}"

    @property
    def created(self) -> int:
        """Return epoch milliseconds."""
        return _DAY_ZERO_MS + self.index * 61_037

    @property
    def processed(self) -> int:
        """Return epoch milliseconds."""
        return (
            self.created
            + seeded(self.seed, self.index, "pace").randint(9_000, 240_000)
            + self.state.revision * 3_600_000
        )

    @cached_property
    def sizes(self) -> Mapping[ImageType, tuple[int, ...]]:
        """Return the intended bytes of each file per type; one ticket in fifty has a file of 4 MB."""
        if self.state.sizes is not None:
            return dict.fromkeys(ImageType, ()) | dict(self.state.sizes)
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
        for kind in _without(self.flow):
            drawn[kind] = []
        return {kind: tuple(round(size * self.scale) for size in drawn[kind]) for kind in ImageType}

    def pictures(self, kind: ImageType) -> tuple[Picture, ...]:
        """Return the files of one type in the vendor's order: selfies as taken, the document's front first."""
        return tuple(self._picture(kind, number, size) for number, size in enumerate(self.sizes[kind]))

    def _picture(self, kind: ImageType, number: int, size: int) -> Picture:
        take = f"{self.index}:{self.state.take}:{number}"
        form = self._form(kind, size, number)
        match kind:
            case ImageType.SELF_PORTRAITS:
                return pictures.selfie(self._sitter, take, form, size)
            case ImageType.DOCUMENT:
                return pictures.document_page(self._sitter, SIDES[number % 2], take, form, size)
            case ImageType.DOCUMENT_SIGNATURE:
                return pictures.signature(self._sitter, take, form, size)
            case _:
                ghost = kind is ImageType.DOCUMENT_GHOST_PORTRAIT
                return pictures.portrait(self._sitter, take, form, size, ghost=ghost)

    def _form(self, kind: ImageType, size: int, number: int) -> FileFormat:
        chosen = dict(self.state.formats) or _FORMATS.get(self.index % 20, {})
        if kind in chosen:
            return chosen[kind]
        photo = [FileFormat.JPEG, FileFormat.JPEG, FileFormat.PNG]
        forms = [FileFormat.PNG] if kind is ImageType.DOCUMENT_SIGNATURE else photo
        return self._choose(f"{kind}:{number}:form", forms if size > 400_000 else [*forms, FileFormat.WEBP])

    @cached_property
    def _sitter(self) -> Sitter:
        who, paper = self.person.latin, self.document
        lines = (
            f"{self.person.country} {paper.type.replace('_', ' ')}",
            who["surnames"],
            who["given_names"],
            f"{self.person.born:%d %b %Y}  {self.person.gender}".upper(),
            paper.number,
            f"{paper.expires:%d %b %Y}".upper(),
            who["city"],
        )
        return Sitter(self.customer, lines)

    def _choose(self, what: str, choices: list[_Choice]) -> _Choice:
        return seeded(self.seed, self.index, what).choice(choices)


def _without(flow: Flow) -> frozenset[ImageType]:
    """Return the types that a flow has no files of."""
    match flow:
        case Flow.DOCUMENT_ONLY:
            return frozenset({ImageType.SELF_PORTRAITS})
        case Flow.SELFIE_ONLY:
            return frozenset(ImageType) - {ImageType.SELF_PORTRAITS}
        case Flow.NOTHING:
            return UPLOADED | DERIVED
        case _:
            return frozenset()
