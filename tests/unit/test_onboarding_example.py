"""The onboarding example makes one step per state of a ticket, and asks a person about an incomplete one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onboarding.states import MANUAL_REVIEW, Record, missing_states, stage
from ticket_archive_client import Manifest


def manifest(number: int, **more: Any) -> Manifest:
    """Return a ticket's state by its number, from 1."""
    return Manifest.model_validate(
        {
            "schema": "idv-ticket-archive/manifest/v1",
            "ticket": "T-1",
            "version": f"v{number}",
            "previous": f"v{number - 1}" if number > 1 else None,
            "outcome": "ACCEPTED",
            "archived_at": datetime(2026, 1, 15, 9, 30, number, tzinfo=UTC),
            "details": None,
            "images": [],
            "absent": [],
            **more,
        }
    )


def chain(length: int) -> list[Manifest]:
    """Return a ticket's states, oldest first."""
    return [manifest(number) for number in range(1, length + 1)]


def at(state: Manifest | None) -> Record | None:
    return Record(state.version, state.archived_at, 1) if state else None


def archive(*states: Manifest) -> Any:
    kept = {state.version: state for state in states}
    return lambda _, version: kept.get(version)


def versions(states: list[Manifest]) -> list[str]:
    return [state.version for state in states]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=15))
@example([1, 1])  # again
@example([3, 0, 2])  # late
@example([0, 3])  # with those before it
def test_duplicated_and_reordered_events_make_each_step_once_and_in_order(events: list[int]) -> None:
    states = chain(5)
    made: list[Manifest] = []
    for event in events:
        made += missing_states(states[event], at(made[-1] if made else None), archive(*states[: max(events) + 1]))
    assert made == states[: max(events) + 1]


def test_oldest_existing_manifest_is_the_first_step() -> None:
    states = chain(4)
    assert versions(missing_states(states[3], None, archive(*states[2:]))) == ["v3", "v4"]


def test_state_that_follows_the_end_of_retention_is_a_step() -> None:
    renewed = manifest(5, previous=None)
    assert missing_states(renewed, at(chain(4)[3]), archive()) == [renewed]
    assert missing_states(renewed, at(manifest(6)), archive()) == []


def test_without_earlier_manifests_the_time_decides() -> None:
    states = chain(5)
    assert versions(missing_states(states[4], at(states[0]), archive(*states[3:]))) == ["v4", "v5"]
    assert missing_states(states[2], at(states[4]), archive(*states[3:])) == []


@pytest.mark.parametrize(
    ("outcome", "complete", "expected"),
    [
        ("ACCEPTED", True, "account_opened"),
        ("REJECTED", True, "rejected"),
        *((outcome, False, MANUAL_REVIEW) for outcome in ("ACCEPTED", "REJECTED")),
        *((outcome, True, MANUAL_REVIEW) for outcome in ("EXPIRED", None)),
    ],
)
def test_person_decides_about_incomplete_tickets_and_other_outcomes(
    outcome: str | None, complete: bool, expected: str
) -> None:
    assert stage(manifest(1, outcome=outcome, complete=complete)) == expected


def test_manifest_of_another_schema_is_rejected() -> None:
    with pytest.raises(ValueError, match="schema"):
        manifest(1, schema="idv-ticket-archive/manifest/v2")
