"""The logger and the metrics of both functions.

Every line about a queue message has the key `correlation_id`: the id that SQS gave the message. A ticket that settles
later, or that the schedule queues again, gets a new message; the line that says so has its id, and `ticket` stays the
same. For a request to the retrieval API it is API Gateway's request id.

Logs hold identifiers and codes. Exceptions of libraries may quote their input (a name, a URL, a whole item), so their
text is never logged: type, AWS error code and place are. At DEBUG, botocore logs bodies and headers, and urllib3 logs
URLs, so records of libraries below WARNING are dropped whatever the log level is.
"""

import logging
import os
import traceback
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from ticket_archive.errors import ArchiveError

LIBRARIES = ("asyncio", "aws_lambda_powertools", "boto3", "botocore", "requests", "s3transfer", "urllib3")


class _Warnings(logging.Handler):
    """Passes warnings to the root logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger().handle(record)


def silence_library_debug_logs() -> None:
    """Drop the libraries' records below WARNING.

    Setting their level is not enough: it can be set again, as can that of any child logger.
    """
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers = [_Warnings()]  # Powertools adds one that prints if POWERTOOLS_DEBUG is set
        library.propagate = False
        library.setLevel(logging.WARNING)


silence_library_debug_logs()
# No line names a thread or process, so logging need not look them up (docs.python.org/3/howto/logging.html).
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "ticket-archive")
"""The stack's name: the dimension `service` of every metric, which separates two stacks in one account."""

logger = Logger(service=SERVICE, log_uncaught_exceptions=False, utc=True)
metrics = Metrics(namespace="TicketArchive", service=SERVICE)


def describe(error: BaseException) -> dict[str, Any]:
    """Return an exception as log keys that cannot hold personal data."""
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
