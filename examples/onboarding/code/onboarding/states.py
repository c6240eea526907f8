"""The states of a ticket, and which of them an onboarding has not processed yet. Pure: no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SCHEMA = "idv-ticket-archive/manifest/v1"

MANUAL_REVIEW = "manual_review"
STAGES = {"ACCEPTED": "account_opened", "REJECTED": "rejected"}


@dataclass(frozen=True)
class Image:
    """An image that a manifest lists; `sha256` is in hex."""

    type: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class State:
    """A state of a ticket, as its manifest describes it."""

    ticket: str
    version: str
    previous: str | None
    outcome: str | None
    archived_at: str
    complete: bool
    images: tuple[Image, ...] = ()

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> "State":
        """Return the state in a manifest. Raises ValueError for a schema that this code does not know."""
        if manifest["schema"] != SCHEMA:
            raise ValueError("unknown manifest schema")
        images = tuple(Image(each["type"], each["sha256"], each["bytes"]) for each in manifest["images"])
        names = ("ticket", "version", "previous", "outcome", "archived_at", "complete")
        return cls(**{name: manifest[name] for name in names}, images=images)

    @property
    def stage(self) -> str:
        """Return the onboarding's stage in this state.

        A person decides where the archive could not use all that the vendor sent (`complete` is false), and on every
        outcome that is not listed. What is missing may still arrive: as a new version, which is a step of its own.
        """
        return STAGES.get(self.outcome or "", MANUAL_REVIEW) if self.complete else MANUAL_REVIEW


@dataclass(frozen=True)
class Record:
    """The state that an onboarding has reached."""

    version: str
    archived_at: str
    steps: int


def missing_states(newest: State, record: Record | None, earlier: Callable[[str, str], State | None]) -> list[State]:
    """Return the states after `record` up to `newest`, oldest first; none if the record is at `newest` or later.

    `earlier(ticket, version)` returns a state, or None if its manifest has expired. The chain then begins after it,
    and the time decides whether the record is older.
    """
    chain = [newest]
    while (state := chain[-1]).previous is not None:
        if record is not None and record.version in (state.version, state.previous):
            break
        found = earlier(state.ticket, state.previous)
        if found is None:
            return chain[::-1] if record is None or newest.archived_at > record.archived_at else []
        chain.append(found)
    oldest = chain[-1]
    if record is None or oldest.previous == record.version:
        return chain[::-1]
    return []  # the record is at one of these states, or at a later one
