"""What X-Ray's daemon is told: subsegments that belong together, named by ids, and nothing where nobody listens."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

import pytest

from ingest.threads import Threads
from ticket_archive import traces
from ticket_archive.telemetry import append_log_keys, logger

pytestmark = pytest.mark.loopback

ROOT, LAMBDAS = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
HEADER = f"Root={ROOT};Parent={LAMBDAS};Sampled=1;Lineage=1:a87bd80c:0"


class Daemon:
    """Receives what is told."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def heard(self) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = []
        while True:
            try:
                header, _, body = self._socket.recvfrom(65_536)[0].partition(b"\n")
            except TimeoutError:
                return documents
            assert json.loads(header) == {"format": "json", "version": 1}
            documents.append(json.loads(body))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    logger.thread_safe_clear_keys()  # what tests before this one current_log_keys
    listening = Daemon()
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", listening.address)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", HEADER)
    yield listening
    listening.close()


def a_ticket(threads: Threads, call_fails: bool = False) -> None:
    append_log_keys(ticket="T-1", correlation_id="m1")
    with traces.part("message") as annotations:
        asked: Future[None] = threads.submit(
            traces.call, "Preventor images", 0.25, {"call": "images"}, failed=call_fails
        )
        asked.result()
        annotations["result"] = "archived"


def test_a_call_belongs_to_its_ticket_and_the_ticket_to_the_function(daemon: Daemon) -> None:
    # GIVEN a ticket whose calls are made by other threads
    with Threads(1) as threads:
        copy_context().run(a_ticket, threads)
    # WHEN
    call, ticket = daemon.heard()
    # THEN
    assert (ticket["name"], ticket["parent_id"]) == ("message", LAMBDAS)
    assert (call["name"], call["parent_id"], call["namespace"]) == ("Preventor images", ticket["id"], "remote")
    assert call["end_time"] - call["start_time"] == pytest.approx(0.25, abs=0.1)
    for document in (call, ticket):
        assert (document["trace_id"], document["type"]) == (ROOT, "subsegment")
        assert document["fault"] is False
        assert ticket["start_time"] <= document["end_time"]
        assert len(bytes.fromhex(document["id"])) == 8


def test_a_trace_is_found_by_ticket_and_correlation_id(daemon: Daemon) -> None:
    with Threads(1) as threads:
        copy_context().run(a_ticket, threads)

    call, ticket = daemon.heard()
    assert call["annotations"] == {"ticket": "T-1", "correlation_id": "m1", "call": "images"}
    assert ticket["annotations"] == {"ticket": "T-1", "correlation_id": "m1", "result": "archived"}


def test_what_fails_is_marked_and_says_no_more(daemon: Daemon) -> None:
    with pytest.raises(ValueError, match="CANARY"), traces.part("message"):
        raise ValueError("CANARY")

    (told,) = daemon.heard()
    assert told["fault"] is True
    assert "CANARY" not in json.dumps(told)


@pytest.mark.parametrize("header", ["", HEADER.replace("Sampled=1", "Sampled=0"), f"Root={ROOT}", "junk;=;"])
def test_what_is_not_sampled_is_not_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)

    with Threads(1) as threads:
        copy_context().run(a_ticket, threads)

    assert daemon.heard() == []


@pytest.mark.parametrize("address", ["127.0.0.1:0", "nowhere", "127.0.0.1:x", ""])
def test_a_daemon_that_is_not_there_disturbs_nobody(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)

    with Threads(1) as threads:
        copy_context().run(a_ticket, threads)
