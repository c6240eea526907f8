"""Sample events in events/ have the status that their names say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local import ROOT
from tests.unit.retrieval.fakes import Answer, World

STATUSES = {
    "retrieval_bad_cursor": 400,
    "retrieval_bad_expiry": 400,
    "retrieval_bad_type": 400,
    "retrieval_customer_tickets": 200,
    "retrieval_details": 200,
    "retrieval_image_by_sha256": 404,  # a hash that no ticket has
    "retrieval_images": 200,
    "retrieval_images_by_type": 200,
    "retrieval_malformed_ticket": 400,
    "retrieval_ticket": 200,
}


def test_every_sample_event_is_tested() -> None:
    assert {path.stem for path in (ROOT / "events").glob("retrieval_*.json")} == STATUSES.keys()


@pytest.mark.parametrize("name", STATUSES)
def test_a_sample_event_has_the_status_of_its_name(
    handle: Callable[[dict[str, Any]], Answer], world: World, name: str
) -> None:
    from tests.unit.retrieval.test_customers import table

    if name == "retrieval_bad_cursor":
        world.tickets.by_customer = table().by_customer  # type: ignore[method-assign]
    event = json.loads((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    assert handle(event).status == STATUSES[name]
