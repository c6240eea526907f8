"""A stack in memory and a command line that runs on it."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.objects import Version
from ops.queues import Received
from ops.table import EventRecord, Filter, ScannedPage
from ticket_archive.clock import iso
from ticket_archive.details import read_details
from ticket_archive.errors import InvalidRequest, TicketErased
from ticket_archive.keys import details_key, image_key, manifest_key
from ticket_archive.manifest import write_manifest
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState
from ticket_archive.retention import NEVER
from ticket_archive.table import REFETCH, IncompleteTicket, Page, TicketItem

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + b"image" * 20
DETAILS = b'{"flow_status":"ACCEPTED","user":{"fullname":"AMINA"}}'


@dataclass
class FakeStack:
    """A stack: its table, bucket with versions, queues and action log."""

    items: dict[str, TicketItem] = field(default_factory=dict)
    stored: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    events_of: dict[str, list[EventRecord]] = field(default_factory=dict)
    queues: dict[str, "FakeQueue"] = field(default_factory=dict)
    undeletable: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    expiring: set[Version] = field(default_factory=set)
    """Versions with the retention tag."""
    event_expiry: dict[str, int | None] = field(default_factory=dict)
    """By ticket and sort key."""
    recorded: list[dict[str, Any]] = field(default_factory=list)
    """The action log."""
    clients: dict[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> "FakeStack":
        return self

    records = bucket = objects = actions = account = table
    name = "stack"
    caller = "arn:aws:iam::000000000000:user/operator"
    webhook_url = "https://archive.test/v1/webhooks/tickets"
    ca_bundle = None

    # the table

    def get(self, ticket: str) -> TicketItem | None:
        return self.items.get(ticket)

    def by_customer(self, customer: str, limit: int, cursor: str | None) -> Page:
        found = [item for item in self.items.values() if item.attributes.get("customer") == customer]
        begin = int(cursor or 0)
        more = begin + limit < len(found)
        return Page(found[begin : begin + limit], str(begin + limit) if more else None)

    def incomplete(self, limit: int) -> Sequence[IncompleteTicket]:
        found = [item for item in self.items.values() if item.state is TicketState.INCOMPLETE]
        return [IncompleteTicket(item.ticket, "2026-01-31T13:00:00Z", str(item.received_at), 0) for item in found][
            :limit
        ]

    def refetches(self, limit: int) -> Sequence[IncompleteTicket]:
        found = [item for item in self.items.values() if item.attributes.get("incomplete") == REFETCH]
        return [IncompleteTicket(item.ticket, "2026-01-31T13:00:00Z", "", 0) for item in found][:limit]

    # the table, as operators use it

    def scan(self, filters: Sequence[Filter], start: Mapping[str, Any] | None) -> ScannedPage:
        """Return one item a page, to show that limits hold."""
        position = start["at"] if start else 0
        item = list(self.items.values())[position]
        fits = all(self._matches(item, each) for each in filters)
        more = position + 1 < len(self.items)
        return ScannedPage([item] if fits else [], 1, {"at": position + 1} if more else None)

    def events(self, ticket: str) -> Iterator[EventRecord]:
        yield from list(self.events_of.get(ticket, ()))

    @staticmethod
    def _matches(item: TicketItem, condition: Filter) -> bool:
        values = {name: next(iter(value.values())) for name, value in condition.values.items()}
        if ":day" in values:
            return str(item.archived_at).startswith(values[":day"])
        if ":state" in values:
            return item.state.value == str(values[":state"])
        if ":false" in values:
            return item.state is TicketState.ARCHIVED and not item.attributes.get("complete", True)
        if ":archived" in values:
            return item.state is TicketState.ARCHIVED and item.outcome is None
        return "legal_hold" in item.attributes

    def without_content(self, ticket: str) -> TicketItem | None:
        return self.items.get(ticket)

    def summaries(self, tickets: Sequence[str]) -> list[TicketItem]:
        return [self.items[ticket] for ticket in tickets if ticket in self.items]

    def delete_event(self, ticket: str, record: str) -> None:
        self.calls.append("event deleted")
        self.events_of[ticket] = [event for event in self.events_of[ticket] if event.record != record]

    def erase(self, ticket: str, now: str) -> str:
        item = self.items.get(ticket)
        if item is not None and item.state is TicketState.ERASED:
            return str(item.attributes["erased_at"])
        if item is not None and "legal_hold" in item.attributes:
            raise InvalidRequest("legal_hold")
        self.calls.append("tombstone set")
        self.items[ticket] = TicketItem(ticket, TicketState.ERASED, attributes={"erased_at": now})
        return now

    def hold(self, ticket: str, now: str, case: str | None, by: str) -> str | None:
        item = self._changeable(ticket)
        if item is None:
            return None
        self.calls.append("held")
        since = item.attributes.get("legal_hold", now)
        self.items[ticket] = replace(
            item,
            expires_at=NEVER,
            attributes={**item.attributes, "legal_hold": since, "legal_hold_case": case, "legal_hold_by": by},
        )
        return str(since)

    def release(self, ticket: str, end: int | None) -> bool | None:
        item = self._changeable(ticket)
        if item is None or "legal_hold" not in item.attributes:
            return None if item is None else False
        self.calls.append("released")
        rest = {name: value for name, value in item.attributes.items() if name != "legal_hold"}
        self.items[ticket] = replace(item, expires_at=end, attributes=rest)
        return True

    def set_ticket_expiry(self, ticket: str, end: int | None) -> None:
        item = self.items[ticket]
        if item.received_at is not None and "legal_hold" not in item.attributes:
            self.items[ticket] = replace(item, expires_at=end)

    def set_event_expiry(self, ticket: str, record: str, end: int | None) -> None:
        assert record in {event.record for event in self.events_of[ticket]}
        self.event_expiry[f"{ticket} {record}"] = end

    def _changeable(self, ticket: str) -> TicketItem | None:
        item = self.items.get(ticket)
        if item is not None and item.state is TicketState.ERASED:
            raise TicketErased
        return item

    # the bucket

    def read(self, key: str) -> bytes:
        if not self.stored.get(key):
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": key}}, "GetObject")
        return self.stored[key][-1][1]

    def exists(self, key: str) -> bool:
        return bool(self.stored.get(key))

    def versions(self, prefix: str, *, delete_markers: bool = True) -> Iterator[Version]:
        for key, kept in sorted(self.stored.items()):
            if key.startswith(prefix):
                yield from (Version(key, version) for version, _ in kept)

    def set_expiring(self, version: Version, *, expiring: bool) -> bool:
        self.calls.append("object expires" if expiring else "object does not expire")
        (self.expiring.add if expiring else self.expiring.discard)(version)
        return True

    def delete(self, versions: Sequence[Version]) -> list[Version]:
        refused = [version for version in versions if version.key in self.undeletable]
        for key, gone in versions:
            if key not in self.undeletable:
                self.calls.append("object deleted")
                self.stored[key] = [kept for kept in self.stored[key] if kept[0] != gone]
        return refused

    # the stack

    @property
    def retention_days(self) -> int:
        return int(self.parameters.get("RetentionDays", "0"))

    def queue(self, output: str) -> "FakeQueue":
        return self.queues.setdefault(output, FakeQueue())

    def output(self, name: str) -> str:
        return name

    def log_group(self, function: str) -> str:
        return f"/aws/lambda/{function}"

    def client(self, service: str) -> Any:
        return self.clients[service]

    @property
    def secrets(self) -> Any:
        return self.clients["secretsmanager"]

    # the action log

    def write(self, command: str, ticket: str, **facts: Any) -> str:
        self.calls.append(f"recorded {command}")
        self.recorded.append({"command": command, "ticket": ticket, "at": iso(NOON), "by": self.caller, **facts})
        return "key"

    def of_ticket(self, ticket: str) -> Iterator[Mapping[str, Any]]:
        return (record for record in self.recorded if record["ticket"] == ticket)

    # what tests put in

    def put(self, key: str, body: bytes) -> None:
        kept = self.stored.setdefault(key, [])
        kept.append((f"v{len(kept) + 1}", body))

    def add_ticket(
        self, ticket: str, *, details: bytes = DETAILS, selfies: Sequence[bytes] | None = None, **attributes: Any
    ) -> TicketItem:
        """Add an archived ticket with one image of each uploaded type, or with these selfies."""
        parsed = read_details(details)
        images = tuple(
            self._image(ticket, kind, 0, JPEG + kind.value.encode())
            for kind in (ImageType.SELF_PORTRAITS, ImageType.DOCUMENT)
        )
        if selfies is not None:
            images = tuple(
                self._image(ticket, ImageType.SELF_PORTRAITS, index, body) for index, body in enumerate(selfies)
            )
        types = {image.type: TypeState.STORED for image in images} | {ImageType.DOCUMENT_SIGNATURE: TypeState.ABSENT}
        item = TicketItem(
            ticket,
            TicketState.ARCHIVED,
            version="a" * 64,
            outcome="ACCEPTED",
            received_at="2026-01-31T11:59:00.000000Z",
            fetched_at="2026-01-31T11:59:01.000000Z",
            archived_at="2026-01-31T11:59:02.000000Z",
            details_sha256=parsed.sha256,
            details_bytes=parsed.size,
            images=images,
            types=types,
            attempts=1,
            attributes={"details": parsed.value, **attributes},
        )
        self.put(manifest_key(ticket, "a" * 64), manifest_of(item))
        self.events_of[ticket] = [EventRecord("event#1#x", "ticket.verification.completed", "2026-01-31T11:59:00Z")]
        self.items[ticket] = item
        return item

    def add_version(self, ticket: str, details: bytes, outcome: str) -> TicketItem:
        """Archive the ticket again with other details; the superseded ones become an object."""
        old = self.items[ticket]
        version, parsed = hashlib.sha256(details).hexdigest(), read_details(details)
        self.put(details_key(ticket, str(old.details_sha256)), gzip.compress(DETAILS))
        new = replace(
            old,
            version=version,
            previous=old.version,
            outcome=outcome,
            details_sha256=parsed.sha256,
            details_bytes=parsed.size,
            attributes={**old.attributes, "details": parsed.value},
        )
        self.put(manifest_key(ticket, version), manifest_of(new))
        self.items[ticket] = new
        return new

    def add_incomplete_ticket(self, ticket: str, last_error: str, **attributes: Any) -> None:
        self.items[ticket] = TicketItem(
            ticket,
            TicketState.INCOMPLETE,
            received_at="2026-01-31T11:00:00Z",
            attempts=3,
            types={ImageType.DOCUMENT: TypeState.FAILED},
            attributes={"last_error": last_error, **attributes},
        )

    def _image(self, ticket: str, kind: ImageType, index: int, body: bytes) -> StoredImage:
        sha256 = hashlib.sha256(body).hexdigest()
        key = image_key(ticket, kind, sha256, "jpg")
        self.put(key, body)
        return StoredImage(kind, index, key, sha256, len(body), "image/jpeg")


def manifest_of(item: TicketItem) -> bytes:
    return write_manifest(item)


class CliHarness(NamedTuple):
    """A command line on a stack in memory."""

    stack: FakeStack
    runner: CliRunner

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return self.runner.invoke(app, list(arguments), input=stdin)

    def json(self, *arguments: str, exit_code: int = 0) -> Mapping[str, Any]:
        result = self("--json", *arguments)
        assert result.exit_code == exit_code, result.output
        assert result.stdout.count("\n") == 1, result.output
        found: Mapping[str, Any] = json.loads(result.stdout)
        return found


class FakeQueue:
    """A queue: received messages are hidden until they are deleted or released."""

    def __init__(self) -> None:
        self.waiting: list[Received] = []
        self.hidden: dict[str, Received] = {}
        self.sent: list[str] = []
        self.refuses: set[str] = set()  # bodies
        self.keeps: set[str] = set()  # ids that cannot be deleted
        self.clock = NOON
        self.returns_to: FakeQueue | None = None
        self.returns_after = 1.0  # seconds

    def __len__(self) -> int:
        return len(self.waiting) + len(self.hidden)

    def add(self, body: str, reason: str | None = None, *, age: float = 60) -> str:
        number = f"id-{len(self.waiting) + len(self.hidden) + len(self.sent) + 1}-{self.clock.timestamp():.0f}"
        sent_at = self.clock - timedelta(seconds=age)
        self.waiting.append(Received(number, body, f"receipt-{number}", sent_at, reason))
        return number

    def look(self) -> tuple[int, datetime]:
        return len(self.waiting), self.clock

    def receive(self, at_most: int) -> list[Received]:
        taken, self.waiting = self.waiting[:at_most], self.waiting[at_most:]
        self.hidden |= {message.id: message for message in taken}
        return taken

    def send(self, bodies: Sequence[str]) -> set[int]:
        failed = {position for position, body in enumerate(bodies) if body in self.refuses}
        taken = [body for position, body in enumerate(bodies) if position not in failed]
        self.sent += taken
        if self.returns_to is not None:
            for body in taken:
                self.returns_to.add(body, "undecipherable", age=-self.returns_after)
        return failed

    def delete(self, messages: Sequence[Received]) -> set[int]:
        failed = {position for position, message in enumerate(messages) if message.id in self.keeps}
        for position, message in enumerate(messages):
            if position not in failed:
                del self.hidden[message.id]
        return failed

    def release(self, messages: Sequence[Received]) -> set[int]:
        for message in messages:
            self.waiting.append(self.hidden.pop(message.id))
        return set()
