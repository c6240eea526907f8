"""The tickets of a seed: as many as wanted, each made when it is first asked for, the same in every process."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from local.vendor import pictures
from local.vendor.people import Document, Person, document, person
from local.vendor.pictures import DERIVED, SIDES, ImageType, Picture, Sitter
from local.vendor.seeding import chance
from local.vendor.shapes import Absence, Shape

_Choice = TypeVar("_Choice")

_DAY_ZERO_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class Outcome(StrEnum):
    """How a verification ended."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"


class DetailsForm(StrEnum):
    """What the details are like to a store that takes 38 digits, 32 levels and 400 KB."""

    PLAIN = "PLAIN"
    PRECISE = "PRECISE"
    DEEP = "DEEP"
    LARGE = "LARGE"


@dataclass(frozen=True)
class State:
    """What a test may change of a ticket; `None` leaves what the seed drew.

    `revision` moves the processing time and the scores, `take` replaces the pictures by new ones of the same person,
    `sizes` gives the bytes of every picture per type (a type that is not named is absent).
    """

    outcome: Outcome | None = None
    revision: int = 0
    take: int = 0
    shape: Shape | None = None
    absence: Absence | None = None
    details: DetailsForm | None = None
    sizes: tuple[tuple[ImageType, tuple[int, ...]], ...] | None = None


# Which pictures can be cut from which document, and how many pages it has.
_DOCUMENTS: dict[str, tuple[int, frozenset[ImageType]]] = {
    "PASSPORT": (1, DERIVED),
    "ID_CARD": (2, frozenset({ImageType.DOCUMENT_PORTRAIT, ImageType.DOCUMENT_GHOST_PORTRAIT})),
    "DRIVER_LICENSE": (2, frozenset({ImageType.DOCUMENT_PORTRAIT, ImageType.DOCUMENT_SIGNATURE})),
    "RESIDENCE_PERMIT": (2, frozenset({ImageType.DOCUMENT_PORTRAIT})),
}


@dataclass(frozen=True)
class Tickets:
    """`scale` multiplies the size of every picture: 0.1 makes a long run cheap, 1 gives 30 KB to 4 MB."""

    seed: int = 1
    scale: float = 1.0

    def id(self, index: int) -> str:
        """The ticket's UUID. It hides its index, so that a ticket is known by its id without a list of all."""
        tail = bytearray(hashlib.sha256(f"{self.seed}:{index}:ticket".encode()).digest()[:12])
        tail[2] = tail[2] & 0x0F | 0x40  # version 4
        tail[4] = tail[4] & 0x3F | 0x80  # RFC 9562 variant
        return str(uuid.UUID(bytes=(index ^ self._mask(bytes(tail))).to_bytes(4, "big") + bytes(tail)))

    def index(self, ticket: str) -> int:
        """Raises `KeyError` for an id that is not one of this seed."""
        try:
            packed = uuid.UUID(ticket).bytes
        except ValueError:
            raise KeyError(ticket) from None
        index = int.from_bytes(packed[:4], "big") ^ self._mask(packed[4:])
        if self.id(index) != ticket:
            raise KeyError(ticket)
        return index

    def ids(self, count: int, start: int = 0) -> Iterator[str]:
        """The ids of `count` tickets."""
        return (self.id(index) for index in range(start, start + count))

    def get(self, ticket: str, state: State | None = None) -> "Ticket":
        """Raises `KeyError` for an id that is not one of this seed."""
        return Ticket(self.seed, self.index(ticket), ticket, state or State(), self.scale)

    def _mask(self, tail: bytes) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}:".encode() + tail).digest()[:4], "big")


@dataclass(frozen=True)
class Ticket:
    """One verification: who, with which document, how it ended, and the pictures. Made from the seed on first use."""

    seed: int
    index: int
    id: str
    state: State = field(default_factory=State)
    scale: float = 1.0

    @cached_property
    def person(self) -> Person:
        """The customer, whom all pictures show."""
        return person(chance(self.customer, "person"))

    @cached_property
    def document(self) -> Document:
        """The one document that was shown."""
        dice = chance(self.seed, self.index, "document")
        return document(dice.choice(sorted(_DOCUMENTS)), dice)

    @property
    def outcome(self) -> Outcome:
        """Four of five are accepted."""
        return self.state.outcome or self._drawn("outcome", [Outcome.ACCEPTED] * 4 + [Outcome.REJECTED])

    @property
    def disposition(self) -> str:
        """The vendor's other word for the outcome."""
        return "PASSED" if self.outcome is Outcome.ACCEPTED else "FAILED"

    @property
    def shape(self) -> Shape:
        """How the pictures travel: neighbours differ, so that any run of a dozen tickets has every shape."""
        return self.state.shape or list(Shape)[self.index % len(Shape)]

    @property
    def absence(self) -> Absence:
        """How a type without pictures is answered."""
        return self.state.absence or list(Absence)[self.index % len(Absence)]

    @property
    def details_form(self) -> DetailsForm:
        """Three in forty are hard to store."""
        odd = {17: DetailsForm.PRECISE, 27: DetailsForm.DEEP, 37: DetailsForm.LARGE}
        return self.state.details or odd.get(self.index % 40, DetailsForm.PLAIN)

    @property
    def customer(self) -> str:
        """The customer's code: some customers come back with a second ticket."""
        return f"CIF{self.seed:03d}{self.index * 5 // 6:07d}"

    @property
    def created(self) -> int:
        """Epoch milliseconds."""
        return _DAY_ZERO_MS + self.index * 61_037

    @property
    def processed(self) -> int:
        """Epoch milliseconds."""
        return (
            self.created
            + chance(self.seed, self.index, "pace").randint(9_000, 240_000)
            + self.state.revision * 3_600_000
        )

    @cached_property
    def sizes(self) -> Mapping[ImageType, tuple[int, ...]]:
        """The bytes aimed at, per type and picture; an absent type has none. One ticket in fifty has 4 MB."""
        if self.state.sizes is not None:
            return dict.fromkeys(ImageType, ()) | dict(self.state.sizes)
        dice = chance(self.seed, self.index, "sizes")
        pages, derived = _DOCUMENTS[self.document.type]
        uploads = {ImageType.SELF_PORTRAITS: dice.choice((1, 2, 2, 3)), ImageType.DOCUMENT: pages}
        drawn = {kind: [round(30_000 * 12 ** dice.random()) for _ in range(count)] for kind, count in uploads.items()}
        big = drawn[dice.choice(sorted(drawn))]
        if dice.random() < 0.02:
            big[0] = 3_900_000
        elif dice.random() < 0.1:
            big[0] = dice.randint(700_000, 1_400_000)
        drawn |= {kind: [dice.randint(31_000, 60_000)] if kind in derived else [] for kind in sorted(DERIVED)}
        return {kind: tuple(round(size * self.scale) for size in drawn[kind]) for kind in ImageType}

    def pictures(self, kind: ImageType) -> tuple[Picture, ...]:
        """The files of one type, in the vendor's order; selfies as taken, the document's front first."""
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

    def _form(self, kind: ImageType, size: int, number: int) -> str:
        forms = ["PNG"] if kind is ImageType.DOCUMENT_SIGNATURE else ["JPEG", "JPEG", "PNG"]
        return self._drawn(f"{kind}:{number}:form", forms if size > 400_000 else [*forms, "WEBP"])

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

    def _drawn(self, what: str, choices: list[_Choice]) -> _Choice:
        return chance(self.seed, self.index, what).choice(choices)
