"""A stack in memory and a command line that runs on it."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple, cast

from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from ops.bucket import Version
from ops.commands import app
from ops.errors import Exit
from ops.queues import Depth, Received
from ops.stack import Stack
from ops.table import OperatorTable
from tests.support.dynamodb import FakeDynamoDB, attributes, holds, plain
from ticket_archive.clock import iso
from ticket_archive.details import read_details
from ticket_archive.keys import details_key, image_key, manifest_key
from ticket_archive.manifest import write_manifest
from ticket_archive.models import ImageType, StoredImage, TicketItem

SECRET = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + b"image" * 20
DETAILS = b'{"flow_status":"ACCEPTED","user":{"fullname":"AMINA"}}'


def paginated(page: dict[str, Any]) -> Any:
    """Return a client whose paginators have this one page."""
    return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))


class OperatorDynamoDB(FakeDynamoDB):
    """What operators use besides, in memory."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ClientError)

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate={"query": self._events, "scan": self._scan}[operation])

    def _events(self, **call: Any) -> Iterator[dict[str, Any]]:
        ticket = call["ExpressionAttributeValues"][":ticket"]["S"]
        with self._lock:
            keys = sorted(key for key in self.records if key[0] == ticket and key[1].startswith("event#"))
        yield {"Items": [attributes(self.records[key]) for key in keys]}

    def _scan(self, **call: Any) -> Iterator[dict[str, Any]]:
        """Yield one ticket a page, to show that limits hold."""
        found = [record for key, record in self.records.items() if key[1] == "ticket"]
        for number, record in enumerate(found, 1):
            names, values = call["ExpressionAttributeNames"], plain(call["ExpressionAttributeValues"])
            matches = holds(call["FilterExpression"], record, names, values)
            page = {"Items": [attributes(record)] if matches else [], "ScannedCount": 1}
            yield {**page, **({"LastEvaluatedKey": {}} if number < len(found) else {})}


@dataclass
class FakeStack:
    """A stack: its table, bucket with versions, queues and action log. `calls` are changes and records of actions."""

    stored: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    queues: dict[str, "FakeQueue"] = field(default_factory=dict)
    undeletable: set[str] = field(default_factory=set)
    expiring: set[Version] = field(default_factory=set)
    """Versions with the retention tag."""
    recorded: list[dict[str, Any]] = field(default_factory=list)
    """The action log."""
    clients: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """By ARN, which is the output's name."""
    parameters: Mapping[str, str] = field(default_factory=dict)

    name = "stack"
    caller = "arn:aws:iam::000000000000:user/operator"
    outputs = MappingProxyType({"WebhookUrl": "https://archive.test/v1/webhooks/tickets"})
    _ca_bundle = None

    def __post_init__(self) -> None:
        self.dynamodb = OperatorDynamoDB("ticket", "record")
        self.calls = self.dynamodb.writes
        self.table = OperatorTable(cast("Any", self.dynamodb), "tickets")

    @property
    def bucket(self) -> "FakeStack":
        return self

    actions = bucket

    # the bucket

    def read(self, key: str) -> bytes:
        if not self.stored.get(key):
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": key}}, "GetObject")
        return self.stored[key][-1][1]

    def versions(self, ticket: str, *, delete_markers: bool = True) -> Iterator[Version]:
        for key, kept in sorted(self.stored.items()):
            if key.startswith(f"tickets/{ticket}/"):
                yield from (Version(key, version) for version, _ in kept)

    def set_expiring(self, version: Version, *, expiring: bool) -> bool:
        self.calls.append("object expires" if expiring else "object does not expire")
        (self.expiring.add if expiring else self.expiring.discard)(version)
        return True

    def delete(self, versions: Sequence[Version]) -> list[Version]:
        refused = [version for version in versions if version.key in self.undeletable]
        for key, gone in versions:
            if key not in self.undeletable:
                self.calls.append("delete object")
                self.stored[key] = [kept for kept in self.stored[key] if kept[0] != gone]
        return refused

    # the stack

    def queue(self, output: str) -> "FakeQueue":
        return self.queues.setdefault(output, FakeQueue())

    def output(self, name: str) -> str:
        return self.outputs.get(name, name)

    def client(self, service: str) -> Any:
        return self.clients[service]

    def secret(self, arn: str, stage: str = "AWSCURRENT") -> str:
        return self.secrets[arn]

    http = Stack.http
    retention_days = Stack.retention_days
    webhook_secrets = Stack.webhook_secrets
    webhook_credentials = Stack.webhook_credentials

    # the action log

    def write(self, command: str, ticket: str, **facts: Any) -> None:
        self.calls.append(f"recorded {command}")
        self.recorded.append({"command": command, "ticket": ticket, "at": iso(NOON), "by": self.caller, **facts})

    def of_ticket(self, ticket: str) -> Iterator[Mapping[str, Any]]:
        return (record for record in self.recorded if record["ticket"] == ticket)

    # what tests look at and put in

    def item(self, ticket: str) -> TicketItem:
        found = self.table.get(ticket)
        assert found is not None
        return found

    def event_expiry(self, ticket: str) -> object:
        return self.dynamodb.records[ticket, "event#1#x"].get("expires_at")

    def put(self, key: str, body: bytes) -> None:
        kept = self.stored.setdefault(key, [])
        kept.append((f"v{len(kept) + 1}", body))

    def change(self, ticket: str, **values: Any) -> TicketItem:
        """Set attributes of the ticket's item; None removes one."""
        record = self.dynamodb.records.setdefault((ticket, "ticket"), {"ticket": ticket, "record": "ticket"})
        record |= {name: value for name, value in values.items() if value is not None}
        for name in (name for name, value in values.items() if value is None):
            record.pop(name, None)
        return self.item(ticket)

    def add_event(self, ticket: str, record: str = "event#1#x") -> None:
        event = {"event": "ticket.verification.completed", "event_id": "x", "received_at": "2026-01-31T11:59:00Z"}
        self.dynamodb.records[ticket, record] = {"ticket": ticket, "record": record, **event}

    def add_ticket(
        self, ticket: str, *, details: bytes = DETAILS, selfies: Sequence[bytes] | None = None, **values: Any
    ) -> TicketItem:
        """Add an archived ticket with one image of each uploaded type, or with these selfies."""
        if selfies is None:
            kinds = (ImageType.SELF_PORTRAITS, ImageType.DOCUMENT)
            images = [self._image(ticket, kind, 0, JPEG + kind.value.encode()) for kind in kinds]
        else:
            images = [self._image(ticket, ImageType.SELF_PORTRAITS, index, body) for index, body in enumerate(selfies)]
        item = self.change(
            ticket,
            state="archived",
            version="a" * 64,
            outcome="ACCEPTED",
            received_at="2026-01-31T11:59:00.000000Z",
            fetched_at="2026-01-31T11:59:01.000000Z",
            archived_at="2026-01-31T11:59:02.000000Z",
            **self._details(details),
            images=[image.model_dump() for image in images],
            types={**{image.type.value: "stored" for image in images}, "DOCUMENT_SIGNATURE": "absent"},
            attempts=1,
        )
        self.put(manifest_key(ticket, "a" * 64), write_manifest(item))
        self.add_event(ticket)
        return self.change(ticket, **values)

    def add_version(self, ticket: str, details: bytes, outcome: str, **values: Any) -> TicketItem:
        """Archive the ticket again with other details; the superseded ones become an object."""
        old, version = self.item(ticket), hashlib.sha256(details).hexdigest()
        self.put(details_key(ticket, str(old.details_sha256)), gzip.compress(DETAILS))
        state = {"version": version, "previous": old.version, "outcome": outcome}
        new = self.change(ticket, **state, **self._details(details), **values)
        self.put(manifest_key(ticket, version), write_manifest(new))
        return new

    def add_incomplete_ticket(self, ticket: str, last_error: str, **values: Any) -> None:
        due = {"incomplete": "yes", "retry_at": "2026-01-31T13:00:00Z", "archived_at": "2026-01-31T11:00:00Z"}
        listed = {**due, "received_at": "2026-01-31T11:00:00Z", "last_error": last_error, **values}
        self.change(ticket, state="incomplete", attempts=3, types={"DOCUMENT": "failed"}, **listed)

    @staticmethod
    def _details(details: bytes) -> dict[str, Any]:
        parsed = read_details(details)
        return {"details": parsed.value, "details_sha256": parsed.sha256, "details_bytes": parsed.size}

    def _image(self, ticket: str, kind: ImageType, index: int, body: bytes) -> StoredImage:
        sha256 = hashlib.sha256(body).hexdigest()
        key = image_key(ticket, kind, sha256, "jpg")
        self.put(key, body)
        return StoredImage(type=kind, index=index, key=key, sha256=sha256, bytes=len(body), content_type="image/jpeg")


class CliHarness(NamedTuple):
    """A command line on a stack in memory."""

    stack: FakeStack
    runner: CliRunner

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return self.runner.invoke(app, list(arguments), input=stdin)

    def fails(self, *arguments: str, said: str, code: Exit = Exit.FAILED, stdin: str | None = None) -> Result:
        """Run a command that exits with this code and says this; return its result."""
        result = self(*arguments, stdin=stdin)
        assert (result.exit_code, said in result.stderr) == (code, True), result.output
        return result

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

    def depth(self) -> Depth:
        return Depth(len(self.waiting), len(self.hidden), self.clock)

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
