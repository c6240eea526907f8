"""The client looks up no name and opens no connection for an image URL that is not allowed (threat 40).

Redirects, names that change their address, and names of private addresses: tests/faults/test_transport_on_sockets.py.
"""

import socket
import time
from typing import Any

import pytest
import requests

from ingest.files.decoding import LinkedFile
from ingest.vendor.client import Preventor
from ingest.vendor.http import HttpClient
from tests.unit.ingest.vendor.test_url_policy import HOSTS, LOOPBACK_AND_OTHERS_SPELT, OTHER_FORMS, OTHER_HOSTS, VENDOR
from ticket_archive.errors import InvalidVendorResponse
from ticket_archive.secrets import VendorCredential

SCHEMES_AND_PORTS = (("https", ""), ("https", ":443"), ("http", ""), ("http", ":9001"))
"""9001 is Lambda's Runtime API."""
URLS = [f"{scheme}://{host}{port}/" for host in LOOPBACK_AND_OTHERS_SPELT for scheme, port in SCHEMES_AND_PORTS]
URLS += [*(f"https://{host}/a" for host in OTHER_HOSTS), *OTHER_FORMS]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Names that were looked up, and addresses that were connected to, which fails."""
    tried: list[object] = []

    def fail(*given: Any) -> None:
        tried.append(given)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    return tried


def test_no_url_in_any_form_causes_a_look_up_or_a_connection(tried: list[object]) -> None:
    credential = VendorCredential(api_key="canary-key", secret="canary-secret")
    hosts = [*HOSTS, *LOOPBACK_AND_OTHERS_SPELT]
    preventor = Preventor(VENDOR, lambda **_: credential, HttpClient(), hosts, sleep=lambda _: None)
    assert len(URLS) >= 400
    for url in URLS:
        with pytest.raises(InvalidVendorResponse, match="image_url"):
            preventor.linked_file(LinkedFile(url), time.monotonic() + 1)
    assert tried == []
    with pytest.raises(requests.ConnectionError):
        requests.get("http://2130706433/", timeout=1)
    assert tried, "an ordinary client does"
