"""Capture the functions' log and metrics."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from aws_lambda_powertools import Logger

from ticket_archive.telemetry import logger, metrics


class Lines(io.StringIO):
    """The JSON lines as text; `records` has them parsed."""

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def with_message(self, message: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["message"] == message]


@contextmanager
def log_lines(*others: Logger) -> Iterator[Lines]:
    """Yield the lines that the functions' logger, at DEBUG, and others write during the block, as in CloudWatch."""
    lines = Lines()
    with ExitStack() as restored:
        restored.callback(logger.setLevel, logger.log_level)
        logger.setLevel("DEBUG")
        for each in (logger, *others):
            handler = cast("logging.StreamHandler[Any]", each.registered_handler)
            restored.callback(handler.setStream, handler.stream)
            handler.setStream(lines)
        yield lines


@contextmanager
def root_log() -> Iterator[io.StringIO]:
    """Yield what a handler of the root logger prints during the block, in which every logger is at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    every = [logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict)]
    levels = [(each, each.level) for each in every]
    logging.root.addHandler(handler)
    for each in every:
        each.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        logging.root.removeHandler(handler)
        for each, level in levels:
            each.setLevel(level)


def counted() -> dict[str, float]:
    """Return the metrics that are not flushed yet, each with its sum."""
    return {name: sum(found["Value"]) for name, found in metrics.metric_set.items()}
