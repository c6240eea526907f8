"""Archive one ticket through the public interfaces and compare every byte with the vendor simulator's.

Webhook, poll, details, presigned URLs, every image.
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

ARCHIVE_SECONDS = 120.0
"""Time within which a ticket must be archived, including cold starts on a busy machine."""

SIGNED_URL_TYPE = "application/vnd.ticket-archive.signed-url+json"
POLL_SECONDS = (0.3, 0.5, 0.8, 1.2)
COMPLETIONS = ("completed", "invitation", "verification")
"""The events (local/vendor/webhooks.py) that complete a ticket."""


@dataclass
class Downloaded:
    """A downloaded image."""

    type: str
    index: int
    content_type: str
    sha256: str
    body: bytes = field(repr=False)


@dataclass
class Journey:
    """A ticket's result. `differences` has one sentence per difference from `expected`.

    `about` is the simulator's description of the ticket, `expected` what the archive must hold.
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
    """Choose a few tickets that together have every image shape, every form of absence, and so on."""
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
    """Prepare a ticket. The simulator generates its images now, so that it costs no time later."""
    expected = exactly(vendor.text("expected", ticket=about["ticket"]))["result"]
    return Journey(about["ticket"], about, expected)


def _traits(ticket: Mapping[str, Any]) -> set[tuple[str, Any]]:
    traits = {(name, ticket[name]) for name in ("shape", "outcome", "details", "document")}
    absent = any(not count for count in ticket["images"].values())
    return traits | ({("absence", ticket["absence"])} if absent else set())


def post(stack: Stack, vendor: Simulator, ticket: str, form: str) -> str | None:
    """Have the vendor post the encrypted event; return what is wrong with the response, or None."""
    given = {"secret": stack.webhook_secret, "ca_bundle": stack.ca_bundle}
    status = vendor("webhook", ticket=ticket, url=stack.webhook_url, form=form, **given)
    return None if status == 202 else f"the webhook's status was {status}, not 202"


def follow(stack: Stack, journey: Journey, began: float, seconds: float = ARCHIVE_SECONDS) -> Journey:
    """Wait until the ticket is archived, at most `seconds` after `began` (monotonic), then compare everything."""
    with Api(stack) as api:
        found = _archived(api, journey, began + seconds)
        journey.seconds = time.monotonic() - began
        if found:
            journey.outcome = str(found["outcome"])
            _compare(journey, "outcome", found["outcome"], journey.expected["outcome"])
            _details(api, journey)
            _images(api, journey)
    return journey


def _archived(api: Api, journey: Journey, deadline: float) -> dict[str, Any] | None:
    """Poll until the ticket is archived, and return it; None if it was not in time."""
    tries = 0
    while True:
        response = api.get(f"/tickets/{journey.ticket}")
        if response.status_code == 200:
            found: dict[str, Any] = response.json()
            return found
        pending = response.status_code in (202, 404)  # 404 until the queue message is processed
        if not pending or time.monotonic() > deadline:
            journey.differences.append(f"it was not archived; the last status was {response.status_code}")
            return None
        time.sleep(POLL_SECONDS[min(tries, len(POLL_SECONDS) - 1)] * random.uniform(0.8, 1.2))
        tries += 1


def _details(api: Api, journey: Journey) -> None:
    response = api.get(f"/tickets/{journey.ticket}/details")
    if response.headers.get("Content-Type") == SIGNED_URL_TYPE:  # too large for a response
        response = api.download(response.json()["url"])
    body = gzip.decompress(response.content) if response.content.startswith(b"\x1f\x8b") else response.content
    if response.status_code != 200:
        journey.differences.append(f"the details' status was {response.status_code}")
        return
    journey.details = exactly(body)
    if journey.details != journey.expected["details"]:
        journey.differences.append("the details differ from the vendor's")


def _images(api: Api, journey: Journey) -> None:
    response = api.get(f"/tickets/{journey.ticket}/images")
    if response.status_code != 200:
        journey.differences.append(f"the images' status was {response.status_code}")
        return
    listed = response.json()["images"]
    expected = journey.expected["images"]
    journey.absent = [kind for kind, images in expected.items() if not images]
    for kind, images in expected.items():
        found = sorted((each for each in listed if each["type"] == kind), key=lambda each: int(each["index"]))
        properties = ("sha256", "bytes", "content_type")
        _compare(
            journey,
            f"list of {kind}",
            [{name: each[name] for name in properties} for each in found],
            [{name: each[name] for name in properties} for each in images],
        )
    for each in listed:
        _download(api, journey, each)


def _download(api: Api, journey: Journey, image: Mapping[str, Any]) -> None:
    name = f"{image['type']} {image['index']}"
    response = api.download(image["url"])
    if response.status_code != 200:
        journey.differences.append(f"{name}: its URL's status was {response.status_code}")
        return
    digest = hashlib.sha256(response.content).hexdigest()
    _compare(journey, f"hash of {name}", digest, image["sha256"])
    _compare(journey, f"size of {name}", len(response.content), image["bytes"])
    _compare(journey, f"content type of {name}", response.headers.get("Content-Type"), image["content_type"])
    unsigned = api.download(image["url"].partition("?")[0])
    _compare(journey, f"status of {name} without its signature", unsigned.status_code, 403)
    journey.images.append(
        Downloaded(image["type"], int(image["index"]), image["content_type"], digest, response.content)
    )


def _compare(journey: Journey, name: str, found: Any, expected: Any) -> None:
    if found != expected:
        journey.differences.append(f"the {name} differs")


def exactly(text: str | bytes) -> Any:
    """Parse JSON with exact decimals."""
    return json.loads(text, parse_float=Decimal)
