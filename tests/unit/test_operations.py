"""Facts of docs/operations.md: alarms, reasons, codes, metrics, numbers, and queries that find log lines."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest

from ingest import dependencies
from ingest.archiving.requeue import requeue
from ingest.handlers import schedule as schedule_handler
from ingest.handlers import webhook as webhook_handler
from retrieval import app, audit
from tests.support.fakes import FakeContext, FakeQueue, FakeTickets
from tests.support.ingest_pipeline import IngestPipeline, running_pipeline
from tests.support.logs import log_lines
from tests.support.runbooks import QUERIES, TEXT, Line, chapter, finds, sections, value
from tests.support.template import SOURCE, of_type
from tests.unit.retrieval.conftest import CONTEXT
from tests.unit.retrieval.fakes import TICKET, World, request
from ticket_archive import errors
from ticket_archive.clock import iso, now
from ticket_archive.errors import Reason
from ticket_archive.metrics import Metric
from ticket_archive.table import IncompleteTicket

EXAMPLES = {"TICKET": ("T-0", TICKET), "CORRELATION_ID": ("message-1",)}
OF_CLOUDWATCH = "@"  # the prefix of fields that Logs Insights adds


def first_column(table: str) -> set[str]:
    """Return the code in the first cell of a table's rows."""
    return {code for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)}


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm() -> None:
    assert set(sections(chapter("Alarms"))) == set(of_type(SOURCE, "CloudWatch::Alarm"))


def test_every_reason_for_quarantine_is_explained() -> None:
    assert first_column(chapter("Quarantine")) == set(Reason)


def codes(kind: type[errors.ArchiveError]) -> Iterator[str]:
    yield kind.code
    for narrower in kind.__subclasses__():
        yield from codes(narrower)


def test_every_code_that_a_ticket_can_fail_with_is_explained() -> None:
    ends = {errors.SettingsError.code, errors.TicketErased.code, errors.UnrecognizedResponse.code}
    raised = {*codes(errors.RetryableError), *ends} - {errors.RetryableError.code}  # the base class is never raised
    assert first_column(sections(chapter("Logs"))["Error codes"]) == raised


def test_every_metric_that_is_named_is_written() -> None:
    named = set(re.findall(r"`((?:Webhooks|Tickets|Messages|Vendor|Bodies|Urls|Objects)[A-Z]\w+)`", TEXT))
    others = {*of_type(SOURCE, "CloudWatch::Alarm"), *SOURCE["Parameters"], "VendorCredential"}
    others |= set(SOURCE["Outputs"])
    assert named - others - set(Metric) == set()
    assert named & set(Metric)


FUNCTIONS = {"count", "count_distinct", "latest", "max", "pct", "bin", "ispresent"}
WORDS = {"as", "by", "and", "sort", "asc", "desc", "fields", "filter", "stats"}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Sequence[Line]:
    """Return both functions' log of results of every kind."""
    with log_lines(audit._logger) as log, running_pipeline(monkeypatch, 4) as pipeline:
        ingest_everything(pipeline, monkeypatch)
        world = World()
        monkeypatch.setattr(app, "dependencies", world)
        app.lambda_handler(request("/tickets/{ticket}/images", {"ticket": TICKET}), CONTEXT)
        world.tickets.broken = ConnectionError()
        app.lambda_handler(request("/tickets/{ticket}/images", {"ticket": TICKET}), CONTEXT)
        return log.records


def ingest_everything(pipeline: IngestPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.vendor_api.throttled = {"T-1"}
    pipeline.post("T-0")
    pipeline.post("T-1")
    pipeline.deliver()
    pipeline.harness.queue.sent.clear()
    pipeline.post("T-2", secret=b"x" * 32)
    pipeline.deliver()
    late = IncompleteTicket("T-9", iso(now() - timedelta(minutes=1)), iso(now() - timedelta(hours=2)), 0)
    due = partial(requeue, FakeTickets().due(late), cast("Any", FakeQueue()), max_age=timedelta(days=7))
    monkeypatch.setattr(dependencies, "schedule", lambda: due)
    schedule_handler.handle(FakeContext())
    webhook_handler.handle({"body": ""})
    monkeypatch.setattr(dependencies, "webhook", lambda: (FakeQueue(failure=ConnectionError()), lambda: None))
    webhook_handler.handle({"body": "x"})


def fields(query: str) -> set[str]:
    plain = re.sub(r'"[^"]*"|as \w+|sort \w+', "", query)
    names = set(re.findall(r"@?[A-Za-z][\w.]*", plain)) - FUNCTIONS - WORDS
    return {name for name in names if not name.startswith(OF_CLOUDWATCH)} - {"5m", "15m", "m"}


OF_THE_PLATFORM = {"Time and memory"}  # REPORT lines, which Lambda itself writes


@pytest.mark.parametrize("name", sorted(set(QUERIES) - OF_THE_PLATFORM))
def test_a_query_finds_lines_that_the_code_writes(name: str, lines: Sequence[Line]) -> None:
    assert finds(QUERIES[name], lines, **EXAMPLES)


# Keys of errors of other services, which the fixture does not cause.
OF_ERRORS = {"aws_code", "aws_operation", "detail"}


@pytest.mark.parametrize("name", sorted(set(QUERIES) - OF_THE_PLATFORM))
def test_a_querys_fields_are_keys_of_the_lines_it_finds(name: str, lines: Sequence[Line]) -> None:
    found = finds(QUERIES[name], lines, **EXAMPLES)
    if name == "Follow one ticket":  # from the first line to the last, whatever became of it
        found = lines
    if name == "Follow one message":
        found = [line for line in lines if "correlation_id" in line]
    missing = {field for field in fields(QUERIES[name]) if all(value(line, field) is None for line in found)}
    assert missing - OF_ERRORS == set()


def test_every_key_that_is_explained_is_written(lines: Sequence[Line]) -> None:
    explained = first_column(chapter("Logs").partition("\n### ")[0])
    written = {key for line in lines for key in line}
    assert explained - written - OF_ERRORS == set()
