"""The queues: one call per method, durable when it returns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ingest.clients import CALLS_AT_ONCE, TICKETS_AT_ONCE
from ingest.clients import client as function_client
from ingest.messaging.queue import TicketQueue
from ticket_archive.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

URL, QUARANTINE = "https://sqs.example.com/tickets", "https://sqs.example.com/quarantine"


@pytest.fixture(scope="module")
def client() -> "SQSClient":
    return boto3.client("sqs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def sqs(client: "SQSClient") -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_message_is_sent_and_its_id_returned(client: "SQSClient", sqs: Stubber) -> None:
    sqs.add_response("send_message", {"MessageId": "m1"}, {"QueueUrl": URL, "MessageBody": "{}"})
    assert TicketQueue(client, URL).send("{}") == "m1"


def test_what_cannot_be_read_goes_to_quarantine_as_it_came_with_its_reason(client: "SQSClient", sqs: Stubber) -> None:
    sqs.add_response(
        "send_message",
        {"MessageId": "m1"},
        {
            "QueueUrl": QUARANTINE,
            "MessageBody": "junk",
            "MessageAttributes": {"reason": {"DataType": "String", "StringValue": "not_json"}},
        },
    )
    TicketQueue(client, URL, QUARANTINE).quarantine("junk", "not_json")


@pytest.mark.usefixtures("sqs")
def test_without_a_quarantine_nothing_is_thrown_away(client: "SQSClient") -> None:
    with pytest.raises(SettingsError, match=r"QUARANTINE_QUEUE_URL"):
        TicketQueue(client, URL).quarantine("junk", "not_json")


@pytest.mark.parametrize("seconds", [0, 6750])
def test_a_message_is_put_off(client: "SQSClient", sqs: Stubber, seconds: int) -> None:
    sqs.add_response(
        "change_message_visibility", {}, {"QueueUrl": URL, "ReceiptHandle": "r1", "VisibilityTimeout": seconds}
    )
    TicketQueue(client, URL).set_visibility_timeout("r1", seconds)


def test_a_queue_out_of_reach_is_botocores_error(client: "SQSClient", sqs: Stubber) -> None:
    sqs.add_client_error("send_message", "AWS.SimpleQueueService.NonExistentQueue")
    with pytest.raises(ClientError):
        TicketQueue(client, URL).send("{}")


def test_no_call_to_aws_lasts_for_ever_and_each_thread_has_a_connection() -> None:
    config = function_client("sqs").meta.config
    assert 0 < config.connect_timeout <= 5
    assert 0 < config.read_timeout <= 10
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}
    assert config.max_pool_connections >= CALLS_AT_ONCE + TICKETS_AT_ONCE
