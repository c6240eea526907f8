"""The handler that a tutorial would show: one ticket, and one call by `requests.get`, after the other.

It leaves out encryption, duplicates, conditional writes, checksums of its own, retries, deadlines, size limits,
checks of the files, tickets that are not ready yet, and metrics. In its favour, clients are made once and a token is
asked for once per batch.
"""

from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.baselines import models
from bench.baselines.models import Credential, Message

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS)
s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
credential = Credential.read()
headers: dict[str, str] = {}


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Archive the tickets of an SQS batch."""
    headers.update(models.new_headers(requests, credential))
    return process_partial_response(event=event, record_handler=archive, processor=processor, context=context)


def archive(record: SQSRecord) -> None:
    ticket = Message.model_validate_json(record.body).ticket
    details = requests.get(models.ticket_url(ticket), headers=headers, timeout=models.TIMEOUT)
    details.raise_for_status()
    stored = [
        image for image_type in models.TYPES for image in models.store_images(requests, s3, headers, ticket, image_type)
    ]
    dynamodb.put_item(**models.item(ticket, details.text, stored))
    s3.put_object(**models.manifest(ticket, stored))
    logger.info("ticket archived", extra={"ticket": ticket})
