"""The logger and the metrics of both functions, and the one way to log somebody else's exception.

Every line from a webhook to its manifest has the key `correlation_id`: the id of the message that the queue gave the
webhook, which both ends of the queue know. A request to the retrieval API has its own: API Gateway's request id.

Logs hold identifiers and codes. An exception of another library may quote what it was given (a name, a URL, a whole
item), so its text is never logged: its type, its AWS error code and the line where it rose tell enough.

What libraries say at DEBUG is worse: botocore prints bodies and headers, urllib3 prints URLs. No log level, wherever it
is set (LogLevel, Lambda's own, a variable of Powertools', a call), lets that through: warnings are all that passes.
"""

import logging
import os
import traceback
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from ticket_archive.errors import ArchiveError

LIBRARIES = ("asyncio", "aws_lambda_powertools", "boto3", "botocore", "requests", "s3transfer", "urllib3")


class _Warnings(logging.Handler):
    """Hands warnings on to whoever listens to everything."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().handle(record)


def silence_library_debug_logs() -> None:
    """Cuts the libraries' loggers off from the root's handlers, but for warnings.

    Their level alone would not do: it can be set again, and so can that of any logger below.
    """
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers = [_Warnings()]  # Powertools brings one along that prints, where POWERTOOLS_DEBUG says so
        library.propagate = False
        library.setLevel(logging.WARNING)


silence_library_debug_logs()

_SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "ticket-archive")
"""The stack's name, so that the metrics of two stacks in an account are apart."""

logger = Logger(service=_SERVICE, log_uncaught_exceptions=False, utc=True)
metrics = Metrics(namespace="TicketArchive", service=_SERVICE)


def append_log_keys(**identifiers: str) -> None:
    """Puts identifiers on every line that is logged from here on, in this context: `contextvars`, not only a thread."""
    logger.thread_safe_append_keys(**identifiers)


def current_log_keys() -> dict[str, str]:
    """The identifiers that are on every line in this context."""
    return dict(logger.thread_safe_get_current_keys())


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as log keys that cannot hold personal data."""
    if isinstance(error, ArchiveError):
        return {"error": error.code, "detail": error.detail}
    described: dict[str, Any] = {"error": type(error).__name__}
    response = getattr(error, "response", None)
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        described["aws_code"] = response["Error"].get("Code")
        described["aws_operation"] = getattr(error, "operation_name", None)
    frames = traceback.extract_tb(error.__traceback__)
    described["at"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames[-4:]]
    return described
