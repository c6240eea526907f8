"""The step-functions example: what an execution is about, and what the archive's answers mean to it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.stub import Stubber
from pydantic import ValidationError

from tests.support.stubbing import answering, client
from ticket_archive_client import ArchiveApiError, TicketArchive
from verification.app import Question, newest, resume
from verification.results import Result, Subject, customer_of
from verification.tokens import Tokens

SINCE = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("given", [{}, {"ticket": "T", "customer": "C"}])
def test_subject_is_a_ticket_or_a_customer(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Subject.model_validate(given)


@pytest.mark.parametrize(
    ("details", "customer"),
    [
        ({"cifcode": "C-1"}, "C-1"),
        ({"data": {"user": {"cifCode": "C-1"}}}, "C-1"),
        ({"history": [1, {"cifcod": "C-1"}]}, "C-1"),
        ({"CIF_CODE": " C-1 "}, "C-1"),
        ({"cifcode": 1001}, "1001"),
        ({"customer": None, "cifcode": ""}, None),
        ([], None),
    ],
)
def test_customer_is_found_at_any_depth(details: Any, customer: str | None) -> None:
    assert customer_of(details) == customer


def client_of(answer: str | ArchiveApiError, listed: Any = (), details: Any = None, minutes: int = 1) -> Mock:
    """Return a client: `answer` is the ticket's outcome or the API's error, `minutes` when its webhook came."""
    archive = Mock(spec=TicketArchive)
    fields = {"ticket": "T", "version": "v1", "outcome": answer, "complete": True}
    found = archive.ticket.return_value
    found.model_dump = lambda include: {name: fields[name] for name in include}
    found.received_at = SINCE + timedelta(minutes=minutes)
    for method, result in ((archive.ticket, answer), (archive.details, details)):
        method.side_effect = result if isinstance(result, ArchiveApiError) else None
    archive.details.return_value = details
    archive.customer_tickets.return_value = listed
    return archive


def ask(archive: TicketArchive, subject: Subject) -> str | None:
    """Return the ticket of the result."""
    result = newest(archive, Question(subject=subject, since=SINCE))
    return result.ticket if result else None


def test_ticket_that_is_not_archived_has_no_result() -> None:
    ticket = Subject(ticket="T")
    assert ask(client_of("ACCEPTED"), ticket) == "T"
    for status in (202, 404):
        assert ask(client_of(ArchiveApiError(status)), ticket) is None
    with pytest.raises(ArchiveApiError):
        ask(client_of(ArchiveApiError(410)), ticket)


@pytest.mark.parametrize(
    ("state", "minutes", "found"),
    [("archived", 1, "T"), ("archived", -1, None), ("incomplete", 1, None), ("received", None, None)],
)
def test_customers_result_is_of_a_ticket_archived_since_the_start(
    state: str, minutes: int | None, found: str | None
) -> None:
    archived_at = None if minutes is None else SINCE + timedelta(minutes=minutes)
    listed = [SimpleNamespace(ticket="T", state=state, archived_at=archived_at)]
    assert ask(client_of("ACCEPTED", listed), Subject(customer="C")) == found


@pytest.mark.parametrize(("subject", "found"), [(Subject(ticket="T"), "T"), (Subject(customer="C"), None)])
def test_new_version_of_an_earlier_ticket_is_no_result_of_the_customers_next_verification(
    subject: Subject, found: str | None
) -> None:
    listed = [SimpleNamespace(ticket="T", state="archived", archived_at=SINCE + timedelta(minutes=5))]
    assert ask(client_of("REJECTED", listed, minutes=-60), subject) == found


@pytest.mark.parametrize(
    ("waits_for", "details", "minutes", "resumed"),
    [
        ("ticket#T", {}, -60, True),
        ("customer#C", {"cifcode": "C"}, 1, True),
        ("customer#C", {"cifcode": "C"}, -60, False),
        ("customer#C", ArchiveApiError(404), 1, False),
        ("customer#C", ArchiveApiError(410), 1, False),
    ],
)
def test_event_resumes_the_execution_that_waits_for_its_ticket_or_its_customer(
    waits_for: str, details: Any, minutes: int, resumed: bool
) -> None:
    tokens: Any = SimpleNamespace(
        find=lambda subject: ("token", SINCE) if subject.key == waits_for else None, resume=lambda *_: True
    )
    archive = client_of("ACCEPTED", None, details, minutes)
    assert resume(archive, tokens, "T") is resumed


@pytest.mark.parametrize("code", [None, "TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
@pytest.mark.parametrize("superseded", [False, True])
def test_token_is_used_once_and_deleted_unless_another_execution_waits(code: str | None, superseded: bool) -> None:
    """AWS responds with TaskTimedOut or TaskDoesNotExist, the emulator only with the latter."""
    dynamodb, step_functions = client("dynamodb"), client("stepfunctions")
    result = Result(ticket="T", version="v1", outcome="ACCEPTED", complete=True)
    with answering(Stubber(dynamodb)) as table, answering(Stubber(step_functions)) as machine:
        if code:
            machine.add_client_error("send_task_success", code)
        else:
            given = {"taskToken": "token", "output": result.model_dump_json()}
            machine.add_response("send_task_success", {}, given)
        if superseded:
            table.add_client_error("delete_item", "ConditionalCheckFailedException")
        else:
            table.add_response("delete_item", {})

        assert Tokens(dynamodb, step_functions, "tokens").resume(Subject(ticket="T"), "token", result) is (code is None)


def test_stored_token_is_found_with_the_start_of_its_execution() -> None:
    dynamodb = boto3.Session("AKIAEXAMPLE", "example", region_name="eu-central-1").client("dynamodb")
    tokens, subject, stored = Tokens(dynamodb, None, "tokens"), Subject(customer="C"), {}
    dynamodb.meta.events.register(
        "before-parameter-build.dynamodb.PutItem", lambda params, **_: stored.update(params["Item"])
    )
    with Stubber(dynamodb) as table:
        table.add_response("put_item", {})
        tokens.store(subject, "token", SINCE)
        table.add_response(
            "get_item",
            {"Item": stored},
            {"TableName": "tokens", "Key": {"waits_for": {"S": "customer#C"}}, "ConsistentRead": True},
        )
        assert tokens.find(subject) == ("token", SINCE)
        table.add_response("get_item", {})
        assert tokens.find(subject) is None
