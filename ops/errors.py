"""Errors as one line for a person and an exit code for a script."""

import traceback
from enum import IntEnum
from pathlib import Path

import requests
from botocore import exceptions as aws

from ticket_archive.errors import THROTTLED, ArchiveError, InvalidRequest, SettingsError, TicketErased, WriteConflict


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


class Failure(Exception):
    """A command failed: one line of text without personal data, and the exit code."""

    def __init__(self, message: str, exit_code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def damaged(key: str) -> Failure:
    """Return the failure for an object that is not as it was written."""
    text = "is damaged: restore its earlier version (docs/operations.md, Restore what was deleted by mistake)"
    return Failure(f"{key} {text}")


_ACCESS_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403", "KMS.AccessDeniedException"}
_BAD_CREDENTIALS = {
    "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "InvalidToken", "RequestExpired", "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}  # fmt: skip


def error_code(error: aws.ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(error: BaseException) -> Failure:
    """Return any exception as a Failure. Its own text may quote input: only its type and AWS's code are printed."""
    match error:
        case Failure():
            return error
        case KeyboardInterrupt():
            return Failure("interrupted", Exit.INTERRUPTED)
        case aws.ClientError():
            return _explain_client_error(error)
        case aws.NoRegionError():
            return Failure("no AWS region: use --region, or set one in the profile", Exit.USAGE)
        case aws.ProfileNotFound():
            return Failure("no such AWS profile; `aws configure list-profiles` lists them", Exit.USAGE)
        case aws.NoCredentialsError() | aws.PartialCredentialsError():
            return Failure("no AWS credentials: use --profile, or log in (`aws sso login`)", Exit.UNREACHABLE)
        case aws.SSOError() | aws.LoginError() | aws.TokenRetrievalError() | aws.CredentialRetrievalError():
            return Failure("the AWS login has expired: log in again (`aws sso login`)", Exit.UNREACHABLE)
        case aws.ConnectionError() | aws.HTTPClientError() | requests.RequestException():
            text = f"could not connect ({type(error).__name__}): check network and region; with --local, run `make up`"
            return Failure(text, Exit.UNREACHABLE)
        case aws.BotoCoreError():
            text = f"could not call AWS ({type(error).__name__}): check the profile and the region"
            return Failure(text, Exit.UNREACHABLE)
        case InvalidRequest(detail="ticket"):
            text = "not a ticket id: use 1 to 128 of A-Z a-z 0-9 _ -, beginning with a letter or a digit"
            return Failure(text, Exit.USAGE)
        case InvalidRequest(detail="legal_hold"):
            return Failure("the ticket is under a legal hold and was not erased; see `release`")
        case InvalidRequest():
            return Failure(f"invalid request: {error.detail}", Exit.USAGE)
        case TicketErased():
            return Failure("the ticket is erased; if its erasure was interrupted, run `erase` again")
        case SettingsError():
            return Failure(f"invalid configuration: {error.detail}; correct this setting or secret")
        case WriteConflict():
            return Failure("another process wrote the same object at that moment: run the command again")
        case ArchiveError():
            return Failure(f"failed: {error}")
        case OSError():
            return Failure(f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return Failure(f"unexpected {type(error).__name__} at {place}; this is a bug, please report it")


def _explain_client_error(error: aws.ClientError) -> Failure:
    code, operation = error_code(error), error.operation_name
    if code in _ACCESS_DENIED:
        text = f"access denied: {operation} ({code}); docs/operations.md lists the permissions of each command"
        return Failure(text, Exit.UNREACHABLE)
    if code in _BAD_CREDENTIALS:
        return Failure(f"AWS rejected these credentials ({code}): log in again", Exit.UNREACHABLE)
    if code == "RequestTimeTooSkewed":
        return Failure(f"AWS rejected the time of this machine ({code}): set its clock", Exit.UNREACHABLE)
    if code in THROTTLED:
        return Failure(f"AWS throttled {operation} ({code}): run the command again in a minute")
    return Failure(f"{operation} failed: {code or 'no code'}")
