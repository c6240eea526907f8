"""The logger and the metrics of both functions, and the one way to log somebody else's exception.

Logs hold identifiers and codes. An exception of another library may quote what it was given (a name, a URL, a whole
item), so its text is never logged: its type, its AWS error code and the line where it rose tell enough.
"""

import traceback
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from ticket_archive.errors import ArchiveError

logger = Logger(service="ticket-archive", log_uncaught_exceptions=False, utc=True)
metrics = Metrics(namespace="TicketArchive", service="ticket-archive")


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
