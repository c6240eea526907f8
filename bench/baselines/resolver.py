"""A bare Powertools resolver: it validates, reads one item with boto3, and presigns its images' URLs with boto3.

It leaves out the audit record, metrics, states other than archived, selections, problem+json and the URLs' policy.
"""

import os
from typing import Annotated, Any

import boto3
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

app = APIGatewayRestResolver(enable_validation=True)
lambda_handler = app.resolve
dynamodb = boto3.client("dynamodb")
s3 = boto3.client("s3")


class Image(BaseModel):
    """An image with its URL."""

    type: str
    index: int
    sha256: str
    content_type: str
    bytes: int
    url: str


class Ticket(BaseModel):
    """A ticket's images."""

    ticket: str
    images: list[Image]


@app.get("/tickets/<ticket>/images")
def images(ticket: Annotated[str, Path(pattern="^[0-9a-f-]{36}$")]) -> Ticket:
    """Return presigned URLs of a ticket's images."""
    key = {"ticket": {"S": ticket}, "record": {"S": "ticket"}}
    item = dynamodb.get_item(TableName=os.environ["TABLE_NAME"], Key=key, ConsistentRead=True)["Item"]
    return Ticket(ticket=ticket, images=[image(each["M"]) for each in item["images"]["L"]])


def image(attributes: Any) -> Image:
    stored = {name: next(iter(value.values())) for name, value in attributes.items()}
    params = {
        "Bucket": os.environ["BUCKET_NAME"],
        "Key": stored["key"],
        "ResponseCacheControl": "no-store",
        "ResponseContentType": stored["content_type"],
        "ResponseContentDisposition": f'attachment; filename="{stored["type"]}-{stored["index"]}.jpg"',
    }
    return Image(**stored, url=s3.generate_presigned_url("get_object", Params=params, ExpiresIn=300))
