"""A stand-in for AWS that costs next to nothing and answers after set times: S3, DynamoDB, SQS and Secrets Manager.

An emulator computes for every call, on the cores that the measured code needs too. This one only reads the request,
waits, and answers with a constant, so what is measured is the caller. It keeps nothing: every ticket is new, every
condition holds. `python -m bench.aws --seconds dynamodb=0.006 …` serves on a loopback port and prints its URL.

A ticket called `images-40` is archived with forty images. `GET /_counts` says how often each operation was called.
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
from collections import Counter
from typing import Any

SERVICES = ("dynamodb", "s3", "secretsmanager", "sqs")
_JSON = "application/x-amz-json-1.0"
_TYPES = ("SELF_PORTRAITS", "DOCUMENT", "DOCUMENT_PORTRAIT", "DOCUMENT_SIGNATURE", "DOCUMENT_GHOST_PORTRAIT")


class Aws:
    """`seconds` is how long each service takes to answer; `secrets` is what it tells of each secret by its name."""

    def __init__(self, seconds: dict[str, float], secrets: dict[str, str]) -> None:
        self._seconds = seconds
        self._secrets = secrets
        self._counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ", 2)
                pairs = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                if headers.get("expect") == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                service, operation, answer = self._answer(method, target, headers.get("x-amz-target", ""), body)
                self._counts[operation] += 1
                if seconds := self._seconds.get(service):
                    await asyncio.sleep(seconds)
                kind = "application/json" if service == "" else _JSON
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n"
                    'ETag: "0"\r\nx-amzn-RequestId: 0\r\n\r\n'.encode()
                    + answer
                )
                await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str, name: str, body: bytes) -> tuple[str, str, bytes]:
        """Service, operation, body."""
        if target == "/_counts":
            return "", "counts", json.dumps(self._counts).encode()
        api, _, operation = name.partition(".")
        if api.startswith("DynamoDB"):
            return "dynamodb", operation, json.dumps(_table(operation, json.loads(body))).encode()
        if api == "AmazonSQS":
            return "sqs", operation, b'{"MessageId": "00000000-0000-4000-8000-000000000000", "MD5OfMessageBody": ""}'
        if api == "secretsmanager":
            return "secretsmanager", operation, self._secret(json.loads(body))
        return "s3", f"{method.title()}Object", b""

    def _secret(self, asked: dict[str, Any]) -> bytes:
        text = self._secrets[asked["SecretId"]]
        answer = {"ARN": asked["SecretId"], "Name": asked["SecretId"], "VersionId": "0", "SecretString": text}
        return json.dumps(answer).encode()


def _table(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    if operation == "GetItem":
        ticket = asked["Key"]["ticket"]["S"]
        return {"Item": archived(ticket, int(ticket.rpartition("-")[2]))}
    if asked.get("ReturnValues") == "ALL_NEW":
        texts = {**asked["Key"], "state": {"S": "received"}, "received_at": {"S": "2026-01-15T09:30:00.000000Z"}}
        return {"Attributes": {**texts, "attempts": {"N": "1"}}}
    return {}


def archived(ticket: str, images: int) -> dict[str, Any]:
    """An archived ticket's item, as DynamoDB spells it."""
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
        "state": {"S": "archived"},
        "outcome": {"S": "ACCEPTED"},
        "version": {"S": "0" * 64},
        "archived_at": {"S": "2026-01-15T09:31:00.000000Z"},
        "details_sha256": {"S": "0" * 64},
        "details_bytes": {"N": "4000"},
        "images": {"L": stored},
        "types": {"M": {kind: {"S": "stored"} for kind in _TYPES}},
    }


async def _main(options: argparse.Namespace) -> None:
    aws = Aws(dict(options.seconds), json.loads(options.secrets))
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
    server = await asyncio.start_server(aws.serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{'https' if tls else 'http'}://127.0.0.1:{port}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def _pair(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    return name, float(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.aws", description=__doc__)
    parser.add_argument("--seconds", action="append", default=[], type=_pair, metavar="SERVICE=SECONDS")
    parser.add_argument("--secrets", default="{}", help="JSON object: the text of each secret by its name")
    parser.add_argument("--certificate", metavar="PEM", help="serve over TLS")
    parser.add_argument("--key", metavar="PEM")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))
