"""A stand-in for AWS and the vendor that uses little CPU and responds after configured times.

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
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer

_VENDOR = re.compile(r"/id/v1/identity/(?:auth/(token)|transactions/([^/?]+)(?:/images\?type=([A-Z_]+))?)")
_TEXT = Path(__file__).with_name("samples.json").read_text()
SAMPLES: dict[str, Any] = json.loads(_TEXT)
"""Details of usual size, 4 KB, with the sections of the vendor's documentation; an archived ticket's item; and more."""
_JPEG = base64.b64decode(SAMPLES["jpeg"])
"""8 by 8 pixels, up to the beginning of the compressed data."""
ARCHIVED = "00000000-0000-4000-8000-000000000"
"""Ids that begin like this are archived, with as many images as their last three digits say."""


def jpeg(size: int, seed: str) -> bytes:
    """Return a JPEG of this many bytes, with random compressed data."""
    data = random.Random(seed).randbytes(max(0, size - len(_JPEG) - 2))  # noqa: S311
    return _JPEG + data.replace(b"\xff", b"\xfe") + b"\xff\xd9"


class StandIn:
    """Serves both; `configure` sets the duration of calls and the size of images."""

    def __init__(self) -> None:
        self._seconds: Mapping[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._images: dict[str, bytes] = {}

    def configure(
        self, seconds: Mapping[str, float] | None = None, sizes: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        """Set the seconds by kind of call, and the bytes of each type's images; None leaves them."""
        self._seconds = self._seconds if seconds is None else seconds
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
                await asyncio.sleep(self._seconds.get(kind, 0))
                content_type = "application/x-amz-json-1.0" if "x-amz-target" in headers else "application/json"
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(answer)}\r\n"
                    'ETag: "0"\r\nx-amzn-RequestId: 0\r\n\r\n'.encode()
                    + answer
                )
                await writer.drain()
        writer.close()

    def answer(self, method: str, target: str, name: str, body: bytes) -> tuple[str, bytes]:
        """Return the kind of call (for its seconds), and the body; `name` is AWS's name of the operation."""
        if target == "/_configure":
            self.configure(**json.loads(body))
            return "", b"{}"
        if target == "/_counts":
            counted, self._counts = self._counts, Counter()
            return "", json.dumps(counted).encode()
        if found := _VENDOR.match(target):
            return self._vendor(*found.groups())
        if not name:
            self._counts[f"s3.{method}"] += 1
            return "s3", b""
        api, operation = name.split(".")
        asked = json.loads(body)
        if api.startswith("DynamoDB"):
            called = f"{asked['TableName']}.{operation}"
            self._counts[called] += 1
            if operation not in ("GetItem", "Query"):
                written = sum(_size(asked.get(name, {})) for name in ("Item", "Key", "ExpressionAttributeValues"))
                self._counts[f"{called}.units"] += max(1, math.ceil(written / 1024))  # an update's: values that it sets
            return "dynamodb", json.dumps(_table(operation, asked)).encode()
        service = {"AmazonSQS": "sqs"}.get(api, api)
        self._counts[f"{service}.{operation}"] += 1
        if service == "sqs":
            return service, b'{"MessageId": "00000000-0000-4000-8000-000000000000"}'
        value = json.dumps(SAMPLES["secrets"][asked["SecretId"]])
        return service, json.dumps({"ARN": "arn", "Name": "name", "VersionId": "0", "SecretString": value}).encode()

    def _vendor(self, token: str | None, ticket: str | None, kind: str | None) -> tuple[str, bytes]:
        called = "token" if token else "images" if kind else "details"
        self._counts[f"vendor.{called}"] += 1
        if kind:
            return called, self._images.get(kind, b'{"images": []}')
        return called, json.dumps(SAMPLES["token"] if token else {**SAMPLES["details"], "ticket": ticket}).encode()


def _size(value: Any) -> int:
    """Return DynamoDB's size of a value (developer guide, "Item sizes and formats"), without type keys."""
    match value:
        case {"N": str(number)}:
            return len(number) // 2 + 1
        case {"S": str(text)} | {"B": str(text)}:
            return len(text.encode())
        case {"M": dict(members)}:
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in members.items())
        case {"L": list(elements)}:
            return 3 + sum(1 + _size(each) for each in elements)
        case {"BOOL": _} | {"NULL": _}:
            return 1
        case _:  # attributes by name
            return sum(len(name) + _size(each) for name, each in value.items())


def _table(operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    if operation == "GetItem":
        ticket = str(asked["Key"]["ticket"]["S"])
        if not ticket.startswith(ARCHIVED):
            return {}
        names = asked.get("ExpressionAttributeNames", {}).values()
        return {"Item": {name: each for name, each in archived(ticket).items() if name in names or not names}}
    if operation == "Query":
        return {"Items": [], "Count": 0}
    if asked.get("ReturnValues") == "ALL_NEW":
        texts = {**asked["Key"], "state": {"S": "received"}, "received_at": {"S": "2026-01-15T09:30:00.000000Z"}}
        return {"Attributes": {**texts, "attempts": {"N": "1"}}}
    return {}


@cache
def archived(ticket: str) -> Mapping[str, Any]:
    """Return an archived ticket's item, in DynamoDB's JSON."""
    sample = json.loads(_TEXT, parse_float=Decimal)
    item, types = {**sample["item"], "ticket": ticket, "details": sample["details"]}, list(sample["item"]["types"])
    item["images"] = [
        {
            **sample["image"],
            "type": types[number % len(types)],
            "index": number // len(types),
            "key": f"tickets/{ticket}/images/{types[number % len(types)]}/{number:064x}.jpg",
            "sha256": f"{number:064x}",
        }
        for number in range(int(ticket[-3:]))
    ]
    serialized: Mapping[str, Any] = TypeSerializer().serialize(item)["M"]
    return serialized


async def _main() -> None:
    server = await asyncio.start_server(StandIn().serve, "127.0.0.1", 0, limit=2**20)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
