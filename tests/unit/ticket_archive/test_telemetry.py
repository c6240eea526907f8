"""Exceptions in the log: a type, a code, a place; never a foreign text."""

import json

import pytest
from botocore.exceptions import ClientError

from ticket_archive.errors import NotUnderstood, VendorUnavailable
from ticket_archive.telemetry import describe

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
        NotUnderstood("details_not_json", CANARY.encode()),
    ],
)
def test_what_others_exceptions_say_is_never_quoted(error: Exception) -> None:
    described = describe(raised(error))
    assert "Canary" not in json.dumps(described)
    assert "images.example.com" not in json.dumps(described)


def test_a_chain_of_exceptions_is_not_followed() -> None:
    error = raised(RuntimeError(CANARY))
    error.__cause__ = error.__context__ = raised(ValueError(CANARY))
    assert "Canary" not in json.dumps(describe(error))


def test_our_own_errors_are_told_by_code_and_detail() -> None:
    assert describe(raised(VendorUnavailable("503"))) == {"error": "vendor_unavailable", "detail": "503"}


def test_an_aws_error_is_told_by_its_code_and_operation() -> None:
    described = describe(raised(ClientError({"Error": {"Code": "AccessDenied", "Message": CANARY}}, "PutObject")))
    assert (described["error"], described["aws_code"], described["aws_operation"]) == (
        "ClientError",
        "AccessDenied",
        "PutObject",
    )


def test_the_place_is_told_by_file_names_and_lines_of_the_last_frames() -> None:
    described = describe(raised(ValueError(CANARY)))
    assert described["error"] == "ValueError"
    assert len(described["at"]) == 1
    assert described["at"][0].startswith("test_telemetry.py:")


@pytest.mark.parametrize("response", [None, "text", {}, {"Error": "text"}])
def test_an_odd_response_attribute_does_no_harm(response: object) -> None:
    error = ValueError(CANARY)
    error.response = response  # type: ignore[attr-defined]
    assert describe(error) == {"error": "ValueError", "at": []}
