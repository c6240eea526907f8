"""A handler as one might write it in an afternoon: thread pools over one `requests.Session` and shared boto3 clients.

Ten tickets at a time, and sixteen calls. The token is cached for as long as the process lives. It leaves out what
`tutorial` leaves out.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from requests.adapters import HTTPAdapter

from bench.baselines import models
from bench.baselines.models import Credential, Message

CALLS, TICKETS = 16, 10

logger = Logger()
config = Config(max_pool_connections=CALLS + TICKETS)
s3 = boto3.client("s3", config=config)
dynamodb = boto3.client("dynamodb", config=config)
credential = Credential.read()
http = requests.Session()
for scheme in ("http://", "https://"):
    http.mount(scheme, HTTPAdapter(pool_maxsize=CALLS))
calls = ThreadPoolExecutor(CALLS)
tickets = ThreadPoolExecutor(TICKETS)


def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> Any:
    """Archive the tickets of an SQS batch side by side."""
    headers()
    ids = [Message.model_validate_json(record["body"]).ticket for record in event["Records"]]
    return {"batchItemFailures": [failed for failed in tickets.map(archive, ids) if failed]}


@cache
def headers() -> dict[str, str]:
    return models.new_headers(http, credential)


def archive(ticket: str) -> dict[str, str] | None:
    details = calls.submit(http.get, models.ticket_url(ticket), headers=headers(), timeout=models.TIMEOUT)
    images = [calls.submit(models.store_images, http, s3, headers(), ticket, each) for each in models.TYPES]
    try:
        details.result().raise_for_status()
        stored = [image for each in images for image in each.result()]
        dynamodb.put_item(**models.item(ticket, details.result().text, stored))
        s3.put_object(**models.manifest(ticket, stored))
    except Exception:
        logger.exception("ticket failed")
        return {"itemIdentifier": ticket}
    logger.info("ticket archived", extra={"ticket": ticket})
    return None
