"""What the functions would write to their log."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ticket_archive.telemetry import logger


class Lines(io.StringIO):
    """The JSON lines as text; `records` has them parsed."""

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def saying(self, message: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["message"] == message]


@contextmanager
def log_lines() -> Iterator[Lines]:
    """The lines of our own logger, formatted as they are in the cloud."""
    lines = Lines()
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(lines)
    try:
        yield lines
    finally:
        handler.setStream(before or io.StringIO())
