"""A bare Powertools resolver: it validates, reads one item with boto3, and presigns its images' URLs with boto3.

It leaves out the audit record, metrics, states other than archived, selections, problem+json and the URLs' policy.
"""

import os
from typing import Annotated, Any

import boto3
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

app = APIGatewayRestResolver(enable_validation=True)
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


def image(stored: Any) -> Image:
    params = {
        "Bucket": os.environ["BUCKET_NAME"],
        "Key": stored["key"]["S"],
        "ResponseCacheControl": "no-store",
        "ResponseContentType": stored["content_type"]["S"],
        "ResponseContentDisposition": f'attachment; filename="{stored["type"]["S"]}-{stored["index"]["N"]}.jpg"',
    }
    return Image(
        type=stored["type"]["S"],
        index=int(stored["index"]["N"]),
        sha256=stored["sha256"]["S"],
        content_type=stored["content_type"]["S"],
        bytes=int(stored["bytes"]["N"]),
        url=s3.generate_presigned_url("get_object", Params=params, ExpiresIn=300),
    )


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a proxy event."""
    return app.resolve(event, context)
