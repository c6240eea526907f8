"""The same on asyncio: aiohttp for the vendor, aiobotocore for AWS, one event loop for the life of the process.

It runs in an environment of its own, because aiobotocore pins another botocore. It leaves out what `threads` leaves
out, and hashes and decodes on the event loop.
"""

import asyncio
from typing import Any

import aiohttp
import requests  # noqa: F401  # the same four packages as everyone
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.baselines import models
from bench.baselines.models import Credential, Images, Message

CALLS, TICKETS = 16, 10

logger = Logger()
credential = Credential.read()
loop = asyncio.new_event_loop()


class Clients:
    """The clients and the token; `start` makes them for the life of the process."""

    async def start(self) -> "Clients":
        self.http = aiohttp.ClientSession()
        self.calls = asyncio.Semaphore(CALLS)
        config, session = AioConfig(max_pool_connections=CALLS + TICKETS), get_session()
        self.s3: Any = await session.create_client("s3", config=config).__aenter__()
        self.dynamodb: Any = await session.create_client("dynamodb", config=config).__aenter__()
        auth = aiohttp.BasicAuth(credential.api_key, credential.secret)
        async with self.http.post(models.TOKEN_URL, auth=auth, headers=credential.token_headers()) as answer:
            answer.raise_for_status()
            self.headers = credential.headers(await answer.read())
        return self


clients: Clients | None = None


def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> Any:
    """Archive the tickets of an SQS batch side by side."""
    return loop.run_until_complete(handle(event))


async def handle(event: dict[str, Any]) -> Any:
    global clients
    clients = clients or await Clients().start()
    ids = [Message.model_validate_json(record["body"]).ticket for record in event["Records"]]
    done = await asyncio.gather(*(archive(clients, ticket) for ticket in ids), return_exceptions=True)
    failed = [ticket for ticket, result in zip(ids, done, strict=True) if isinstance(result, BaseException)]
    return {"batchItemFailures": [{"itemIdentifier": ticket} for ticket in failed]}


async def archive(clients: Clients, ticket: str) -> None:
    url = models.ticket_url(ticket)
    images = (store_images(clients, ticket, url, image_type) for image_type in models.TYPES)
    (details, _), *found = await asyncio.gather(get(clients, url), *images)
    stored = [image for each in found for image in each]
    await clients.dynamodb.put_item(**models.item(ticket, details.decode(), stored))
    await clients.s3.put_object(**models.manifest(ticket, stored))
    logger.info("ticket archived", extra={"ticket": ticket})


async def get(clients: Clients, url: str) -> tuple[bytes, int]:
    async with clients.calls, clients.http.get(url, headers=clients.headers) as answer:
        if answer.status != 404:
            answer.raise_for_status()
        return await answer.read(), answer.status


async def store_images(clients: Clients, ticket: str, url: str, image_type: str) -> list[dict[str, Any]]:
    body, status = await get(clients, f"{url}/images?type={image_type}")
    stored = []
    for number, data in enumerate(Images.model_validate_json(body).files() if status == 200 else []):
        image = models.image_object(ticket, image_type, number, data)
        await clients.s3.put_object(**image)
        stored.append(models.stored_image(image["Key"], data))
    return stored
