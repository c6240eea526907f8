"""Errors become one line and one exit code, without the exception's own text."""

import pytest
import requests
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    InvalidConfigError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from ops.errors import Exit, Failure, explain
from ticket_archive.errors import InvalidRequest, SettingsError, TicketErased, WriteConflict


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "CANARY"}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Failure("words", Exit.USAGE), Exit.USAGE, "words"),
        (refused("AccessDeniedException"), Exit.UNREACHABLE, "access denied: GetItem"),
        (refused("403"), Exit.UNREACHABLE, "access denied"),
        (refused("ExpiredTokenException"), Exit.UNREACHABLE, "log in again"),
        (refused("ThrottlingException"), Exit.FAILED, "run the command again"),
        (refused("SlowDown"), Exit.FAILED, "run the command again"),
        (refused("RequestTimeTooSkewed"), Exit.UNREACHABLE, "clock"),
        (refused("InvalidToken"), Exit.UNREACHABLE, "log in again"),
        (refused("ResourceNotFoundException"), Exit.FAILED, "GetItem failed: ResourceNotFoundException"),
        (NoRegionError(), Exit.USAGE, "--region"),
        (ProfileNotFound(profile="CANARY"), Exit.USAGE, "profile"),
        (NoCredentialsError(), Exit.UNREACHABLE, "--profile"),
        (TokenRetrievalError(provider="sso", error_msg="CANARY"), Exit.UNREACHABLE, "log in again"),
        (UnauthorizedSSOTokenError(), Exit.UNREACHABLE, "log in again"),
        (InvalidConfigError(error_msg="CANARY"), Exit.UNREACHABLE, "check the profile"),
        (EndpointConnectionError(endpoint_url="https://CANARY"), Exit.UNREACHABLE, "could not connect"),
        (ConnectTimeoutError(endpoint_url="https://CANARY"), Exit.UNREACHABLE, "could not connect"),
        (requests.ConnectionError("https://CANARY"), Exit.UNREACHABLE, "could not connect"),
        (InvalidRequest("ticket"), Exit.USAGE, "not a ticket id"),
        (InvalidRequest("legal_hold"), Exit.FAILED, "legal hold"),
        (TicketErased(), Exit.FAILED, "run `erase` again"),
        (SettingsError("webhook secret: not 32 bytes"), Exit.FAILED, "not 32 bytes"),
        (WriteConflict("object"), Exit.FAILED, "run the command again"),
        (PermissionError(13, "Permission denied", "folder"), Exit.FAILED, "folder: Permission denied"),
    ],
)
def test_an_error_is_one_line_and_one_code(error: Exception, code: Exit, said: str) -> None:
    failure = explain(error)
    assert failure.exit_code == code
    assert said in str(failure)
    assert "CANARY" not in str(failure)
    assert "\n" not in str(failure)


def test_an_unexpected_error_names_its_place_and_not_its_text() -> None:
    try:
        raise KeyError("CANARY")
    except KeyError as error:
        failure = explain(error)
    assert failure.exit_code is Exit.FAILED
    assert "unexpected KeyError at test_errors.py:" in str(failure)
    assert "CANARY" not in str(failure)
