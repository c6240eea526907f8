"""What the functions would write to their log, metrics among it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ticket_archive.telemetry import logger, metrics


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


def counted() -> dict[str, float]:
    """Return the metrics that are not flushed yet, each with its sum."""
    return {name: sum(found["Value"]) for name, found in metrics.metric_set.items()}
