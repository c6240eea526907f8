"""Messages, vendor responses and stored items that the three handlers share."""

import base64
import hashlib
import json
import os
from typing import Any

import boto3
from pydantic import BaseModel

TYPES = ("SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT", "DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT")
TIMEOUT = 30
IDENTITY = f"{os.environ['VENDOR_URL']}/id/v1/identity"
TOKEN_URL = f"{IDENTITY}/auth/token"
TABLE, BUCKET = os.environ["TABLE_NAME"], os.environ["BUCKET_NAME"]


class Message(BaseModel):
    """A message of the queue."""

    ticket: str


class Credential(BaseModel):
    """The vendor's credential."""

    api_key: str
    secret: str
    tenant: str
    env: str
    banknu: str

    @classmethod
    def read(cls) -> "Credential":
        """Read the credential from its secret."""
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["VENDOR_CREDENTIAL_SECRET"])
        return cls.model_validate_json(secret["SecretString"])

    def token_headers(self) -> dict[str, str]:
        own = {"x-api-key": self.api_key, "x-tenant": self.tenant, "x-env": self.env, "x-banknu": self.banknu}
        return {**own, "x-interface": "API", "User-Agent": "baseline"}

    def headers(self, token: bytes) -> dict[str, str]:
        """Return the headers of a call with the token endpoint's response."""
        bearer = Token.model_validate_json(token).token
        return {"Authorization": f"Bearer {bearer}", "x-api-key": self.api_key, "User-Agent": "baseline"}


class Token(BaseModel):
    """The token endpoint's response."""

    token: str


class Images(BaseModel):
    """The images endpoint's response in the one shape that the baselines read: `{"images": ["data:image/…", …]}`."""

    images: list[str]

    def files(self) -> list[bytes]:
        return [base64.b64decode(uri.partition(",")[2]) for uri in self.images]


def ticket_url(ticket: str) -> str:
    return f"{IDENTITY}/transactions/{ticket}"


def image_object(ticket: str, image_type: str, number: int, data: bytes) -> dict[str, Any]:
    """Return the arguments of `put_object`."""
    key = f"baseline/{ticket}/{image_type}/{number}"
    return {"Bucket": BUCKET, "Key": key, "Body": data, "ContentType": "image/jpeg"}


def stored_image(key: str, data: bytes) -> dict[str, Any]:
    """Return an image's entry in the item."""
    return {"M": {"key": {"S": key}, "sha256": {"S": hashlib.sha256(data).hexdigest()}}}


def item(ticket: str, details: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of `put_item`."""
    keys = {"ticket": {"S": ticket}, "record": {"S": "baseline"}}
    return {"TableName": TABLE, "Item": {**keys, "details": {"S": details}, "images": {"L": images}}}


def manifest(ticket: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of the last `put_object`."""
    body = json.dumps({"ticket": ticket, "images": [image["M"]["key"]["S"] for image in images]})
    return {"Bucket": BUCKET, "Key": f"baseline/{ticket}/manifest.json", "Body": body.encode()}


def new_headers(http: Any, credential: Credential) -> dict[str, str]:
    """Fetch a token with `requests` or a session of it, and return the headers of the calls that follow."""
    auth = (credential.api_key, credential.secret)
    answer = http.post(TOKEN_URL, auth=auth, headers=credential.token_headers(), timeout=TIMEOUT)
    answer.raise_for_status()
    return credential.headers(answer.content)


def store_images(http: Any, s3: Any, headers: dict[str, str], ticket: str, image_type: str) -> list[dict[str, Any]]:
    """Fetch a type's images with `requests` or a session of it, store them one by one, and return their entries."""
    params = {"type": image_type}
    answer = http.get(f"{ticket_url(ticket)}/images", params=params, headers=headers, timeout=TIMEOUT)
    if answer.status_code == 404:
        return []
    answer.raise_for_status()
    stored = []
    for number, data in enumerate(Images.model_validate_json(answer.content).files()):
        image = image_object(ticket, image_type, number, data)
        s3.put_object(**image)
        stored.append(stored_image(image["Key"], data))
    return stored
