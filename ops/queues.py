"""Sending to queues and emptying them: in batches of which single entries may fail, and not faster than asked for."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, SendMessageBatchRequestEntryTypeDef

AT_ONCE = 10  # SQS's limits of one batch
_BYTES_AT_ONCE = 1024 * 1024
_TRIES = 3
_HELD_SECONDS = 900
_POLL_SECONDS = 1  # more than 0 asks all of SQS's servers, so that an empty answer means something


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is in flight. `reason` is the attribute that quarantined messages carry."""

    id: str
    body: str = field(repr=False)
    receipt: str = field(repr=False)
    sent_at: datetime
    reason: str | None


class Queue:
    """One queue. The methods that change several messages return the positions of those for which that failed."""

    def __init__(self, client: "SQSClient", url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._url = url
        self._sleep = sleep

    def look(self) -> tuple[int, datetime]:
        """About how many messages wait, and what time it is by the queue's own clock."""
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"])
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"]), now

    def send(self, bodies: Sequence[str]) -> set[int]:
        """Sends messages, and again those that SQS could not take at first."""
        failed: set[int] = set()
        for part in _parts(bodies):
            waiting = part
            for attempt in range(_TRIES):
                if attempt:
                    self._sleep(0.2 * 2**attempt)
                entries: list[SendMessageBatchRequestEntryTypeDef] = [
                    {"Id": str(position), "MessageBody": bodies[position]} for position in waiting
                ]
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
                faults = answer.get("Failed", ())
                failed |= {int(fault["Id"]) for fault in faults if fault["SenderFault"]}
                waiting = [int(fault["Id"]) for fault in faults if not fault["SenderFault"]]
                if not waiting:
                    break
            failed |= set(waiting)
        return failed

    def receive(self, at_most: int) -> list[Received]:
        """Up to `at_most` (10) messages, which nobody else gets for fifteen minutes."""
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=at_most,
            VisibilityTimeout=_HELD_SECONDS,
            WaitTimeSeconds=_POLL_SECONDS,
            MessageAttributeNames=["reason"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return [
            Received(
                id=message["MessageId"],
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                sent_at=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
                reason=_reason(message.get("MessageAttributes", {})),
            )
            for message in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Received]) -> set[int]:
        """Deletes messages that were received."""
        failed: set[int] = set()
        for part in _parts([""] * len(messages)):
            answer = self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(position), "ReceiptHandle": messages[position].receipt} for position in part],
            )
            failed |= {int(fault["Id"]) for fault in answer.get("Failed", ())}
        return failed

    def release(self, messages: Sequence[Received]) -> set[int]:
        """Makes messages that were received visible to others at once."""
        failed: set[int] = set()
        for part in _parts([""] * len(messages)):
            answer = self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": messages[position].receipt, "VisibilityTimeout": 0}
                    for position in part
                ],
            )
            failed |= {int(fault["Id"]) for fault in answer.get("Failed", ())}
        return failed


class Pace:
    """Holds a loop back to `per_second` pieces of work, in portions of `at_once`."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.at_once = max(1, min(AT_ONCE, int(per_second)))
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    def wait(self, count: int) -> None:
        """Waits until `count` more pieces are due."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + count / self._per_second


def _reason(attributes: Mapping[str, "MessageAttributeValueOutputTypeDef"]) -> str | None:
    return attributes["reason"].get("StringValue") if "reason" in attributes else None


def _parts(bodies: Iterable[str]) -> Iterator[list[int]]:
    """Positions in portions that one call can take, by number and by bytes."""
    part: list[int] = []
    size = 0
    for position, body in enumerate(bodies):
        length = len(body.encode("utf-8", "surrogatepass"))
        if part and (len(part) == AT_ONCE or size + length > _BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(position)
        size += length
    if part:
        yield part
