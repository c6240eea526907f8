"""Archive one ticket through the public interfaces and compare every byte with the vendor simulator's."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from local.simulator import Simulator
from local.stack import Stack
from ticket_archive.models import StoredImage
from ticket_archive_client import ArchiveApiError, Ticket, TicketArchive

ARCHIVE_SECONDS = 120.0
"""Time within which a ticket must be archived, including cold starts on a busy machine."""

REQUEST_SECONDS = 30.0
POLL_SECONDS = 0.5
COMPLETIONS = ("completed", "invitation", "verification")
"""The events (local/vendor/webhooks.py) that complete a ticket."""


@dataclass
class RoundTrip:
    """A ticket as the simulator describes it (`about`), what the archive must hold, what it has, and differences."""

    ticket: str
    about: Mapping[str, Any]
    expected: Mapping[str, Any] = field(repr=False)
    outcome: str = ""
    details: Mapping[str, Any] | None = field(default=None, repr=False)
    images: dict[StoredImage, bytes] = field(default_factory=dict, repr=False)
    absent: list[str] = field(default_factory=list)
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


def choose(tickets: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return a few tickets that together have every image shape, every form of absence, and so on."""
    left = list(tickets)
    missing = set().union(*(_traits(each) for each in left))
    chosen: list[Mapping[str, Any]] = []
    while missing:
        best = max(left, key=lambda each: len(_traits(each) & missing))
        chosen.append(best)
        left.remove(best)
        missing -= _traits(best)
    return chosen


def begin(vendor: Simulator, about: Mapping[str, Any]) -> RoundTrip:
    """Return a ticket's empty result. The simulator generates its images now, so that it costs no time later."""
    return RoundTrip(about["ticket"], about, vendor("expected", ticket=about["ticket"]))


def _traits(ticket: Mapping[str, Any]) -> set[tuple[str, Any]]:
    traits = {(name, ticket[name]) for name in ("shape", "outcome", "details", "document")}
    absent = any(not count for count in ticket["images"].values())
    return traits | ({("absence", ticket["absence"])} if absent else set())


def post(stack: Stack, vendor: Simulator, ticket: str, form: str) -> str | None:
    """Have the vendor post the encrypted event; return what is wrong with the response, or None."""
    given = {"secret": stack.webhook_secret, "ca_bundle": stack.ca_bundle}
    status = vendor("webhook", ticket=ticket, url=stack.webhook_url, form=form, **given)
    return None if status == 202 else f"the webhook's status was {status}, not 202"


def follow(stack: Stack, trip: RoundTrip, began: float, seconds: float = ARCHIVE_SECONDS) -> RoundTrip:
    """Wait for the archived ticket until `seconds` after `began` (monotonic), compare everything; return `trip`."""
    http = requests.Session()
    http.trust_env, http.verify = False, stack.ca_bundle
    with TicketArchive(stack.api_url, stack.account.session(), http=http, timeout=REQUEST_SECONDS) as archive:
        try:
            found = _archived(archive, trip.ticket, began + seconds)
            trip.seconds = time.monotonic() - began
            trip.outcome = found.outcome or ""
            trip.details = archive.details(trip.ticket)
            _compare(trip, "outcome", found.outcome, trip.expected["outcome"])
            _compare(trip, "JSON of the details", trip.details, trip.expected["details"])
            _images(archive, http, trip)
        except ArchiveApiError as error:
            trip.differences.append(f"the last response was {error}")
    return trip


def _archived(archive: TicketArchive, ticket: str, deadline: float) -> Ticket:
    """Poll until the ticket is archived and return it. Raises ArchiveApiError if it is not in time."""
    while True:
        try:
            return archive.ticket(ticket)
        except ArchiveApiError as error:
            pending = error.status in (202, 404)  # 404 until the queue message is processed
            if not pending or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def _images(archive: TicketArchive, http: requests.Session, trip: RoundTrip) -> None:
    listed = archive.images(trip.ticket)
    trip.absent = [kind for kind, images in trip.expected["images"].items() if not images]
    for kind, images in trip.expected["images"].items():
        found = [(each.index, each.sha256, each.bytes, each.content_type) for each in listed if each.type == kind]
        expected = [(at, each["sha256"], each["bytes"], each["content_type"]) for at, each in enumerate(images)]
        _compare(trip, f"list of {kind}", sorted(found), expected)
    for image in listed:
        name = f"{image.type} {image.index}"
        response = http.get(image.url, timeout=REQUEST_SECONDS, allow_redirects=False)
        unsigned = http.get(image.url.partition("?")[0], timeout=REQUEST_SECONDS, allow_redirects=False)
        if response.status_code != 200:
            trip.differences.append(f"{name}: its URL's status was {response.status_code}")
            continue
        _compare(trip, f"hash of {name}", hashlib.sha256(response.content).hexdigest(), image.sha256)
        _compare(trip, f"content type of {name}", response.headers.get("Content-Type"), image.content_type)
        _compare(trip, f"status of {name} without its signature", unsigned.status_code, 403)
        stored = StoredImage.model_validate({"key": "", **image.model_dump()})
        trip.images[stored] = response.content


def _compare(trip: RoundTrip, name: str, found: Any, expected: Any) -> None:
    if found != expected:
        trip.differences.append(f"the {name} differs")
