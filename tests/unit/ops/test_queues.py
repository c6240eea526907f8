"""The queue client against botocore's Stubber: batches, partial failures and limits; and the rate."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from ops.queues import Depth, Pace, Queue, Received
from tests.support.stubbing import answering, client

URL = "https://sqs.eu-central-1.amazonaws.com/111122223333/q"


class Stub:
    def __init__(self) -> None:
        self.naps: list[float] = []
        self.queue = Queue(client("sqs"), URL)
        self.stubber = Stubber(client("sqs"))

    def sends(self, entries: dict[str, str], failed: dict[str, bool] | None = None) -> None:
        refused = failed or {}
        faults = [{"Id": each, "SenderFault": ours, "Code": "X"} for each, ours in refused.items()]
        done = [{"Id": each, "MessageId": "m", "MD5OfMessageBody": "x"} for each in entries if each not in refused]
        given = [{"Id": each, "MessageBody": body} for each, body in entries.items()]
        self.stubber.add_response(
            "send_message_batch", {"Successful": done, "Failed": faults}, {"QueueUrl": URL, "Entries": given}
        )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    made = Stub()
    monkeypatch.setattr("time.sleep", made.naps.append)
    with answering(made.stubber):
        yield made


def received(number: int) -> Received:
    return Received(f"m{number}", "body", f"r{number}", datetime(2026, 1, 1, tzinfo=UTC), None)


def test_the_depth_counts_messages_in_flight_too(stub: Stub) -> None:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer: dict[str, Any] = {"Attributes": dict(zip(names, ("3", "2"), strict=True))}
    answer["ResponseMetadata"] = {"HTTPHeaders": {"date": "Sat, 31 Jan 2026 12:00:00 GMT"}}
    stub.stubber.add_response("get_queue_attributes", answer, {"QueueUrl": URL, "AttributeNames": names})
    assert stub.queue.depth() == Depth(3, 2, datetime(2026, 1, 31, 12, tzinfo=UTC))


def test_messages_go_in_batches_of_ten(stub: Stub) -> None:
    stub.sends({str(n): f"b{n}" for n in range(10)})
    stub.sends({"10": "b10"})
    assert stub.queue.send([f"b{n}" for n in range(11)]) == set()


def test_a_batch_keeps_below_the_bytes_that_sqs_takes_at_once(stub: Stub) -> None:
    large = "x" * 600_000
    stub.sends({"0": large})
    stub.sends({"1": large, "2": "small"})
    assert stub.queue.send([large, large, "small"]) == set()


@pytest.mark.parametrize(
    ("our_fault", "attempts", "failed"), [([False], 2, set()), ([False] * 3, 3, {1}), ([True], 1, {1})]
)
def test_what_sqs_could_not_take_is_sent_again_alone_twice_unless_it_is_our_fault(
    our_fault: list[bool], attempts: int, failed: set[int], stub: Stub
) -> None:
    for attempt in range(attempts):
        faults = {"1": our_fault[attempt]} if attempt < len(our_fault) else {}
        stub.sends({"1": "b"} if attempt else {"0": "a", "1": "b"}, failed=faults)
    assert stub.queue.send(["a", "b"]) == failed
    assert len(stub.naps) == attempts - 1


def test_a_received_message_has_its_time_and_its_reason(stub: Stub) -> None:
    message: dict[str, Any] = {"MessageId": "m", "Body": "CANARY", "ReceiptHandle": "CANARY"}
    message["Attributes"] = {"SentTimestamp": "1769860800000"}
    message["MessageAttributes"] = {"reason": {"StringValue": "not_json", "DataType": "String"}}
    asked = {
        "QueueUrl": URL,
        "MaxNumberOfMessages": 5,
        "VisibilityTimeout": 900,
        "WaitTimeSeconds": 1,
        "MessageAttributeNames": ["reason"],
        "MessageSystemAttributeNames": ["SentTimestamp"],
    }
    stub.stubber.add_response("receive_message", {"Messages": [message]}, asked)

    [found] = stub.queue.receive(5)

    assert (found.id, found.reason, found.sent_at) == ("m", "not_json", datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize(
    ("method", "operation", "more"),
    [("delete", "delete_message_batch", {}), ("release", "change_message_visibility_batch", {"VisibilityTimeout": 0})],
)
def test_messages_are_deleted_or_made_visible_in_batches_and_failures_are_returned_by_position(
    method: str, operation: str, more: dict[str, int], stub: Stub
) -> None:
    entries = [{"Id": f"{number}", "ReceiptHandle": f"r{number}", **more} for number in range(11)]
    for batch in (entries[:10], entries[10:]):
        fault = {"Id": batch[-1]["Id"], "SenderFault": True, "Code": "X"}
        stub.stubber.add_response(operation, {"Successful": [], "Failed": [fault]}, {"QueueUrl": URL, "Entries": batch})
    assert getattr(stub.queue, method)([received(number) for number in range(11)]) == {9, 10}


def test_the_pace_spreads_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr("ops.queues.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    pace = Pace(20)
    for _ in range(4):
        pace.wait(10)
    assert naps == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("rate", "batch"), [(0.1, 1), (1, 1), (3.5, 3), (10, 10), (500, 10)])
def test_a_batch_is_at_most_one_second_of_messages(rate: float, batch: int) -> None:
    assert Pace(rate).batch == batch
