"""A stand-in for AWS and the vendor that costs next to nothing and answers after set times.

An emulator computes for every call, on the cores that the measured code needs. This one reads the request, waits, and
answers with a constant, so what is measured is the caller. It stores nothing: every ticket is new and every condition
holds. It counts calls, and the write units and bytes of what is written. `python -m bench.stand_in` prints its URL.
"""

import asyncio
import base64
import contextlib
import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_VENDOR = re.compile(r"/id/v1/identity/(?:auth/(token)|transactions/([^/?]+)(/images\?type=([A-Z_]+))?)")
_TOKEN = json.dumps({"token": "token", "expiracy": 4102444800}).encode()
_SECRETS = {
    "credential": {"api_key": "key", "secret": "secret", "tenant": "bench", "env": "sandbox", "banknu": "1"},
    "webhook": {"secret": "0" * 32},
}
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////"
    "////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8A"
)  # 8 by 8 pixels, up to the beginning of its compressed data
ARCHIVED = "00000000-0000-4000-8000-000000000"
"""Ids that begin like this are archived, with as many images as their last three digits say."""
_TYPES = ("SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT", "DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT")


def jpeg(size: int, seed: str) -> bytes:
    """Return a JPEG of this many bytes, with random compressed data."""
    data = random.Random(seed).randbytes(max(0, size - len(_JPEG) - 2))  # noqa: S311
    return _JPEG + data.replace(b"\xff", b"\xfe") + b"\xff\xd9"


def details(ticket: str) -> dict[str, Any]:
    """Return details of a ticket of usual size, about 4 KB, in the sections that the vendor's documentation names."""
    field = {"name": "document_number", "visual": "X1234567", "mrz": "X1234567", "match": 0.987654, "status": 1}
    step = {"step": "verification.liveness", "status": "PASSED", "score": 98.123, "started": 1768469400000}
    person = {f"field_{number}": f"value of field {number}" for number in range(20)}
    return {
        "ticket": ticket,
        "flow_status": "ACCEPTED",
        "disposition": "PASSED",
        "confidence_score": 97.25,
        "risk_code": "R-000",
        "cifcode": "C-1001",
        "created": 1768469400000,
        "user": {**person, "native_fields": person},
        "document": {"documentType": "PASSPORT", "document_number": "X1234567", **person},
        "lexical": {"fields": [field] * 6, "checks": {"expired": False, "sharpness": 0.7324}},
        "process_flow": [step] * 8,
    }


class StandIn:
    """Both sides of it; `configure` sets how long calls take and how large images are."""

    def __init__(self) -> None:
        self.seconds: Mapping[str, float] = {}
        self.counts: Counter[str] = Counter()
        self._images: dict[str, bytes] = {}

    def configure(self, seconds: Mapping[str, float] | None, sizes: Mapping[str, Sequence[int]] | None) -> None:
        """Set the seconds by kind of call, and the bytes of each type's images; None leaves them."""
        self.seconds = self.seconds if seconds is None else seconds
        for kind, each in (sizes or {}).items():
            files = (jpeg(size, f"{kind}-{at}") for at, size in enumerate(each))
            uris = [f"data:image/jpeg;base64,{base64.b64encode(file).decode()}" for file in files]
            self._images[kind] = json.dumps({"images": uris}).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is kept alive."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                pairs = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                if headers.get("expect") == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                kind, answer = self.answer(method, target, headers.get("x-amz-target", ""), body)
                if seconds := self.seconds.get(kind):
                    await asyncio.sleep(seconds)
                content_type = "application/x-amz-json-1.0" if "x-amz-target" in headers else "application/json"
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(answer)}\r\n"
                    'ETag: "0"\r\nx-amzn-RequestId: 0\r\n\r\n'.encode()
                    + answer
                )
                await writer.drain()
        writer.close()

    def answer(self, method: str, target: str, name: str, body: bytes) -> tuple[str, bytes]:
        """Return the kind of call (for its seconds), and the body."""
        if target == "/_configure":
            asked = json.loads(body)
            self.configure(asked.get("seconds"), asked.get("sizes"))
            return "", b"{}"
        if target == "/_counts":
            counted, self.counts = self.counts, Counter()
            return "", json.dumps(counted).encode()
        if called := _VENDOR.match(target):
            return self._vendor(*called.groups())
        api, _, operation = name.partition(".")
        if api.startswith("DynamoDB"):
            asked = json.loads(body)
            self._count(f"{asked.get('TableName', '')}.{operation}", item_size(asked))
            return "dynamodb", json.dumps(_table(operation, asked)).encode()
        if api == "AmazonSQS":
            self.counts[f"sqs.{operation}"] += 1
            return "sqs", b'{"MessageId": "00000000-0000-4000-8000-000000000000"}'
        if api == "secretsmanager":
            self.counts[f"secretsmanager.{operation}"] += 1
            return "secretsmanager", _secret(json.loads(body))
        self.counts[f"s3.{method}"] += 1
        self.counts["s3.bytes"] += len(body)
        return "s3", b""

    def _vendor(self, token: str | None, ticket: str | None, images: str | None, kind: str) -> tuple[str, bytes]:
        called = "token" if token else "images" if images else "details"
        self.counts[f"vendor.{called}"] += 1
        if token:
            return called, _TOKEN
        return called, self._images.get(kind, b'{"images": []}') if images else json.dumps(
            details(str(ticket))
        ).encode()

    def _count(self, operation: str, size: int) -> None:
        self.counts[operation] += 1
        if not operation.endswith(("GetItem", "Query")):
            self.counts[f"{operation}.bytes"] += size
            self.counts[f"{operation}.units"] += max(1, math.ceil(size / 1024))


def item_size(asked: Mapping[str, Any]) -> int:
    """Return about how many bytes a write's item has: an update's item is taken to be what the update sets."""
    names = {"Item", "Key", "ExpressionAttributeNames", "ExpressionAttributeValues"}
    return sum(map(_size, (value for name, value in asked.items() if name in names)))


def _size(value: Any) -> int:
    """Return DynamoDB's size of a value (developer guide, "Item sizes and formats"); type keys are not stored."""
    match value:
        case {"N": str(number)}:
            return len(number) // 2 + 1
        case {"S": str(text)} | {"B": str(text)}:
            return len(text.encode())
        case {"M": dict(members)}:
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in members.items())
        case {"L": list(elements)}:
            return 3 + sum(1 + _size(each) for each in elements)
        case dict():
            return sum(len(name) + _size(each) for name, each in value.items() if isinstance(each, dict))
    return 1


def _secret(asked: Mapping[str, Any]) -> bytes:
    name = str(asked["SecretId"])
    text = json.dumps(_SECRETS[name])
    return json.dumps({"ARN": name, "Name": name, "VersionId": "0", "SecretString": text}).encode()


def _table(operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    if operation == "GetItem":
        ticket = str(asked["Key"]["ticket"]["S"])
        if not ticket.startswith(ARCHIVED):
            return {}
        names = asked.get("ExpressionAttributeNames", {}).values()
        item = archived(ticket, int(ticket[-3:]))
        return {"Item": {name: each for name, each in item.items() if name in names or not names}}
    if operation == "Query":
        return {"Items": [], "Count": 0}
    if asked.get("ReturnValues") == "ALL_NEW":
        texts = {**asked["Key"], "state": {"S": "received"}, "received_at": {"S": "2026-01-15T09:30:00.000000Z"}}
        return {"Attributes": {**texts, "attempts": {"N": "1"}}}
    return {}


def archived(ticket: str, images: int) -> dict[str, Any]:
    """Return an archived ticket's item with this many images, in DynamoDB's JSON."""
    stored = [
        {
            "M": {
                "type": {"S": _TYPES[number % len(_TYPES)]},
                "index": {"N": str(number // len(_TYPES))},
                "key": {"S": f"tickets/{ticket}/images/{_TYPES[number % len(_TYPES)]}/{number:064x}.jpg"},
                "sha256": {"S": f"{number:064x}"},
                "bytes": {"N": "250000"},
                "content_type": {"S": "image/jpeg"},
            }
        }
        for number in range(images)
    ]
    return {
        "ticket": {"S": ticket},
        "record": {"S": "ticket"},
        "details": _native(details(ticket)),
        "state": {"S": "archived"},
        "outcome": {"S": "ACCEPTED"},
        "version": {"S": "0" * 64},
        "archived_at": {"S": "2026-01-15T09:31:00.000000Z"},
        "details_sha256": {"S": "0" * 64},
        "details_bytes": {"N": "4000"},
        "images": {"L": stored},
        "types": {"M": {kind: {"S": "stored"} for kind in _TYPES}},
    }


def _native(value: Any) -> dict[str, Any]:
    """Return a JSON value in DynamoDB's JSON."""
    if isinstance(value, dict):
        return {"M": {name: _native(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [_native(each) for each in value]}
    return {"BOOL": value} if isinstance(value, bool) else {"S": value} if isinstance(value, str) else {"N": str(value)}


async def _main() -> None:
    server = await asyncio.start_server(StandIn().serve, "127.0.0.1", 0, limit=2**20)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
