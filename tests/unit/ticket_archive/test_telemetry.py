"""Exceptions in the log: a type, a code, a place; never a foreign text."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.support.interpreter import run
from tests.support.logs import root_log
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.telemetry import LIBRARIES, describe

CANARY = "Canary Doe 1984-06-04 https://images.example.com/x"


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError(CANARY),
        KeyError(CANARY),
        UnicodeEncodeError("utf-8", CANARY, 0, 1, CANARY),
        ClientError({"Error": {"Code": "ValidationException", "Message": CANARY}}, "PutItem"),
        ExceptionGroup(CANARY, [ValueError(CANARY)]),
        UnrecognizedResponse("details_not_json", CANARY.encode()),
    ],
)
def test_messages_of_foreign_exceptions_are_not_logged(error: Exception) -> None:
    described = describe(raised(error))
    assert "Canary" not in json.dumps(described)
    assert "images.example.com" not in json.dumps(described)


def test_archive_errors_are_described_by_code_and_detail() -> None:
    assert describe(raised(VendorUnavailable("503"))) == {"error": "vendor_unavailable", "detail": "503"}


def test_an_aws_error_is_described_by_its_code_and_operation() -> None:
    described = describe(raised(ClientError({"Error": {"Code": "AccessDenied", "Message": CANARY}}, "PutObject")))
    codes = [described[name] for name in ("error", "aws_code", "aws_operation")]
    assert codes == ["ClientError", "AccessDenied", "PutObject"]
    assert [place.partition(":")[0] for place in described["at"]] == ["test_telemetry.py"]


@pytest.mark.parametrize("response", [None, "text", {}, {"Error": "text"}])
def test_a_malformed_response_attribute_is_ignored(response: object) -> None:
    error = ValueError(CANARY)
    error.response = response  # type: ignore[attr-defined]
    assert describe(error) == {"error": "ValueError", "at": []}


@pytest.fixture
def everything() -> Iterator[io.StringIO]:
    with root_log() as stream:
        yield stream


@pytest.mark.parametrize("name", [*LIBRARIES, "botocore.endpoint", "urllib3.connectionpool"])
def test_libraries_log_nothing_below_a_warning_at_any_level(everything: io.StringIO, name: str) -> None:
    logging.getLogger(name).debug(CANARY)
    logging.getLogger(name).info(CANARY)
    assert everything.getvalue() == ""


def test_a_librarys_warning_is_logged(everything: io.StringIO) -> None:
    logging.getLogger("urllib3.connectionpool").warning("Connection pool is full")
    assert everything.getvalue() == "Connection pool is full\n"


def test_no_logger_prints_uncaught_exceptions() -> None:
    """Powertools' loggers would, with the exception's text, by a hook of the interpreter."""
    run("import sys, ingest.app, retrieval.app; assert sys.excepthook is sys.__excepthook__")


def test_no_variable_makes_powertools_print_events() -> None:
    """GIVEN every variable that makes Powertools talkative, WHEN it logs for its makers, THEN nothing is printed."""
    program = """
import logging
from ticket_archive import telemetry
logging.getLogger("aws_lambda_powertools.utilities.batch").debug("Canary")
print("over")
"""
    talkative = {"POWERTOOLS_DEBUG": "true", "POWERTOOLS_DEV": "true", "POWERTOOLS_LOG_LEVEL": "DEBUG"}
    done = run(program, **talkative)
    assert done.stdout == "over\n"
    assert "Canary" not in done.stderr
