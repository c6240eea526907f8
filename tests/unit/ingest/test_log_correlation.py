"""One ticket's trail: from the webhook to the manifest every line carries one key, whichever thread writes it."""

from collections.abc import Iterator

import pytest

from tests.support.ingest_pipeline import IngestPipeline, running_pipeline
from tests.support.logs import Lines, counted
from ticket_archive.models import ImageType
from ticket_archive.telemetry import metrics

TICKETS = [f"T-{number}" for number in range(4)]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[IngestPipeline]:
    with running_pipeline(monkeypatch, len(TICKETS)) as pipeline:
        yield pipeline


def test_every_line_from_webhook_to_manifest_has_its_tickets_ids(pipeline: IngestPipeline, lines: Lines) -> None:
    # GIVEN several tickets at once
    for ticket in TICKETS:
        pipeline.post(ticket)
    pipeline.deliver()
    assert [line for line in lines.records if "correlation_id" not in line] == []
    for place, ticket in enumerate(TICKETS, 1):
        trail = [line for line in lines.records if line["correlation_id"] == f"message-{place}"]
        said = [line["message"] for line in trail]
        assert (said[0], said[-2:]) == ("webhook accepted", ["manifest written", "message processed"])
        assert said.count("vendor call") >= 1 + len(ImageType)
        assert {line["ticket"] for line in trail[1:]} == {ticket}
        assert len({line["event_id"] for line in trail[1:]}) == 1
        assert trail[0]["request_id"] == f"request-{ticket}"


def test_errors_are_logged_with_the_ticket_and_the_part(pipeline: IngestPipeline, lines: Lines) -> None:
    pipeline.vendor_api.throttled = {"T-0"}
    pipeline.post("T-0")
    pipeline.deliver()
    (end,) = lines.with_message("retry scheduled")
    assert (end["ticket"], end["correlation_id"], end["pause"]) == ("T-0", "message-1", 60)
    missing = lines.with_message("part missing")
    assert {line["part"] for line in missing} == {"DETAILS", *(kind.value for kind in ImageType)}
    assert {(line["error"], line["correlation_id"]) for line in missing} == {("vendor_throttled", "message-1")}
    calls = [line for line in lines.with_message("vendor call") if line.get("error")]
    assert {(line["level"], line["detail"], line["ticket"]) for line in calls} == {("INFO", "429", "T-0")}


def test_calls_are_counted_and_timed(pipeline: IngestPipeline) -> None:
    pipeline.vendor_api.throttled = {"T-1"}
    for ticket in TICKETS[:2]:
        pipeline.post(ticket)
    pipeline.deliver()
    found = counted()
    parts = 1 + len(ImageType)
    assert found["VendorCalls"] == 2 * parts + 1, "one token for all"
    assert found["VendorCallsThrottled"] == parts
    samples = {name: len(entry["Value"]) for name, entry in metrics.metric_set.items() if name.startswith("Vendor")}
    assert samples["VendorImagesTime"] == 2 * len(ImageType)
    assert (samples["VendorDetailsTime"], samples["VendorTokenTime"]) == (2, 1)
