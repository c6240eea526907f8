"""What the three handlers share: the messages, the vendor's answers and what is stored of them."""

import base64
import hashlib
import json
import os
from typing import Any

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
    """The images endpoint's response in the one form that a tutorial knows: `{"images": ["data:image/…", …]}`."""

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
