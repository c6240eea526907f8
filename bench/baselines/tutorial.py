"""The handler that a tutorial would show: one ticket, and one call by `requests.get`, after the other.

It leaves out encryption, duplicates, conditional writes, checksums of its own, retries, deadlines, size limits,
checks of the files, tickets that are not ready yet, and metrics. In its favour, clients are made once and a token is
asked for once per batch.
"""

import os
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.baselines import models
from bench.baselines.models import Credential, Images, Message

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS)
s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["VENDOR_CREDENTIAL_SECRET"])
credential = Credential.model_validate_json(secret["SecretString"])
headers: dict[str, str] = {}


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Archive the tickets of an SQS batch."""
    auth = (credential.api_key, credential.secret)
    answer = requests.post(models.TOKEN_URL, auth=auth, headers=credential.token_headers(), timeout=models.TIMEOUT)
    answer.raise_for_status()
    headers.update(credential.headers(answer.content))
    return process_partial_response(event=event, record_handler=archive, processor=processor, context=context)


def archive(record: SQSRecord) -> None:
    ticket = Message.model_validate_json(record.body).ticket
    url = models.ticket_url(ticket)
    details = requests.get(url, headers=headers, timeout=models.TIMEOUT)
    details.raise_for_status()
    stored = []
    for image_type in models.TYPES:
        params = {"type": image_type}
        answer = requests.get(f"{url}/images", params=params, headers=headers, timeout=models.TIMEOUT)
        if answer.status_code == 404:
            continue
        answer.raise_for_status()
        for number, data in enumerate(Images.model_validate_json(answer.content).files()):
            image = models.image_object(ticket, image_type, number, data)
            s3.put_object(**image)
            stored.append(models.stored_image(image["Key"], data))
    dynamodb.put_item(**models.item(ticket, details.text, stored))
    s3.put_object(**models.manifest(ticket, stored))
    logger.info("ticket archived", extra={"ticket": ticket})
