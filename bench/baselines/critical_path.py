"""The calls of one ticket that wait for one another, made bare with requests and boto3: nothing can be faster.

Two writes register the ticket; details and images come side by side, each type's images are stored side by side; the
item, the manifest and the idempotency record follow. Nothing is parsed, checked or computed.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
import requests
from botocore.config import Config
from requests.adapters import HTTPAdapter

from bench.baselines import models
from bench.harness import USUAL

pool = ThreadPoolExecutor(16)
config = Config(max_pool_connections=16)
s3 = boto3.client("s3", config=config)
dynamodb = boto3.client("dynamodb", config=config)
http = requests.Session()
http.mount("http://", HTTPAdapter(pool_maxsize=16))


def run(ticket: str) -> None:
    """Make the calls for this ticket."""
    url = models.ticket_url(ticket)
    for _ in range(2):
        dynamodb.put_item(**models.item(ticket, "", []))
    details = pool.submit(http.get, url)
    images = [pool.submit(store, ticket, url, image_type) for image_type in models.TYPES]
    details.result()
    for stored in [put for each in images for put in each.result()]:
        stored.result()
    dynamodb.put_item(**models.item(ticket, "x" * 4000, []))
    s3.put_object(**models.manifest(ticket, []))
    dynamodb.put_item(**models.item(ticket, "", []))


def store(ticket: str, url: str, image_type: str) -> list[Future[Any]]:
    http.get(f"{url}/images", params={"type": image_type})
    files = (models.image_object(ticket, image_type, n, b"x" * size) for n, size in enumerate(USUAL[image_type]))
    return [pool.submit(s3.put_object, **file) for file in files]
