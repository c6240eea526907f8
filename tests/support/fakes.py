"""In-memory table, bucket, vendor, idempotency store, queue and clock, with the rules of the real ones; thread-safe.

Every call passes through `Effects` under a name, where a test can watch it, count it, or make it fail.
"""

import hashlib
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from ingest.files.decoding import InlineFile, LinkedFile
from ingest.files.formats import JPEG
from ingest.messaging.queue import Queue
from ingest.vendor.client import Preventor
from tests.support.dynamodb import FakeDynamoDB, attributes
from tests.support.effects import Effects, reraisable
from ticket_archive.bucket import Bucket
from ticket_archive.details import Details, read_details
from ticket_archive.errors import InvalidVendorResponse, TicketNotFound
from ticket_archive.models import ImageType, TicketItem, TicketState
from ticket_archive.table import IncompleteTicket, TicketTable, read_item

_Method = TypeVar("_Method", bound=Callable[..., Any])


class FakeClock:
    """A clock that advances by `tick` whenever it is read."""

    def __init__(self, tick: timedelta = timedelta(seconds=1)) -> None:
        self.tick = tick
        self._moment = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._moment += self.tick
            return self._moment

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._moment += timedelta(seconds=seconds)


class AtOnce(Executor):
    """An executor that runs each call within `submit`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as a pool does
            future.set_exception(error)
        return future


class FakeBucket(Bucket):
    """`ticket_archive.bucket.Bucket`. `created` has every key once, in the order of S3's events.

    `on_create` is called with each new object before it is visible.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        self.objects: dict[str, bytes] = {}
        self.content_types: dict[str, str] = {}
        self.created: list[str] = []
        self.renewed: list[str] = []
        self.expiring: set[str] = set()
        self.on_create: Callable[[str, bytes], None] = lambda _key, _body: None
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self.objects

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, key: str) -> bytes:
        return self.objects[key]

    def create(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, expiring: bool = False
    ) -> bool:
        assert sha256 in (None, hashlib.sha256(body).digest()), "S3 compares it"
        with self.effects.around(f"bucket.create {key}"), self._lock:
            if key in self.objects:
                return False
            self.on_create(key, body)
            self.objects[key] = body
            self.content_types[key] = content_type
            self.created.append(key)
            if expiring:
                self.expiring.add(key)
            return True

    def store(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, expiring: bool) -> None:
        if not self.create(key, body, content_type, sha256, expiring=expiring) and expiring:
            assert self.objects[key] == body, "a key is made of what is under it"
            self.renewed.append(key)
            self.expiring.add(key)

    def read(self, key: str) -> bytes:
        return self.objects[key]

    def keys(self, part: str) -> list[str]:
        return [key for key in self.created if f"/{part}/" in key]

    def manifests(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's manifests in the order of their S3 events."""
        return [json.loads(self.objects[key]) for key in self.keys("manifests") if key.startswith(f"tickets/{ticket}/")]


def _watched(method: _Method, name: str) -> _Method:
    """Return a method that passes through `Effects`, with the ticket that its first argument is or has."""

    def call(self: Any, *given: Any, **named: Any) -> Any:
        with self.effects.around(" ".join([name, *(getattr(each, "ticket", each) for each in given[:1])])):
            return method(self, *given, **named)

    return cast("_Method", call)


class FakeTickets(TicketTable):
    """`TicketTable` over `FakeDynamoDB`. `history` has the versions that each ticket was archived in, in order."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.dynamodb = FakeDynamoDB("ticket", "record")
        super().__init__(cast("Any", self.dynamodb), "tickets")
        self.effects = effects or Effects()
        self.history: dict[str, list[str]] = {}

    def __contains__(self, ticket: str) -> bool:
        return (ticket, "ticket") in self.dynamodb.records

    def __getitem__(self, ticket: str) -> TicketItem:
        return read_item(attributes(self.items[ticket]))

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        """Every ticket's item as plain values, by ticket; changes apply."""
        return {key[0]: record for key, record in self.dynamodb.records.items() if key[1] == "ticket"}

    @property
    def events(self) -> dict[tuple[str, ...], dict[str, Any]]:
        return {key: record for key, record in self.dynamodb.records.items() if key[1] != "ticket"}

    def erase(self, ticket: str) -> None:
        """Leave a tombstone, as the operators' command does."""
        tombstone = {"ticket": ticket, "record": "ticket", "state": TicketState.ERASED.value}
        self.dynamodb.records[ticket, "ticket"] = tombstone

    def due(self, *tickets: IncompleteTicket, listed: str = "yes") -> Self:
        """Put tickets on one of the lists that the schedule reads: "yes", "recheck" or "refetch"."""
        for each in tickets:
            times = {"retry_at": each.retry_at, "received_at": each.received_at, "requeues": each.requeues}
            state = {"state": "incomplete" if listed == "yes" else "archived", "incomplete": listed}
            record = {"ticket": each.ticket, "record": "ticket", **state, **times}
            self.dynamodb.records[each.ticket, "ticket"] = record
        return self

    def archive(
        self, item: TicketItem, changes: Mapping[str, Any], defaults: Mapping[str, Any], recheck_at: str | None = None
    ) -> None:
        with self.effects.around(f"table.archive {item.ticket}"):
            super().archive(item, changes, defaults, recheck_at)
            history = self.history.setdefault(item.ticket, [])
            if history[-1:] != [changes["version"]]:
                history.append(changes["version"])

    get = _watched(TicketTable.get, "table.get")
    begin = _watched(TicketTable.begin, "table.begin")
    put_event = _watched(TicketTable.put_event, "table.event")
    mark_incomplete = _watched(TicketTable.mark_incomplete, "table.mark_incomplete")
    keep_pending = _watched(TicketTable.keep_pending, "table.keep_pending")
    expire = _watched(TicketTable.expire, "table.expire")
    postpone = _watched(TicketTable.postpone, "table.postpone")


Images = Sequence[InlineFile | LinkedFile]


class FakeVendor(Preventor):
    """`ingest.vendor.client.Preventor`, scripted.

    `details_of`, `images_of` and `links` are standing answers. Those in `next_answers` (by "details", an image type or
    a URL) come first, once each. Exceptions are raised, callables called.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        self.details_of: dict[str, Any] = {}
        self.images_of: dict[tuple[str, ImageType], Any] = {}
        self.links: dict[str, InlineFile] = {}
        self.next_answers: dict[str, deque[Any]] = {}

    def becomes(self, ticket: str, details: Details, images: Mapping[ImageType, Images]) -> None:
        """Replace all standing answers of a ticket."""
        self.details_of[ticket] = details
        for kind in ImageType:
            self.images_of[ticket, kind] = images.get(kind, ())

    def next(self, part: str, *answers: Any) -> None:
        self.next_answers.setdefault(part, deque()).extend(answers)

    def details(self, ticket: str, deadline: float) -> Details:
        with self.effects.around(f"vendor.details {ticket}"):
            details: Details = self._scripted("details", self.details_of.get(ticket, TicketNotFound("404")))
            return details

    def files(self, ticket: str, image_type: ImageType, deadline: float) -> list[InlineFile | LinkedFile]:
        with self.effects.around(f"vendor.files {ticket} {image_type.value}"):
            return list(self._scripted(image_type.value, self.images_of.get((ticket, image_type), ())))

    def linked_file(self, link: LinkedFile, deadline: float) -> InlineFile:
        with self.effects.around(f"vendor.linked_file {link.url}"):
            image: InlineFile = self._scripted(link.url, self.links.get(link.url, InvalidVendorResponse("404")))
            return image

    def _scripted(self, part: str, standing: Any) -> Any:
        scripted = self.next_answers.get(part)
        answer = scripted.popleft() if scripted else standing
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise reraisable(answer)
        return answer


def picture(text: str) -> InlineFile:
    """Return a file that nothing decodes."""
    return InlineFile(b"\xff\xd8\xff" + text.encode(), JPEG)


def details(outcome: str = "ACCEPTED", **more: Any) -> Details:
    return read_details(json.dumps({"flow_status": outcome, **more}).encode())


class FakeQueue(Queue):
    """A queue. `sent` has bodies with their delays, `quarantined` bodies with their reasons.

    `pauses` are visibility timeouts by receipt handle. `failure` is raised by `send`.
    """

    def __init__(self, effects: Effects | None = None, failure: Exception | None = None) -> None:
        self.effects = effects or Effects()
        self.failure = failure
        self.pauses: dict[str, int] = {}
        self.quarantined: list[tuple[str, str]] = []
        self.sent: list[tuple[str, int]] = []

    @property
    def bodies(self) -> list[str]:
        return [body for body, _ in self.sent]

    def send(self, body: str, delay: int = 0) -> str:
        if self.failure is not None:
            raise self.failure
        with self.effects.around("queue.send"):
            self.sent.append((body, delay))
            return f"message-{len(self.sent)}"

    def quarantine(self, body: str, reason: str) -> None:
        with self.effects.around(f"queue.quarantine {reason}"):
            self.quarantined.append((body, reason))

    def set_visibility_timeout(self, receipt_handle: str, seconds: int) -> None:
        with self.effects.around(f"queue.set_visibility_timeout {receipt_handle}"):
            self.pauses[receipt_handle] = seconds


class FakeIdempotencyTable(FakeDynamoDB):
    """The DynamoDB client of Powertools' idempotency."""

    def __init__(self, effects: Effects | None = None) -> None:
        super().__init__("id")
        self.effects = effects or Effects()

    def attempts_are_over(self) -> None:
        """Let the locks of attempts that never ended expire."""
        for record in self.records.values():
            record |= dict.fromkeys({"in_progress_expiration"} & record.keys(), 0)

    put_item = _watched(FakeDynamoDB.put_item, "idempotency.put")
    get_item = _watched(FakeDynamoDB.get_item, "idempotency.get")
    update_item = _watched(FakeDynamoDB.update_item, "idempotency.update")
    delete_item = _watched(FakeDynamoDB.delete_item, "idempotency.delete")


@dataclass
class FakeContext(LambdaContext):
    """Lambda's context; `seconds` are left when it is made."""

    seconds: float = 60.0
    function_name: str = "ingest"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:ingest"
    aws_request_id: str = "request-1"
    _began: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # a static method there
        return int((self.seconds - (time.monotonic() - self._began)) * 1000)


_message_ids = itertools.count(1)


def sqs_record(body: str, receives: int = 1, message_id: str | None = None) -> dict[str, Any]:
    """Return a record of an SQS event. Its receipt handle is `receipt-` and its message id."""
    message_id = message_id or f"m{next(_message_ids)}"
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1768469400000"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:tickets",
        "awsRegion": "eu-central-1",
    }
