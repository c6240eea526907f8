from typing import Any

import pytest

from local.vendor.fault_plan import FaultPlan, Key
from local.vendor.faults import Endpoint
from local.vendor.pictures import DERIVED, ImageType

DETAILS: Key = ("a", Endpoint.DETAILS, None)
DOCUMENT: Key = ("a", Endpoint.IMAGES, "DOCUMENT")
SELFIES: Key = ("a", Endpoint.IMAGES, "SELF_PORTRAITS")


def plan(*scripted: dict[str, Any], **rate: Any) -> FaultPlan:
    made = FaultPlan()
    for each in scripted:
        made.script(**({"endpoint": "details"} | each))
    if rate:
        made.rate(**rate)
    return made


def names(faults: FaultPlan, key: Key, calls: int, requested: frozenset[str] = frozenset()) -> list[str | None]:
    drawn = [faults.next(key, requested) for _ in range(calls)]
    return [fault.name if fault else None for fault in drawn]


def test_fault_for_all_tickets_counts_per_ticket_and_type() -> None:
    made = plan({"fault": "not_ready", "endpoint": "images"})
    for key in (DOCUMENT, SELFIES, ("b", Endpoint.IMAGES, "DOCUMENT")):
        assert names(made, key, 2) == ["not_ready", None]


def test_faults_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="token_expired"):
        plan({"fault": "token_expired"})
    with pytest.raises(KeyError):
        plan(share=1.0, faults=["gremlin"])


def test_random_faults_depend_on_the_seed_and_not_on_the_order_of_keys() -> None:
    keys: list[Key] = [(str(number), Endpoint.DETAILS, None) for number in range(300)]

    def drawn(order: list[Key], seed: int = 5) -> dict[Key, list[str | None]]:
        made = plan(share=0.3, seed=seed)
        return {key: names(made, key, 3) for key in order}

    assert drawn(keys) == drawn(keys[::-1]) != drawn(keys, seed=6)
    faults = [fault for each in drawn(keys).values() for fault in each]
    assert 0.25 < sum(fault is not None for fault in faults) / len(faults) < 0.35
    assert len(set(faults)) > 20


def test_rate_has_its_faults_and_most_and_comes_after_scripted_faults() -> None:
    made = plan({"fault": "stall"}, share=1.0, faults=["reset"], most=2)
    assert names(made, DETAILS, 4) == ["stall", "reset", "reset", None]


@pytest.mark.parametrize("kind", ImageType)
def test_random_faults_never_look_correct(kind: ImageType) -> None:
    drawn = set(names(plan(share=1.0), ("a", Endpoint.IMAGES, kind), 3000, frozenset({kind})))
    looks_absent = {"not_ready", "empty_list", "null", "no_content", "empty_body"}
    assert "partial_list" not in drawn
    assert looks_absent & drawn == (set() if kind in DERIVED else looks_absent)
