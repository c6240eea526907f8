"""How a command can fail, in words that a person can act on and in exit codes that a script can."""

import traceback
from enum import IntEnum

import requests
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own root of what went wrong on the wire
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from ticket_archive.errors import ArchiveError, InvalidRequest, RetryableError, SettingsError, TicketErased


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    OUT_OF_REACH = 3
    INTERRUPTED = 130


class Failure(Exception):
    """What a command could not do: one line for the person, one code for the script. No personal data."""

    def __init__(self, message: str, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


_NOT_ALLOWED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403", "KMS.AccessDeniedException"}
_NOT_KNOWN = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_INVALID = {
    "ticket": "not a ticket id: 1 to 128 of A-Z a-z 0-9 _ -, the first a letter or a digit",
    "legal_hold": "the ticket is under a legal hold, nothing was erased: see `release`",
}


def explain(error: Exception) -> Failure:
    """Any exception as a Failure.

    Exceptions of others may quote what they were given, so only their types and AWS's own codes are told.
    """
    match error:
        case Failure():
            return error
        case ClientError():
            return _explain_refusal(error)
        case NoRegionError():
            return Failure("no AWS region: say --region, or set one in the profile", Exit.USAGE)
        case ProfileNotFound():
            return Failure("no such AWS profile: see `aws configure list-profiles`", Exit.USAGE)
        case NoCredentialsError() | PartialCredentialsError():
            return Failure("no AWS credentials: say --profile, or log in (`aws sso login`)", Exit.OUT_OF_REACH)
        case SSOError() | LoginError() | TokenRetrievalError() | CredentialRetrievalError():
            return Failure("the AWS login is over or broken: log in again (`aws sso login`)", Exit.OUT_OF_REACH)
        case ConnectionError() | HTTPClientError() | requests.RequestException():
            return Failure(
                f"out of reach ({type(error).__name__}): is the network there, and with --local the stack up?",
                Exit.OUT_OF_REACH,
            )
        case BotoCoreError():
            return Failure(f"AWS cannot be asked ({type(error).__name__}): check profile and region", Exit.OUT_OF_REACH)
        case InvalidRequest():
            return Failure(_INVALID.get(error.detail, f"not possible: {error.detail}"), _usage(error))
        case TicketErased():
            return Failure("the ticket is erased: nothing of it is left but that fact")
        case SettingsError():
            return Failure(f"the stack's configuration is at fault: {error.detail}")
        case RetryableError():
            return Failure(f"{error.detail or error.code} could not be had: is reading it allowed?", Exit.OUT_OF_REACH)
        case ArchiveError():
            return Failure(f"not possible: {error}")
        case OSError():
            return Failure(f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
    return Failure(f"unexpected {type(error).__name__} at {place}: a fault of this program, please report it")


def _usage(error: InvalidRequest) -> Exit:
    return Exit.FAILED if error.detail == "legal_hold" else Exit.USAGE


def _explain_refusal(error: ClientError) -> Failure:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _NOT_ALLOWED:
        return Failure(
            f"not allowed: {error.operation_name} ({code}); docs/operations.md lists what each command needs",
            Exit.OUT_OF_REACH,
        )
    if code in _NOT_KNOWN:
        return Failure(f"AWS does not take these credentials ({code}): log in again", Exit.OUT_OF_REACH)
    return Failure(f"{error.operation_name} failed: {code or 'no code'}")
