"""Send, receive and delete SQS messages in batches, at a limited rate."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

BATCH = 10  # the limits of one SQS batch
_BATCH_BYTES = 1024 * 1024
_ATTEMPTS = 3
_VISIBILITY_TIMEOUT = 900  # seconds
_VISIBLE: Literal["ApproximateNumberOfMessages"] = "ApproximateNumberOfMessages"
_IN_FLIGHT: Literal["ApproximateNumberOfMessagesNotVisible"] = "ApproximateNumberOfMessagesNotVisible"
_WAIT_SECONDS = 1  # long polling asks all of SQS's servers, so that an empty response is reliable


@dataclass(frozen=True, slots=True)
class Received:
    """A message in flight. `reason` is an attribute of quarantined messages; `sent_at` is when it was first queued."""

    id: str
    body: str = field(repr=False)
    receipt: str = field(repr=False)
    sent_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Depth:
    """Approximate numbers of messages that are visible and in flight, and the time by SQS's clock."""

    visible: int
    in_flight: int
    now: datetime


class Queue:
    """One queue. Methods that change several messages return the positions of those that failed."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def depth(self) -> Depth:
        """Return how many messages the queue has."""
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[_VISIBLE, _IN_FLIGHT])
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return Depth(int(answer["Attributes"][_VISIBLE]), int(answer["Attributes"][_IN_FLIGHT]), now)

    def send(self, bodies: Sequence[str]) -> set[int]:
        """Send messages."""
        return self._call(self._client.send_message_batch, [{"MessageBody": body} for body in bodies])

    def receive(self, at_most: int) -> list[Received]:
        """Receive up to `at_most` (10) messages and hide them from others for 15 minutes."""
        answer: Any = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=at_most,
            VisibilityTimeout=_VISIBILITY_TIMEOUT,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageAttributeNames=["reason"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [
            Received(
                id=message["MessageId"],
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
                reason=message.get("MessageAttributes", {}).get("reason", {}).get("StringValue"),
            )
            for message in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Received]) -> set[int]:
        """Delete received messages."""
        return self._call(self._client.delete_message_batch, [{"ReceiptHandle": each.receipt} for each in messages])

    def release(self, messages: Sequence[Received]) -> set[int]:
        """Make received messages visible again at once."""
        entries = [{"ReceiptHandle": message.receipt, "VisibilityTimeout": 0} for message in messages]
        return self._call(self._client.change_message_visibility_batch, entries)

    def _call(self, operation: Callable[..., Any], entries: Sequence[Mapping[str, Any]]) -> set[int]:
        """Call a batch operation; entries that SQS could not take are tried again."""
        failed: set[int] = set()
        for waiting in _batches([str(entry.get("MessageBody", "")) for entry in entries]):
            for attempt in range(_ATTEMPTS):
                if attempt:
                    time.sleep(0.2 * 2**attempt)
                batch = [{"Id": str(position), **entries[position]} for position in waiting]
                faults = operation(QueueUrl=self._url, Entries=batch).get("Failed", ())
                failed |= {int(fault["Id"]) for fault in faults if fault["SenderFault"]}
                waiting = [int(fault["Id"]) for fault in faults if not fault["SenderFault"]]
                if not waiting:
                    break
            failed |= set(waiting)
        return failed


class Pace:
    """Limits a loop to `per_second` messages, in batches of `batch`."""

    def __init__(self, per_second: float) -> None:
        self.batch = max(1, min(BATCH, int(per_second)))
        self._per_second = per_second
        self._next = 0.0

    def wait(self, count: int) -> None:
        """Wait until `count` more messages may be sent."""
        now = time.monotonic()
        if now < self._next:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + count / self._per_second


def _batches(bodies: Sequence[str]) -> Iterator[list[int]]:
    """Return positions in batches that respect SQS's limits of number and bytes."""
    part: list[int] = []
    size = 0
    for position, body in enumerate(bodies):
        length = len(body.encode("utf-8", "surrogatepass"))
        if part and (len(part) == BATCH or size + length > _BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(position)
        size += length
    if part:
        yield part
