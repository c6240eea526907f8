"""The whole path on the local stack: from an encrypted webhook to the bytes behind a signed URL."""

import hashlib
import json
import shutil
import subprocess
import time
from collections import Counter
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from local.journey import begin, follow
from local.vendor.shapes import Shape
from tests.support.queues import body_of, messages
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

pytestmark = pytest.mark.stack

FORMS = ("completed", "invitation", "verification", "onboarding")
IV = bytes(range(16))
SETTLED = 200.0
"""Seconds in which a ticket of a flow without selfies or without a document is archived: SettleMinutes is 1 here."""


def post(stack: LocalStack, body: bytes, headers: dict[str, str]) -> requests.Response:
    return requests.post(
        stack.at.webhook_url, data=body, headers=headers, verify=stack.at.ca_bundle, timeout=20, allow_redirects=False
    )


def completed(ticket: str, **more: Any) -> dict[str, Any]:
    return {"ticket": ticket, "event": "ticket.verification.completed", "flow_status": "ACCEPTED", **more}


def quarantined(stack: LocalStack, body: bytes) -> str:
    """The reason with which the request of this body came into quarantine."""

    def look() -> str | None:
        found = messages(stack, stack.at.quarantine_queue_url)
        return next((message.reason for message in found if body_of(message) == body), None)

    return eventually(look, "the request in quarantine")


def test_every_shape_of_answer_ends_as_the_images_that_the_vendor_sent(stack: LocalStack) -> None:
    """GIVEN a ticket of every image shape, flow and form of details, WHEN its webhook comes, THEN all is served."""
    traits = {
        (name, about[name]): about
        for about in stack.vendor("tickets", count=60)
        for name in ("shape", "details", "flow")
    }
    assert {value for name, value in traits if name == "shape"} == set(Shape)
    journeys = [begin(stack.vendor, about) for about in {about["ticket"]: about for about in traits.values()}.values()]
    for each in journeys:
        assert stack.post(each.ticket) == 202

    for each in journeys:
        follow(stack.at, each, time.monotonic(), SETTLED)
        assert each.differences == [], each.ticket
        [manifest] = stack.manifests(each.ticket)
        assert Counter(image["sha256"] for image in manifest["images"]) == Counter(
            image.sha256 for image in each.images
        )
        assert manifest["version"] == stack.api.get(f"/tickets/{each.ticket}").json()["version"]


@pytest.mark.parametrize("form", FORMS)
def test_every_known_form_of_completion_is_archived(stack: LocalStack, form: str) -> None:
    ticket = stack.ticket(104 + FORMS.index(form))  # the last one is ACCEPTED
    assert stack.post(ticket, form) == 202
    stack.archived(ticket)


def test_an_event_in_progress_leaves_no_trace_of_a_ticket(stack: LocalStack) -> None:
    before, after = stack.ticket(121), stack.ticket(122)
    assert stack.post(before, "in_progress") == 202
    assert stack.post(after) == 202
    stack.archived(after)
    assert stack.api.get(f"/tickets/{before}").status_code == 404
    assert stack.vendor("calls", ticket=before) == []


def test_what_cannot_be_read_is_quarantined_and_costs_no_neighbour(stack: LocalStack) -> None:
    """Every reason: tests/unit/ingest/webhooks/test_event.py."""
    event = json.dumps(completed(stack.ticket(130), run=str(uuid4()))).encode()
    wrong_key, iv = encrypt_event(event, b"x" * 32, IV)
    junk = b"\x00\xff not base64 " + uuid4().bytes
    neighbour = stack.ticket(140)

    for body in (wrong_key, junk):
        answer = post(stack, body, {"Content-Type": "text/plain", IV_HEADER: iv})
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert stack.post(neighbour) == 202

    assert quarantined(stack, wrong_key) == "undecipherable"
    text = junk.decode("utf-8", "replace").encode()  # API Gateway hands text on as text
    assert quarantined(stack, text) == "body_not_base64"
    stack.archived(neighbour)


@pytest.mark.parametrize(
    ("index", "fault", "kept"), [(180, "html", True), (181, "truncated_image", False), (182, "cut_off", False)]
)
def test_an_answer_that_is_no_image_is_never_stored_as_one(
    stack: LocalStack, index: int, fault: str, kept: bool
) -> None:
    ticket = stack.ticket(index)
    stack.vendor("script", fault=fault, endpoint="images", ticket=ticket, type="DOCUMENT", times=1)
    stack.post(ticket)
    state = stack.archived(ticket)
    expected = stack.vendor("expected", ticket=ticket)["images"]["DOCUMENT"]
    assert [image["sha256"] for image in state["images"] if image["type"] == "DOCUMENT"] == [
        image["sha256"] for image in expected
    ]
    keys = stack.keys(ticket)
    assert [key for key in keys if "/images/DOCUMENT/" in key] == sorted(
        {image["key"] for image in stack.manifests(ticket)[0]["images"] if image["type"] == "DOCUMENT"}
    )
    assert bool([key for key in keys if "/unrecognized/" in key]) is kept


def test_an_unknown_ticket_is_tried_again_and_leaves_nothing_behind(stack: LocalStack) -> None:
    ticket = str(uuid4())
    body, iv = encrypt_event(json.dumps(completed(ticket)).encode(), stack.at.webhook_secret.encode(), IV)
    assert post(stack, body, {"Content-Type": "text/plain", IV_HEADER: iv}).status_code == 202

    def asked_again() -> bool | None:
        calls = stack.vendor("calls", ticket=ticket)
        return sum(call["endpoint"] == "details" for call in calls) >= 2 or None

    eventually(asked_again, "the vendor asked a second time for the unknown ticket")
    assert stack.api.get(f"/tickets/{ticket}").status_code == 404
    found = stack.dynamodb.query(
        TableName=stack.at.table,
        KeyConditionExpression="ticket = :ticket",
        ExpressionAttributeValues={":ticket": {"S": ticket}},
        ConsistentRead=True,
    )
    assert found["Items"] == []
    assert stack.keys(ticket) == []


def test_retrieval_answers_as_documented(stack: LocalStack) -> None:
    ticket = stack.ticket(190)
    stack.post(ticket)
    stack.archived(ticket)
    customer = stack.vendor("expected", ticket=ticket)["customer"]

    unknown = stack.api.get(f"/tickets/{uuid4()}")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")
    assert stack.api.get(f"/tickets/{ticket}/images", type="PASSPORT").status_code == 400
    assert stack.api.get(f"/tickets/{ticket}/images", expires_in=5).status_code == 400

    some = stack.api.get(f"/tickets/{ticket}/images", type="SELF_PORTRAITS,DOCUMENT", expires_in=60)
    images = some.json()["images"]
    assert {image["type"] for image in images} == {"SELF_PORTRAITS", "DOCUMENT"}
    assert some.headers["Cache-Control"] == "no-store"

    one = stack.api.get(f"/tickets/{ticket}/images/{images[0]['sha256']}")
    assert one.status_code == 200
    assert hashlib.sha256(stack.api.download(one.json()["url"]).content).hexdigest() == images[0]["sha256"]
    listed = stack.api.get(f"/customers/{quote(customer, safe='')}/tickets").json()["tickets"]
    assert ticket in [each["ticket"] for each in listed]


def test_a_bare_curl_downloads_through_a_signed_url(stack: LocalStack) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on this machine")
    ticket = stack.ticket(191)
    stack.post(ticket)
    stack.archived(ticket)
    image = stack.api.get(f"/tickets/{ticket}/images").json()["images"][0]
    got = subprocess.run(
        [curl, "--silent", "--fail", "--cacert", stack.at.ca_bundle, image["url"]],
        capture_output=True,
        check=True,
        timeout=30,
        env={},
    )
    assert hashlib.sha256(got.stdout).hexdigest() == image["sha256"]
