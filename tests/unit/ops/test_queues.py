"""The queue client against botocore's Stubber: batches, partial failures and limits; and the rate."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.queues import Pace, Queue, Received

URL = "https://sqs.eu-central-1.amazonaws.com/111122223333/q"


class Stub:
    def __init__(self) -> None:
        client = boto3.client("sqs", aws_access_key_id="a", aws_secret_access_key="b")
        self.naps: list[float] = []
        self.queue = Queue(client, URL, self.naps.append)
        self.stubber = Stubber(client)

    def sends(self, entries: dict[str, str], failed: dict[str, bool] | None = None) -> None:
        refused = failed or {}
        faults = [{"Id": each, "SenderFault": ours, "Code": "X"} for each, ours in refused.items()]
        done = [{"Id": each, "MessageId": "m", "MD5OfMessageBody": "x"} for each in entries if each not in refused]
        given = [{"Id": each, "MessageBody": body} for each, body in entries.items()]
        self.stubber.add_response(
            "send_message_batch", {"Successful": done, "Failed": faults}, {"QueueUrl": URL, "Entries": given}
        )


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


def received(number: int) -> Received:
    return Received(f"m{number}", "body", f"r{number}", datetime(2026, 1, 1, tzinfo=UTC), None)


def test_messages_go_in_batches_of_ten(stub: Stub) -> None:
    stub.sends({str(n): f"b{n}" for n in range(10)})
    stub.sends({"10": "b10"})

    assert stub.queue.send([f"b{n}" for n in range(11)]) == set()


def test_a_batch_keeps_below_the_bytes_that_sqs_takes_at_once(stub: Stub) -> None:
    large = "x" * 600_000
    stub.sends({"0": large})
    stub.sends({"1": large, "2": "small"})

    assert stub.queue.send([large, large, "small"]) == set()


def test_what_sqs_could_not_take_is_sent_again_alone(stub: Stub) -> None:
    stub.sends({"0": "a", "1": "b"}, failed={"1": False})
    stub.sends({"1": "b"})

    assert stub.queue.send(["a", "b"]) == set()
    assert len(stub.naps) == 1


def test_what_is_our_fault_is_not_sent_again(stub: Stub) -> None:
    stub.sends({"0": "a", "1": "b"}, failed={"0": True})

    assert stub.queue.send(["a", "b"]) == {0}


def test_a_third_failure_is_told(stub: Stub) -> None:
    stub.sends({"0": "a", "1": "b"}, failed={"1": False})
    stub.sends({"1": "b"}, failed={"1": False})
    stub.sends({"1": "b"}, failed={"1": False})

    assert stub.queue.send(["a", "b"]) == {1}


def test_a_received_message_has_its_time_and_its_reason(stub: Stub) -> None:
    message: dict[str, Any] = {"MessageId": "m", "Body": "{}", "ReceiptHandle": "r"}
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


def test_a_received_message_does_not_show_its_body() -> None:
    message = Received("m", "CANARY-BODY", "CANARY-RECEIPT", datetime(2026, 1, 1, tzinfo=UTC), None)

    assert "CANARY" not in repr(message)


def test_messages_that_could_not_be_deleted_are_told_by_position(stub: Stub) -> None:
    answer: dict[str, Any] = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "SenderFault": False, "Code": "X"}]}
    entries = [{"Id": "0", "ReceiptHandle": "r0"}, {"Id": "1", "ReceiptHandle": "r1"}]
    stub.stubber.add_response("delete_message_batch", answer, {"QueueUrl": URL, "Entries": entries})

    assert stub.queue.delete([received(0), received(1)]) == {1}


def test_released_messages_are_visible_at_once(stub: Stub) -> None:
    entries = [{"Id": "0", "ReceiptHandle": "r0", "VisibilityTimeout": 0}]
    answer: dict[str, Any] = {"Successful": [{"Id": "0"}], "Failed": []}
    stub.stubber.add_response("change_message_visibility_batch", answer, {"QueueUrl": URL, "Entries": entries})

    assert stub.queue.release([received(0)]) == set()


def test_the_pace_spreads_work_over_time() -> None:
    now = [0.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(round(seconds, 3))
        now[0] += seconds

    pace = Pace(20, clock=lambda: now[0], sleep=sleep)
    for _ in range(4):
        pace.wait(10)

    assert naps == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("rate", "batch"), [(0.1, 1), (1, 1), (3.5, 3), (10, 10), (500, 10)])
def test_a_batch_is_at_most_one_second_of_messages(rate: float, batch: int) -> None:
    assert Pace(rate).batch == batch
