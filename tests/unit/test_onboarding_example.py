"""The example's order: one step for each state of a ticket, whatever comes twice, late or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.states import Record, State, missing_states

TICKET = "T-1"


def chain(length: int) -> list[State]:
    """A ticket's states, from its first to its newest."""
    versions = [None, *(f"v{number}" for number in range(1, length + 1))]
    return [
        State(TICKET, str(versions[at]), versions[at - 1], "ACCEPTED", f"2026-01-15T09:30:{at:02}.000000Z")
        for at in range(1, length + 1)
    ]


def at(state: State | None) -> Record | None:
    return Record(state.version, state.archived_at, 1) if state else None


def archive(*states: State) -> Any:
    kept = {state.version: state for state in states}
    return lambda _, version: kept.get(version)


def versions(states: list[State]) -> list[str]:
    return [state.version for state in states]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=15))
def test_events_in_any_order_and_number_make_every_step_once_and_in_order(events: list[int]) -> None:
    states = chain(5)
    made: list[State] = []
    for event in events:
        made += missing_states(states[event], at(made[-1] if made else None), archive(*states[: max(events) + 1]))
    assert made == states[: max(events) + 1]


def test_the_first_state_begins() -> None:
    [first] = chain(1)
    assert missing_states(first, None, archive()) == [first]


def test_the_same_state_again_is_no_step() -> None:
    states = chain(3)
    assert missing_states(states[1], at(states[1]), archive(*states)) == []


def test_an_earlier_state_that_comes_late_is_no_step() -> None:
    states = chain(4)
    assert missing_states(states[0], at(states[3]), archive(*states)) == []
    assert missing_states(states[2], at(states[3]), archive(*states)) == []


def test_a_state_that_comes_early_brings_those_before_it() -> None:
    states = chain(4)
    assert missing_states(states[3], at(states[0]), archive(*states)) == states[1:]


def test_where_earlier_manifests_are_gone_the_oldest_that_is_left_begins() -> None:
    states = chain(4)
    assert versions(missing_states(states[3], None, archive(*states[2:]))) == ["v3", "v4"]


def test_where_earlier_manifests_are_gone_the_time_tells_what_is_newer() -> None:
    states = chain(5)
    assert versions(missing_states(states[4], at(states[0]), archive(*states[3:]))) == ["v4", "v5"]
    assert missing_states(states[2], at(states[4]), archive(*states[3:])) == []


def test_a_manifest_of_another_schema_is_refused() -> None:
    manifest = {"schema": "idv-ticket-archive/manifest/v2", "images": []}
    with pytest.raises(ValueError, match="schema"):
        State.read(manifest)
