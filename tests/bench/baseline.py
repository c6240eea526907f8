"""The mark that the product is measured against: the ingest handler as a tutorial would write it.

It does the same job for a ticket that goes well, in the plainest way: one ticket after the other, one call after the
other, `requests.get` for each, one object after the other. It is honest in its favour: clients are made once, a token
is asked for once per batch, and it leaves out what the product does besides (duplicates, events, conditional writes,
checksums, half-finished tickets, hostile answers).
"""

import base64
import hashlib
import json
import os
from typing import Any

import boto3
import requests

TYPES = ("SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT", "DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT")
TIMEOUT = 30

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
credential = json.loads(
    boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["VENDOR_CREDENTIAL_SECRET"])["SecretString"]
)


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Archives the tickets of an SQS batch."""
    headers = {"Authorization": f"Bearer {get_token()}", "x-api-key": credential["api_key"], "User-Agent": "baseline"}
    for record in event["Records"]:
        archive(json.loads(record["body"])["ticket"], headers)


def get_token() -> str:
    answer = requests.post(
        f"{os.environ['VENDOR_URL']}/id/v1/identity/auth/token",
        auth=(credential["api_key"], credential["secret"]),
        headers={
            "x-api-key": credential["api_key"],
            "x-tenant": credential["tenant"],
            "x-env": credential["env"],
            "x-banknu": credential["banknu"],
            "x-interface": "API",
            "User-Agent": "baseline",
        },
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    return str(answer.json()["token"])


def archive(ticket: str, headers: dict[str, str]) -> None:
    address = f"{os.environ['VENDOR_URL']}/id/v1/identity/transactions/{ticket}"
    details = requests.get(address, headers=headers, timeout=TIMEOUT)
    details.raise_for_status()
    images = []
    for kind in TYPES:
        answer = requests.get(f"{address}/images", params={"type": kind}, headers=headers, timeout=TIMEOUT)
        if answer.status_code == 404:
            continue
        answer.raise_for_status()
        for number, image in enumerate(images_in(answer)):
            key = f"baseline/{ticket}/{kind}/{number}"
            s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=image, ContentType="image/jpeg")
            images.append({"M": {"key": {"S": key}, "sha256": {"S": hashlib.sha256(image).hexdigest()}}})
    dynamodb.put_item(
        TableName=os.environ["TABLE_NAME"],
        Item={
            "ticket": {"S": ticket},
            "record": {"S": "baseline"},
            "details": {"S": details.text},
            "images": {"L": images},
        },
    )
    manifest = json.dumps({"ticket": ticket, "images": [image["M"]["key"]["S"] for image in images]})
    s3.put_object(Bucket=os.environ["BUCKET_NAME"], Key=f"baseline/{ticket}/manifest.json", Body=manifest.encode())


def images_in(answer: requests.Response) -> list[bytes]:
    """The images of the one form that a tutorial would know: `{"images": ["data:image/jpeg;base64,…", …]}`."""
    return [base64.b64decode(text.partition(",")[2]) for text in answer.json()["images"]]
