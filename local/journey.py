"""One ticket's way through the whole product, compared at every step with what the vendor simulator has.

Webhook, wait, details, signed URLs, every image: nothing is taken from anywhere but the public interfaces.
"""

import gzip
import hashlib
import json
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from local.api import Api
from local.simulator import Simulator
from local.stack import Stack

PATIENCE = 120.0
"""Seconds until a ticket must be archived: two fresh workers and a machine that is busy otherwise included."""

SIGNED_URL_TYPE = "application/vnd.ticket-archive.signed-url+json"
POLLS = (0.3, 0.5, 0.8, 1.2)
COMPLETIONS = ("completed", "invitation", "verification")
"""The events (local/vendor/webhooks.py) that say a ticket is done."""


@dataclass
class Downloaded:
    """An image that came out at the far end."""

    type: str
    index: int
    content_type: str
    sha256: str
    body: bytes = field(repr=False)


@dataclass
class Journey:
    """What became of a ticket; `differences` are sentences, and none of them is what is promised.

    `about` is what the simulator says the ticket is like, `expected` what an archive of it must hold.
    """

    ticket: str
    about: Mapping[str, Any]
    expected: Mapping[str, Any] = field(repr=False)
    outcome: str = ""
    details: Mapping[str, Any] | None = field(default=None, repr=False)
    images: list[Downloaded] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


def choose(tickets: Iterable[Mapping[str, Any]], most: int = 12) -> list[Mapping[str, Any]]:
    """A few tickets that are together of every kind: images in every shape, absent types in every way, and so on."""
    left = list(tickets)
    missing = set().union(*(_traits(each) for each in left))
    chosen: list[Mapping[str, Any]] = []
    while missing and len(chosen) < most:
        best = max(left, key=lambda each: len(_traits(each) & missing))
        chosen.append(best)
        left.remove(best)
        missing -= _traits(best)
    return chosen


def begin(vendor: Simulator, about: Mapping[str, Any]) -> Journey:
    """A ticket before its webhook. The simulator draws its pictures now, so that no time is lost to that later."""
    expected = exactly(vendor.text("expected", ticket=about["ticket"]))["result"]
    return Journey(about["ticket"], about, expected)


def _traits(ticket: Mapping[str, Any]) -> set[tuple[str, Any]]:
    traits = {(name, ticket[name]) for name in ("shape", "outcome", "details", "document")}
    absent = any(not count for count in ticket["images"].values())
    return traits | ({("absence", ticket["absence"])} if absent else set())


def post(stack: Stack, vendor: Simulator, ticket: str, form: str) -> str | None:
    """Have the vendor post the ticket's event, encrypted; returns what was wrong with the answer, if anything."""
    given = {"secret": stack.webhook_secret, "ca_bundle": stack.ca_bundle}
    status = vendor("webhook", ticket=ticket, url=stack.webhook_url, form=form, **given)
    return None if status == 202 else f"the webhook was answered with {status}, not 202"


def follow(stack: Stack, journey: Journey, began: float, patience: float = PATIENCE) -> Journey:
    """Wait for the archive of a ticket whose webhook was posted at `began` (monotonic), then compare everything.

    It must be there `patience` seconds after that.
    """
    with Api(stack) as api:
        found = _archived(api, journey, began + patience)
        journey.seconds = time.monotonic() - began
        if found:
            journey.outcome = str(found["outcome"])
            _compare(journey, "outcome", found["outcome"], journey.expected["outcome"])
            _details(api, journey)
            _images(api, journey)
    return journey


def _archived(api: Api, journey: Journey, deadline: float) -> dict[str, Any] | None:
    """The ticket's own answer, once it is archived."""
    tries = 0
    while True:
        answer = api.get(f"/tickets/{journey.ticket}")
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
        on_its_way = answer.status_code in (202, 404)  # or not even that
        if not on_its_way or time.monotonic() > deadline:
            journey.differences.append(f"it was not archived: the last answer was {answer.status_code}")
            return None
        time.sleep(POLLS[min(tries, len(POLLS) - 1)] * random.uniform(0.8, 1.2))
        tries += 1


def _details(api: Api, journey: Journey) -> None:
    answer = api.get(f"/tickets/{journey.ticket}/details")
    if answer.headers.get("Content-Type") == SIGNED_URL_TYPE:  # too large for a response
        answer = api.download(answer.json()["url"])
    body = gzip.decompress(answer.content) if answer.content.startswith(b"\x1f\x8b") else answer.content
    if answer.status_code != 200:
        journey.differences.append(f"the details were answered with {answer.status_code}")
        return
    journey.details = exactly(body)
    if journey.details != journey.expected["details"]:
        journey.differences.append("the details are not those that the vendor has")


def _images(api: Api, journey: Journey) -> None:
    answer = api.get(f"/tickets/{journey.ticket}/images")
    if answer.status_code != 200:
        journey.differences.append(f"the images were answered with {answer.status_code}")
        return
    listed = answer.json()["images"]
    expected = journey.expected["images"]
    journey.absent = [kind for kind, images in expected.items() if not images]
    for kind, images in expected.items():
        ours = sorted((each for each in listed if each["type"] == kind), key=lambda each: int(each["index"]))
        properties = ("sha256", "bytes", "content_type")
        _compare(
            journey,
            f"list of {kind}",
            [{name: each[name] for name in properties} for each in ours],
            [{name: each[name] for name in properties} for each in images],
        )
    for each in listed:
        _download(api, journey, each)


def _download(api: Api, journey: Journey, image: Mapping[str, Any]) -> None:
    what = f"{image['type']} {image['index']}"
    answer = api.download(image["url"])
    if answer.status_code != 200:
        journey.differences.append(f"{what}: its URL was answered with {answer.status_code}")
        return
    digest = hashlib.sha256(answer.content).hexdigest()
    _compare(journey, f"hash of {what}", digest, image["sha256"])
    _compare(journey, f"size of {what}", len(answer.content), image["bytes"])
    _compare(journey, f"content type of {what}", answer.headers.get("Content-Type"), image["content_type"])
    unsigned = api.download(image["url"].partition("?")[0])
    _compare(journey, f"answer to {what} without its signature", unsigned.status_code, 403)
    journey.images.append(Downloaded(image["type"], int(image["index"]), image["content_type"], digest, answer.content))


def _compare(journey: Journey, what: str, found: Any, expected: Any) -> None:
    if found != expected:
        journey.differences.append(f"the {what} differs")


def exactly(text: str | bytes) -> Any:
    """JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal)
