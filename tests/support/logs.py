"""Capture the functions' log and metrics."""

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

    def with_message(self, message: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["message"] == message]


@contextmanager
def log_lines() -> Iterator[Lines]:
    """Yield the lines that the functions' logger writes during the block, formatted as in CloudWatch."""
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
