"""The states of a ticket, and which of them an onboarding has not processed yet. Pure: no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ticket_archive_client import Manifest

MANUAL_REVIEW = "manual_review"
STAGES = {"ACCEPTED": "account_opened", "REJECTED": "rejected"}


def stage(state: Manifest) -> str:
    """Return the onboarding's stage in this state.

    Incomplete tickets (`complete` is false) and unlisted outcomes need a manual review. Missing parts may still arrive,
    in a new version, which is another step.
    """
    return STAGES.get(state.outcome or "", MANUAL_REVIEW) if state.complete else MANUAL_REVIEW


@dataclass(frozen=True)
class Record:
    """The state that an onboarding has reached."""

    version: str
    archived_at: datetime
    steps: int


def missing_states(
    newest: Manifest, record: Record | None, earlier: Callable[[str, str], Manifest | None]
) -> list[Manifest]:
    """Return the states after `record` up to `newest`, oldest first; none if the record is at `newest` or later.

    `earlier(ticket, version)` returns a state, or None if its manifest has expired. Where the chain does not lead to
    the record (manifests have expired, or the ticket was fetched again after its retention), the time decides.
    """
    chain = [newest]
    while (state := chain[-1]).previous is not None:
        if record is not None and record.version in (state.version, state.previous):
            break
        found = earlier(state.ticket, state.previous)
        if found is None:
            break
        chain.append(found)
    if record is None or chain[-1].previous == record.version or newest.archived_at > record.archived_at:
        return chain[::-1]
    return []
