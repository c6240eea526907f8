"""Which states of a ticket an onboarding has not seen yet: pure, by the manifests' chain alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SCHEMA = "idv-ticket-archive/manifest/v1"


@dataclass(frozen=True)
class Picture:
    """An image that a manifest lists; `sha256` is in hex."""

    type: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class State:
    """A state of a ticket, as its manifest has it."""

    ticket: str
    version: str
    previous: str | None
    outcome: str | None
    archived_at: str
    pictures: tuple[Picture, ...] = ()

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> "State":
        """From a manifest. Raises ValueError for a schema that this code was not written for."""
        if manifest["schema"] != SCHEMA:
            raise ValueError("another manifest schema")
        pictures = tuple(Picture(each["type"], each["sha256"], each["bytes"]) for each in manifest["images"])
        names = ("ticket", "version", "previous", "outcome", "archived_at")
        return cls(**{name: manifest[name] for name in names}, pictures=pictures)


@dataclass(frozen=True)
class Record:
    """How far an onboarding has come."""

    version: str
    archived_at: str
    steps: int


def missing_states(newest: State, at: Record | None, earlier: Callable[[str, str], State | None]) -> list[State]:
    """The states after `at` up to `newest`, the oldest first; none where `at` is that state, or a later one.

    `earlier(ticket, version)` gives a state, None where its manifest is gone (retention): then the chain begins after
    it, and only the time tells what came later.
    """
    chain = [newest]
    while (state := chain[-1]).previous is not None:
        if at is not None and at.version in (state.version, state.previous):
            break
        found = earlier(state.ticket, state.previous)
        if found is None:
            return chain[::-1] if at is None or newest.archived_at > at.archived_at else []
        chain.append(found)
    oldest = chain[-1]
    if at is None or oldest.previous == at.version:
        return chain[::-1]
    return []  # the whole chain was walked and `at` is not before it: the onboarding is there, or further
