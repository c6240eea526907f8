"""The ticket queue and the quarantine queue."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class Queue:
    """A queue. Every method makes one call and raises botocore's exceptions."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, delay: int = 0) -> str:
        """Send a message and return its id; it is durable then. It is delivered after `delay` seconds (up to 900)."""
        return self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay)["MessageId"]

    def quarantine(self, body: str, reason: str) -> None:
        """Send a message with the reason as its attribute."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )

    def set_visibility_timeout(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again after `seconds`."""
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )
