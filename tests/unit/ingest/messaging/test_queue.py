"""The queues: one call per method, durable when it returns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ingest.messaging.queue import Queue
from tests.support.stubbing import answering

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

URL = "https://sqs.example.com/tickets"


@pytest.fixture(scope="module")
def client() -> "SQSClient":
    return boto3.client("sqs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def sqs(client: "SQSClient") -> Iterator[Stubber]:
    with answering(Stubber(client)) as stubber:
        yield stubber


@pytest.mark.parametrize("delay", [0, 900])
def test_a_message_is_sent_and_its_id_returned(client: "SQSClient", sqs: Stubber, delay: int) -> None:
    call = {"QueueUrl": URL, "MessageBody": "{}", "DelaySeconds": delay}
    sqs.add_response("send_message", {"MessageId": "m1"}, call)
    assert Queue(client, URL).send("{}", delay) == "m1"


def test_a_quarantined_message_carries_its_reason(client: "SQSClient", sqs: Stubber) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "not_json"}}
    call = {"QueueUrl": URL, "MessageBody": "junk", "MessageAttributes": attributes}
    sqs.add_response("send_message", {"MessageId": "m1"}, call)
    Queue(client, URL).quarantine("junk", "not_json")


@pytest.mark.parametrize("seconds", [0, 6750])
def test_a_visibility_timeout_is_set(client: "SQSClient", sqs: Stubber, seconds: int) -> None:
    call = {"QueueUrl": URL, "ReceiptHandle": "r1", "VisibilityTimeout": seconds}
    sqs.add_response("change_message_visibility", {}, call)
    Queue(client, URL).set_visibility_timeout("r1", seconds)


def test_a_queue_that_cannot_be_reached_raises_botocores_error(client: "SQSClient", sqs: Stubber) -> None:
    sqs.add_client_error("send_message", "AWS.SimpleQueueService.NonExistentQueue")
    with pytest.raises(ClientError):
        Queue(client, URL).send("{}")
