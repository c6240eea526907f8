from collections import Counter

import pytest

from local.vendor import FAULTS, Endpoint, ImageType
from local.vendor.fault_plan import FaultPlan, Key, Rate, ScriptedFault
from local.vendor.pictures import DERIVED

NONE: frozenset[str] = frozenset()
DETAILS: Key = ("a", Endpoint.DETAILS, None)


def line(fault: str = "unavailable", **given: object) -> ScriptedFault:
    return ScriptedFault(**{"fault": FAULTS[fault], "endpoint": Endpoint.DETAILS, "ticket": "a", **given})  # type: ignore[arg-type]


def names(script: FaultPlan, key: Key, calls: int, requested: frozenset[str] = NONE) -> list[str | None]:
    faults = [script.next(key, requested) for _ in range(calls)]
    return [fault.name if fault else None for fault in faults]


def test_there_are_no_faults_by_default() -> None:
    assert names(FaultPlan(), DETAILS, 3) == [None, None, None]


def test_a_scripted_fault_applies_to_the_first_calls_only() -> None:
    script = FaultPlan()
    script.add(line(times=2))
    assert names(script, DETAILS, 4) == ["unavailable", "unavailable", None, None]


def test_a_fault_without_an_end_applies_until_cleared() -> None:
    script = FaultPlan()
    script.add(line(times=None))
    assert set(names(script, DETAILS, 50)) == {"unavailable"}
    script.clear()
    assert names(script, DETAILS, 1) == [None]


def test_faults_for_the_same_call_apply_in_order() -> None:
    script = FaultPlan()
    script.add(line("unavailable"))
    script.add(line("reset", times=2))
    assert names(script, DETAILS, 4) == ["unavailable", "reset", "reset", None]


@pytest.mark.parametrize(
    "key",
    [("b", Endpoint.DETAILS, None), ("a", Endpoint.IMAGES, "DOCUMENT"), (None, Endpoint.TOKEN, None)],
)
def test_a_fault_does_not_apply_to_other_calls(key: Key) -> None:
    script = FaultPlan()
    script.add(line())
    assert names(script, key, 1) == [None]


def test_a_fault_for_all_tickets_counts_per_ticket_and_type() -> None:
    script = FaultPlan()
    script.add(line("not_ready", endpoint=Endpoint.IMAGES, ticket=None))
    for ticket in ("a", "b"):
        for kind in ("DOCUMENT", "SELF_PORTRAITS"):
            assert names(script, (ticket, Endpoint.IMAGES, kind), 2) == ["not_ready", None]


def test_a_fault_for_one_type_does_not_apply_to_others() -> None:
    script = FaultPlan()
    script.add(line("not_ready", endpoint=Endpoint.IMAGES, type="DOCUMENT"))
    assert names(script, ("a", Endpoint.IMAGES, "SELF_PORTRAITS"), 1) == [None]
    assert names(script, ("a", Endpoint.IMAGES, "DOCUMENT"), 1) == ["not_ready"]


def test_a_fault_that_does_not_apply_to_the_endpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="token_expired"):
        FaultPlan().add(line("token_expired"))


def test_random_faults_do_not_depend_on_the_order_of_keys() -> None:
    keys: list[Key] = [(str(number), Endpoint.DETAILS, None) for number in range(300)]

    def drawn(order: list[Key]) -> dict[Key, list[str | None]]:
        script = FaultPlan()
        script.rate(Rate(0.3, seed=5))
        return {key: names(script, key, 3) for key in order}

    assert drawn(keys) == drawn(keys[::-1])
    faults = [fault for each in drawn(keys).values() for fault in each]
    assert 0.25 < sum(fault is not None for fault in faults) / len(faults) < 0.35
    assert len(set(faults)) > 20


def test_another_seed_chooses_other_faults() -> None:
    def drawn(seed: int) -> list[str | None]:
        script = FaultPlan()
        script.rate(Rate(0.5, seed))
        return names(script, DETAILS, 40)

    assert drawn(1) != drawn(2)


def test_a_rate_uses_only_its_faults_and_endpoints() -> None:
    script = FaultPlan()
    script.rate(Rate(1.0, faults=("reset", "stall"), endpoints=(Endpoint.DETAILS,)))
    assert set(names(script, DETAILS, 40)) == {"reset", "stall"}
    assert names(script, ("a", Endpoint.IMAGES, "DOCUMENT"), 5) == [None] * 5


def test_most_limits_the_faults_of_a_key() -> None:
    script = FaultPlan()
    script.rate(Rate(1.0, most=2))
    assert [fault is None for fault in names(script, DETAILS, 4)] == [False, False, True, True]


def test_scripted_faults_come_before_random_ones() -> None:
    script = FaultPlan()
    script.rate(Rate(1.0, faults=("reset",)))
    script.add(line("stall"))
    assert names(script, DETAILS, 2) == ["stall", "reset"]


def test_random_faults_never_look_correct() -> None:
    script = FaultPlan()
    script.rate(Rate(1.0))
    for kind in ImageType:
        drawn = Counter(names(script, ("a", Endpoint.IMAGES, kind), 3000, frozenset({kind})))
        assert "partial_list" not in drawn
        looks_absent = {"not_ready", "empty_list", "null", "no_content", "empty_body"}
        assert looks_absent & drawn.keys() == (set() if kind in DERIVED else looks_absent)


def test_a_rate_of_an_unknown_fault_is_refused() -> None:
    with pytest.raises(KeyError):
        FaultPlan().rate(Rate(1.0, faults=("gremlin",)))
