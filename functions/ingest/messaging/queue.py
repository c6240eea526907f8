"""The queues, as the ingest function uses them."""

from typing import TYPE_CHECKING

from ticket_archive.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class TicketQueue:
    """Sends to the ticket queue and to quarantine, and puts off what cannot be done yet. One call per method."""

    def __init__(self, client: "SQSClient", url: str, quarantine_url: str | None = None) -> None:
        self._client = client
        self._url = url
        self._quarantine_url = quarantine_url

    def send(self, body: str) -> str:
        """Queues a message; returns its id. It is durable when this returns."""
        return self._client.send_message(QueueUrl=self._url, MessageBody=body)["MessageId"]

    def quarantine(self, body: str, reason: str) -> None:
        """Keeps a message that cannot be read, as it came, with the reason as an attribute."""
        if self._quarantine_url is None:
            raise SettingsError("QUARANTINE_QUEUE_URL")
        self._client.send_message(
            QueueUrl=self._quarantine_url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )

    def set_visibility_timeout(self, receipt_handle: str, seconds: int) -> None:
        """Makes a message that is in flight visible again after `seconds`, 0 at once."""
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )
