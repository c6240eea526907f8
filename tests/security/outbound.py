"""Try every forbidden image URL in a network namespace, and print the outcomes (a process of its own)."""

import json
import time
from typing import Any

import requests

from ingest.files.decoding import LinkedFile
from ingest.vendor.client import Preventor
from ingest.vendor.http import HttpClient
from tests.security.network_namespace import PORTS, PRIVATE, Listener, enter
from tests.unit.ingest.vendor.test_url_policy import LOOPBACK_AND_OTHERS_SPELT, OTHER_FORMS, OTHER_HOSTS
from ticket_archive.errors import ArchiveError
from ticket_archive.secrets import VendorCredential

SECONDS = 1.0
ORIGIN, ALLOWED = "https://api.preventor.com", ("images.preventor.com", "*.cdn.example.com")
CREDENTIAL = VendorCredential(api_key="canary-key", secret="canary-secret")


def main() -> dict[str, Any]:
    enter()
    sentinels = [Listener(address, port) for address in (*PRIVATE, "::1") for port in PORTS]
    transport = HttpClient(connect_timeout=0.3)

    def outcome(url: str) -> str:
        hosts = [*ALLOWED, *LOOPBACK_AND_OTHERS_SPELT]
        preventor = Preventor(ORIGIN, lambda **_: CREDENTIAL, transport, hosts, sleep=lambda _: None)
        try:
            preventor.linked_file(LinkedFile(url), time.monotonic() + SECONDS)
        except ArchiveError as error:
            return str(error)
        return "fetched"

    # An ordinary client reaches the sentinels, so they can be reached.
    for url in ("http://2130706433/", "http://[::1]:9001/", "http://169.254.169.254/"):
        requests.get(url, timeout=2)
    ordinary = sum(each.connections for each in sentinels)
    for each in sentinels:
        each.connections = 0

    spelt = [f"{scheme}://{host}{port}/" for host in LOOPBACK_AND_OTHERS_SPELT for scheme, port in FORMS]
    urls = [*spelt, *(f"https://{host}/a" for host in OTHER_HOSTS), *OTHER_FORMS]
    return {
        "an ordinary client": ordinary,
        "urls": {url: outcome(url) for url in dict.fromkeys(urls)},
        "sentinels reached": [each.name for each in sentinels if each.connections],
    }


FORMS = (("https", ""), ("https", ":443"), ("http", ""), ("http", ":9001"))


if __name__ == "__main__":
    print(json.dumps(main()))  # noqa: T201 - the parent reads it
