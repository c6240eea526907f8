"""Errors as problem details: stable codes, no echo of the caller's input, no text of any exception."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.unit.retrieval.conftest import Call
from tests.unit.retrieval.fakes import CUSTOMER, EXTENDED_REQUEST_ID, REQUEST_ID, TICKET, World, request
from ticket_archive.errors import RetryableError, SettingsError

TICKETS = "/customers/{customer}/tickets"
IMAGES = "/tickets/{ticket}/images"
CANARY = "Jane-Canary"


def aws_error(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": CANARY}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetItem")


def test_a_problem_has_status_code_detail_and_instance(call: Call) -> None:
    answer = call(IMAGES, {"ticket": TICKET}, {"expires_in": "901"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "code": "invalid_request",
        "detail": "expires_in: Input should be less than or equal to 900",
        "instance": f"urn:uuid:{REQUEST_ID}",
    }


def test_a_request_id_chosen_by_the_caller_is_not_repeated(handle: Any) -> None:
    """API Gateway takes it from the header x-amzn-RequestId. Its own id stands in the audit beside it."""
    event = request("/tickets/{ticket}", {"ticket": "-"})
    event["requestContext"]["requestId"] = CANARY
    answer = handle(event)
    assert "instance" not in answer.json
    assert CANARY not in answer.text
    assert answer.audit["extended_request_id"] == EXTENDED_REQUEST_ID


@pytest.mark.parametrize(
    ("resource", "path", "query"),
    [
        ("/tickets/{ticket}", {"ticket": f"-{CANARY}"}, {}),
        (IMAGES, {"ticket": TICKET}, {"type": CANARY}),
        (IMAGES, {"ticket": TICKET}, {"expires_in": CANARY}),
        (TICKETS, {"customer": CUSTOMER}, {"limit": CANARY}),
        (TICKETS, {"customer": f"{CANARY}\u0000"}, {}),
        ("/tickets/{ticket}/images/{sha256}", {"ticket": TICKET, "sha256": CANARY}, {}),
        (f"/{CANARY}", {}, {CANARY: CANARY}),
    ],
)
def test_an_invalid_request_is_repeated_neither_in_the_problem_nor_in_the_log(
    call: Call, resource: str, path: dict[str, str], query: dict[str, str]
) -> None:
    answer = call(resource, path, query)
    assert answer.status in (400, 404)
    assert CANARY not in answer.text
    # the audit's route is API Gateway's template, which a caller cannot choose
    assert CANARY not in str([{**line, "audit": {**line.get("audit", {}), "route": ""}} for line in answer.log])
    assert answer.metrics == {"RequestsRejected": 1}


@pytest.mark.parametrize("resource", ["/", "/nothing", "/tickets", "/tickets/a/b/c", "//", "/tickets//images"])
def test_an_unknown_route_is_404(call: Call, resource: str) -> None:
    answer = call(resource)
    assert (answer.status, answer.json["code"]) == (404, "unknown_route")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_than_get_is_405(call: Call, world: World, method: str) -> None:
    answer = call("/tickets/{ticket}", {"ticket": TICKET}, method=method)
    assert (answer.status, answer.headers["Allow"], answer.json["code"]) == (405, "GET", "method_not_allowed")
    assert world.tickets.reads == 0


@pytest.mark.parametrize(
    "error",
    [
        aws_error("ThrottlingException"),
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("InternalServerError", 500),
        aws_error("SlowDown", 503),
        EndpointConnectionError(endpoint_url=f"https://{CANARY}"),
        ReadTimeoutError(endpoint_url=f"https://{CANARY}"),
    ],
)
def test_busy_aws_is_503_with_retry_after(call: Call, world: World, error: Exception) -> None:
    world.tickets.broken = error
    answer = call("/tickets/{ticket}", {"ticket": TICKET})
    assert (answer.status, answer.headers["Retry-After"], answer.json["code"]) == (503, "2", "unavailable")
    assert CANARY not in answer.text + str(answer.log)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(CANARY), KeyError(CANARY), RecursionError(CANARY), aws_error("AccessDeniedException"),
        aws_error("ResourceNotFoundException"), RetryableError("elsewhere"), SettingsError("TABLE_NAME"),
    ],
)  # fmt: skip
def test_any_other_error_is_500_without_detail_and_in_the_log(call: Call, world: World, error: Exception) -> None:
    world.tickets.broken = error
    answer = call("/tickets/{ticket}", {"ticket": TICKET})
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert "detail" not in answer.json
    assert CANARY not in answer.text + str(answer.log)
    (line,) = [line for line in answer.log if line["message"] == "request failed"]
    assert line["error"] in (type(error).__name__, getattr(error, "code", None))
    assert (line["correlation_id"], line["ticket"]) == (REQUEST_ID, TICKET)
    configuration = {"ConfigurationErrors": 1} if isinstance(error, SettingsError) else {}
    assert answer.metrics == {"RequestsFailed": 1, **configuration}
    assert line.get("detail") == getattr(error, "detail", None)
