"""HttpClient without a network: requests that cannot be sent. Errors: test_transport_on_sockets.py."""

import logging
import socket
import threading
import time
from typing import Any

import pytest

from ingest.vendor.connections import limits
from ingest.vendor.http import HttpClient, Response
from ticket_archive.errors import RetryableError, VendorUnavailable


def test_repr_of_a_response_shows_neither_headers_nor_body() -> None:
    assert "canary" not in repr(Response(200, {"canary": "canary"}, b"canary", "text/html"))


def fail(url: str, *, seconds: float = 1.0, **options: Any) -> RetryableError:
    """Return the error of a call. Sockets are disabled in unit tests, so creating one would raise another."""
    before = threading.active_count()
    client = HttpClient()
    assert threading.active_count() == before
    with pytest.raises(RetryableError) as raised:
        client.send("GET", url, deadline=time.monotonic() + seconds, max_bytes=1, **{"headers": {}, **options})
    assert raised.value.__context__ is raised.value.__cause__ is None
    return raised.value


def test_call_after_its_deadline_resolves_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: names.append(arguments))
    assert str(fail("http://canary.test/", seconds=0)) == "vendor_unavailable: deadline"
    assert names == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        *((f"http://{rest}", {}) for rest in ("[canary/", "/canary", "*.canary.test/")),
        *((url, {}) for url in ("canary", "ftp://canary.test/")),
        ("http://canary.test/", {"X-Canary": "canary\r\nX-More: 1"}),
    ],
)
def test_request_that_cannot_be_sent_is_not_in_the_error(url: str, headers: dict[str, str]) -> None:
    error = fail(url, headers=headers)
    assert isinstance(error, VendorUnavailable)
    assert str(error) == "vendor_unavailable: protocol"


def test_urllib3_logs_nothing_within_a_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    names = {f"urllib3.{name}" for name in ("connection", "connectionpool", "response", "util.retry")}
    for name in names:
        log = logging.getLogger(name)
        with limits(time.monotonic() + 1, wire_bytes=1, public_only=False):
            log.warning("canary")
        log.warning("outside")
    assert "canary" not in caplog.text
    assert {record.name for record in caplog.records if record.message == "outside"} == names
