"""One ticket's trail: from the webhook to the manifest every line carries one key, whichever thread writes it."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from requests.structures import CaseInsensitiveDict

from ingest import queue_door, webhook_door
from ingest.archive import Archive
from ingest.fetch import Fetcher
from ingest.once import Once
from ingest.preventor import Preventor
from ingest.queue_door import Collaborators
from ingest.threads import Threads
from ingest.transport import Answer
from ingest.vendor_calls import VendorCalls
from ingest.webhook import seal_webhook
from ingest.work import Work
from tests.support.fakes import FakeContext, FakeIdempotencyTable, FakeQueue, sqs_record
from tests.support.house import House
from tests.support.logs import Lines, log_lines
from ticket_archive.metrics import Tally
from ticket_archive.models import ImageType
from ticket_archive.telemetry import logger, metrics

SECRET = b"0123456789abcdef0123456789abcdef"
TICKETS = [f"T-{number}" for number in range(4)]
# The smallest JPEG that is whole: a frame header (one pixel), a scan, the end.
JPEG = bytes.fromhex("ffd8 ffc0 000b 08 0001 0001 01 01 11 00 ffda 0008 01 01 00 00 3f 00 ff00 ffd9")
IMAGES = {"images": ["data:image/jpeg;base64," + base64.b64encode(JPEG).decode()]}


class Line:
    """The vendor at the other end of a line: `throttled` tickets are told to wait."""

    def __init__(self) -> None:
        self.throttled: set[str] = set()

    def send(self, method: str, url: str, **_: Any) -> Answer:
        if url.endswith("/token"):
            return self._answer(201, {"token": "t", "expires_in": 1200})
        ticket = url.partition("/transactions/")[2].partition("/")[0]
        if ticket in self.throttled:
            return self._answer(429, {}, {"Retry-After": "60"})
        return self._answer(200, IMAGES if "/images?" in url else {"flow_status": "ACCEPTED", "ticket": ticket})

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> Answer:
        return Answer(status, CaseInsensitiveDict(headers or {}), json.dumps(body).encode(), "application/json")


class Queue(FakeQueue):
    """The webhook door's end of the queue too."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def send(self, body: str) -> str:
        self.bodies.append(body)
        return f"id-{len(self.bodies) - 1}"


class Installation:
    """Both doors with a queue between them, at log level DEBUG."""

    def __init__(self, tickets: ThreadPoolExecutor, calls: Threads) -> None:
        self.line = Line()
        self.queue = Queue()
        self.tally = Tally()
        house = House(pool=calls)
        vendor = Preventor(
            "https://api.preventor.com",
            cast("Any", lambda fresh=False: _Credential()),
            cast("Any", self.line),
            observe=VendorCalls(self.tally),
        )
        archive = Archive(
            fetcher=Fetcher(vendor, house.bucket, calls),
            table=house.table,
            bucket=house.bucket,
            pool=calls,
            clock=house.clock,
            image_types=tuple(ImageType),
            retention_days=0,
        )
        self.store = FakeIdempotencyTable(house.effects)
        once = Once(cast("Any", self.store), "idempotency")
        work = Work(
            archive=archive,
            once=once,
            quarantine=self.queue,
            webhook_secrets=lambda: [SECRET],
            allow_plaintext=False,
            retry_delay=20.0,
        )
        self.door = Collaborators(work, once, cast("Any", self.queue), tickets, 20.0, 9, self.tally)

    def post(self, ticket: str) -> None:
        event = json.dumps({"ticket": ticket, "event": "ticket.verification.completed"}).encode()
        body, iv = seal_webhook(event, SECRET, bytes(16))
        request = {
            "body": body.decode(),
            "headers": {"Content-Type": "text/plain", "x-pvt-cipher-iv": iv},
            "requestContext": {"requestId": f"request-{ticket}"},
        }
        assert webhook_door.handle(request, cast("Any", FakeContext()))["statusCode"] == 202

    def deliver(self) -> None:
        records = [sqs_record(body, message_id=f"id-{place}") for place, body in enumerate(self.queue.bodies)]
        queue_door.handle({"Records": records}, cast("Any", FakeContext()))


class _Credential:
    """Five values."""

    def __getattr__(self, name: str) -> Any:
        return type("Value", (), {"get_secret_value": lambda _: "x"})()


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with ThreadPoolExecutor(len(TICKETS)) as tickets, Threads(16) as calls:
        installation = Installation(tickets, calls)
        monkeypatch.setattr(queue_door, "collaborators", lambda: installation.door)
        made = webhook_door.Collaborators(cast("Any", installation.queue), lambda: None)
        monkeypatch.setattr(webhook_door, "collaborators", lambda: made)
        metrics.clear_metrics()
        level = logger.log_level
        logger.setLevel("DEBUG")
        yield installation
        logger.setLevel(level)
        metrics.clear_metrics()


@pytest.fixture
def lines() -> Iterator[Lines]:
    with log_lines() as lines:
        yield lines


def counted() -> dict[str, float]:
    return {name: sum(entry["Value"]) for name, entry in metrics.metric_set.items()}


def test_every_line_from_webhook_to_manifest_has_the_ids_of_its_own_ticket(
    installation: Installation, lines: Lines
) -> None:
    # GIVEN several tickets at once
    for ticket in TICKETS:
        installation.post(ticket)
    # WHEN
    installation.deliver()
    # THEN
    assert [line for line in lines.records if "correlation_id" not in line] == []
    for place, ticket in enumerate(TICKETS):
        trail = [line for line in lines.records if line["correlation_id"] == f"id-{place}"]
        said = [line["message"] for line in trail]
        assert (said[0], said[-2:]) == ("webhook kept", ["manifest written", "message done"])
        assert said.count("vendor call") >= 1 + len(ImageType)
        assert {line["ticket"] for line in trail[1:]} == {ticket}
        assert len({line["event_id"] for line in trail[1:]}) == 1
        assert trail[0]["request_id"] == f"request-{ticket}"


def test_what_goes_wrong_is_told_with_the_ticket_and_the_part(installation: Installation, lines: Lines) -> None:
    installation.line.throttled = {"T-0"}
    installation.post("T-0")

    installation.deliver()

    (end,) = lines.saying("message put off")
    assert (end["ticket"], end["correlation_id"], end["pause"]) == ("T-0", "id-0", 60)
    missing = lines.saying("part missing")
    assert {line["part"] for line in missing} == {"details", *(kind.value for kind in ImageType)}
    assert {(line["error"], line["correlation_id"]) for line in missing} == {("vendor_throttled", "id-0")}
    calls = [line for line in lines.saying("vendor call") if line.get("error")]
    assert {(line["level"], line["detail"], line["ticket"]) for line in calls} == {("INFO", "429", "T-0")}


def test_a_store_out_of_reach_is_told_with_the_ticket(
    installation: Installation, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(installation.store, "put_item", broken)
    installation.post("T-0")

    installation.deliver()

    (line,) = lines.saying("idempotency store out of reach")
    assert (line["ticket"], line["correlation_id"]) == ("T-0", "id-0")


def test_one_messages_ids_are_not_on_the_next_ones_lines(installation: Installation, lines: Lines) -> None:
    installation.post("T-0")
    installation.deliver()
    lines.truncate(0)
    lines.seek(0)
    threading.Thread(target=logger.info, args=("elsewhere",)).start()
    logger.info("afterwards")

    for line in lines.records:
        assert "ticket" not in line
        assert "correlation_id" not in line


def test_calls_are_counted_and_timed(installation: Installation) -> None:
    installation.line.throttled = {"T-1"}
    for ticket in TICKETS[:2]:
        installation.post(ticket)

    installation.deliver()

    found = counted()
    parts = 1 + len(ImageType)
    assert found["VendorCalls"] == 2 * parts + 1, "one token for all"
    assert found["VendorCallsThrottled"] == parts
    samples = {name: len(entry["Value"]) for name, entry in metrics.metric_set.items() if name.startswith("Vendor")}
    assert samples["VendorImagesTime"] == 2 * len(ImageType)
    assert (samples["VendorDetailsTime"], samples["VendorTokenTime"]) == (2, 1)


def test_the_time_to_the_manifest_is_counted_from_the_webhook(installation: Installation, lines: Lines) -> None:
    installation.post("T-0")
    installation.deliver()

    (done,) = lines.saying("message done")
    assert 0 <= done["milliseconds"] < 60_000
    assert metrics.metric_set["TimeToArchive"] == {
        "Unit": "Milliseconds",
        "StorageResolution": 60,
        "Value": [done["milliseconds"]],
    }
    metrics.clear_metrics()

    installation.deliver()
    assert "TimeToArchive" not in metrics.metric_set, "a duplicate writes no manifest"
