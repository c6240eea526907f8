"""Sample events in events/ have the status that `make sam-invoke-all` expects."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local import ROOT, sam
from tests.unit.retrieval.fakes import Answer, World

EVENTS = {path.stem: path for path in (ROOT / "events").glob("retrieval_*.json")}


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_sample_event_has_the_status_of_its_name(
    handle: Callable[[dict[str, Any]], Answer], world: World, name: str
) -> None:
    from tests.unit.retrieval.test_customers import table

    if name == "retrieval_bad_cursor":
        world.tickets.by_customer = table().by_customer  # type: ignore[method-assign]
    assert handle(json.loads(EVENTS[name].read_text(encoding="utf-8"))).status == sam.STATUSES.get(name, 200)
