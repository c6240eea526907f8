"""The queues: one call per method, durable when it returns."""

import pytest
from botocore.stub import Stubber

from ingest.messaging.queue import Queue
from tests.support.stubbing import client, stubbed

URL = "https://sqs.example.com/tickets"
QUEUE = Queue(client("sqs"), URL)
sqs = stubbed("sqs")


@pytest.mark.parametrize("delay", [0, 900])
def test_a_message_is_sent_and_its_id_returned(sqs: Stubber, delay: int) -> None:
    call = {"QueueUrl": URL, "MessageBody": "{}", "DelaySeconds": delay}
    sqs.add_response("send_message", {"MessageId": "m1"}, call)
    assert QUEUE.send("{}", delay) == "m1"


def test_a_quarantined_message_carries_its_reason(sqs: Stubber) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "not_json"}}
    call = {"QueueUrl": URL, "MessageBody": "junk", "MessageAttributes": attributes}
    sqs.add_response("send_message", {"MessageId": "m1"}, call)
    QUEUE.quarantine("junk", "not_json")


@pytest.mark.parametrize("seconds", [0, 6750])
def test_a_visibility_timeout_is_set(sqs: Stubber, seconds: int) -> None:
    call = {"QueueUrl": URL, "ReceiptHandle": "r1", "VisibilityTimeout": seconds}
    sqs.add_response("change_message_visibility", {}, call)
    QUEUE.set_visibility_timeout("r1", seconds)
