"""The whole path on the local stack: from an encrypted webhook to the bytes behind a signed URL."""

import time
from collections import Counter

import pytest

from local.round_trip import begin, follow
from local.vendor.shapes import Shape
from tests.support.stack import LocalStack

pytestmark = pytest.mark.stack

SETTLED = 200.0
"""Seconds in which a ticket of a flow without selfies or without a document is archived: SettleMinutes is 1 here."""


def test_ticket_of_every_shape_is_archived_with_the_vendors_images(stack: LocalStack) -> None:
    """GIVEN a ticket of every image shape, flow and form of details, WHEN webhooks are posted, THEN all is served."""
    traits = {
        (name, about[name]): about
        for about in stack.vendor("tickets", count=60)
        for name in ("shape", "details", "flow")
    }
    assert {value for name, value in traits if name == "shape"} == set(Shape)
    trips = [begin(stack.vendor, about) for about in {about["ticket"]: about for about in traits.values()}.values()]
    for each in trips:
        assert stack.post(each.ticket) == 202

    for each in trips:
        follow(stack.at, each, time.monotonic(), SETTLED)
        assert each.differences == [], each.ticket
        [manifest] = stack.manifests(each.ticket)
        assert Counter(image["sha256"] for image in manifest["images"]) == Counter(
            image.sha256 for image in each.images
        )
        assert manifest["version"] == stack.api.get(f"/tickets/{each.ticket}").json()["version"]
