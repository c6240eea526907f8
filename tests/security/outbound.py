"""Try every way to lead the client astray in a network namespace, and print the outcomes (a process of its own)."""

import io
import json
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from ingest.files.parsing import LinkedFile
from ingest.vendor.client import Preventor
from ingest.vendor.http import HttpClient
from local import certificate
from tests.security.enclosure import IMAGE_HOST, PORTS, PRIVATE, VENDOR, Listener, enter
from tests.unit.ingest.vendor.test_url_policy import LOOPBACK_AND_OTHERS_SPELT, OTHER_FORMS, OTHER_HOSTS
from ticket_archive.errors import ArchiveError
from ticket_archive.models import ImageType
from ticket_archive.secrets import VendorCredential

SECONDS = 1.0
ORIGIN, HOST = "https://api.preventor.com", "images.preventor.com"
ALLOWED = (HOST, "*.cdn.example.com")
CREDENTIAL = VendorCredential(api_key="canary-key", secret="canary-secret")
REDIRECTS = (
    "http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/v2/credentials",
    "https://10.0.0.5/", "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "//127.0.0.1/", "http://2130706433/",
    "http://[::1]/", "https://images.preventor.com/again",
)  # fmt: skip
REBINDING: Sequence[Sequence[Sequence[str]]] = (
    [["127.0.0.1"]], [["169.254.169.254"]], [["10.0.0.5"]], [["192.168.1.1"]], [["172.16.0.1"]], [["100.64.0.1"]],
    [["0.0.0.0"]], [["::1"]], [["::"]], [["::ffff:127.0.0.1"]], [["::ffff:169.254.169.254"]], [["64:ff9b::7f00:1"]],
    [["2002:7f00:1::"]], [[IMAGE_HOST, "127.0.0.1"]], [["127.0.0.1", IMAGE_HOST]], [[IMAGE_HOST, "::1"]],
    [[IMAGE_HOST], ["127.0.0.1"]], [[IMAGE_HOST], ["169.254.169.254"]], [[IMAGE_HOST], [IMAGE_HOST], ["10.0.0.5"]],
)  # fmt: skip
"""The addresses that a name resolves to, look-up by look-up."""


def main(folder: Path) -> dict[str, Any]:
    pem = certificate.make(folder, "api.preventor.com", HOST, "*.cdn.example.com")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem.certificate, pem.key)
    enter()
    sentinels = [Listener(address, port, _hello, None) for address in (*PRIVATE, "::1") for port in PORTS]
    where = {"location": ""}

    def image_host(_: bytes) -> bytes:
        if where["location"]:
            return f"HTTP/1.1 302 Found\r\nLocation: {where['location']}\r\nContent-Length: 0\r\n\r\n".encode()
        return _answer(picture(), "image/png")

    images = Listener(IMAGE_HOST, 443, image_host, tls)
    vendor = Listener(VENDOR, 443, _vendor, tls)
    world = World()
    transport = HttpClient(connect_timeout=0.3, ca_bundle=str(pem.authority))

    def preventor(also: Sequence[str] = ()) -> Preventor:
        return Preventor(ORIGIN, lambda **_: CREDENTIAL, transport, [*ALLOWED, *also], sleep=lambda _: None)

    def outcome(url: str, also: Sequence[str] = ()) -> str:
        try:
            preventor(also).linked_file(LinkedFile(url), time.monotonic() + SECONDS)
        except ArchiveError as error:
            return str(error)
        return "fetched"

    results: dict[str, Any] = {}
    # An ordinary client reaches the sentinels, so they can be reached.
    requests.get("http://2130706433/", timeout=2)
    requests.get("http://[::1]:9001/", timeout=2)
    requests.get("http://169.254.169.254/", timeout=2)
    results["an ordinary client"] = sum(each.connections for each in sentinels)
    for each in sentinels:
        each.connections = 0

    spelt = [f"{scheme}://{host}{port}/" for host in LOOPBACK_AND_OTHERS_SPELT for scheme, port in FORMS]
    hosts = [f"https://{host}/a" for host in OTHER_HOSTS]
    urls = [*spelt, *hosts, *OTHER_FORMS]
    results["urls"] = {url: outcome(url, LOOPBACK_AND_OTHERS_SPELT) for url in dict.fromkeys(urls)}
    results["redirects"] = {}
    for location in REDIRECTS:
        where["location"] = location
        results["redirects"][location] = outcome(f"https://{HOST}/a")
    where["location"] = ""
    results["rebinding"] = []
    for number, turns in enumerate(REBINDING):
        name = f"n{number}.cdn.example.com"
        world.names[name] = [list(addresses) for addresses in turns]
        results["rebinding"].append([outcome(f"https://{name}/{turn}") for turn in range(len(turns))])

    [link] = preventor().files("T-1", ImageType.DOCUMENT, time.monotonic() + SECONDS)
    assert isinstance(link, LinkedFile)
    fetched = preventor().linked_file(link, time.monotonic() + SECONDS)
    results["fetched"] = fetched.format.content_type if fetched.format else None
    results["said to the vendor"] = [request.decode("latin-1") for request in vendor.requests]
    results["said to the image host"] = [request.decode("latin-1") for request in images.requests]
    results["sentinels reached"] = [each.name for each in sentinels if each.connections]
    return results


FORMS = (("https", ""), ("https", ":443"), ("http", ""), ("http", ":9001"))


class World:
    """The names that resolve. Addresses in any notation are left to the system."""

    def __init__(self) -> None:
        self.names = {HOST: [[IMAGE_HOST]], "api.preventor.com": [[VENDOR]]}
        self._system = socket.getaddrinfo
        socket.getaddrinfo = self.look_up

    def look_up(self, host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        turns = self.names.get(str(host))
        if turns is None:
            return self._system(host, port, *rest, **named)
        addresses = turns[0]
        if len(turns) > 1:
            del turns[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    return data.getvalue()


def _vendor(request: bytes) -> bytes:
    if b"/auth/token" in request:
        return _answer(b'{"token": "canary-token", "expires_in": 900}', "application/json")
    return _answer(json.dumps({"images": [f"https://{HOST}/signed?a=b"]}).encode(), "application/json")


def _hello(_: bytes) -> bytes:
    return _answer(b"hello", "text/plain")


def _answer(body: bytes, content_type: str) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201 - the parent reads it
