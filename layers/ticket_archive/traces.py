"""Parts of a trace, told to the X-Ray daemon that Lambda runs beside a function whose tracing is on.

A part is a subsegment: one JSON document in one datagram, with ids and codes as its annotations, by which traces are
found. Children may be told before their parents. Nothing is told where a request is not sampled, and nothing waits.

Sources: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html and xray-api-sendingdata.html.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from ticket_archive.telemetry import current_log_keys

_HEADER = b'{"format": "json", "version": 1}\n'
_DAEMON = "127.0.0.1:2000"  # where it listens unless the variable says otherwise

_parent: ContextVar[str | None] = ContextVar("_parent", default=None)
"""The part that is under way in this context."""


@contextmanager
def part(name: str) -> Iterator[dict[str, str]]:
    """Tells of the block as a part of the trace. What the block puts into the mapping becomes annotations."""
    annotations: dict[str, str] = {}
    own, began, failed = secrets.token_hex(8), time.time(), False
    outer = _parent.set(own)
    try:
        yield annotations
    except BaseException:
        failed = True
        raise
    finally:
        _parent.reset(outer)
        _tell({"id": own, "name": name, "start_time": began, "fault": failed}, annotations)


def call(name: str, seconds: float, annotations: Mapping[str, str], *, failed: bool) -> None:
    """Tells of a call to another service that took so many seconds and has just ended."""
    document = {"id": secrets.token_hex(8), "name": name, "start_time": time.time() - seconds, "namespace": "remote"}
    _tell({**document, "fault": failed}, annotations)


def _tell(document: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
    """Sends a subsegment that ends now, with the identifiers of the log's lines. It fails in silence, if it does."""
    trace = dict(pair.split("=", 1) for pair in os.environ.get("_X_AMZN_TRACE_ID", "").split(";") if "=" in pair)
    if trace.get("Sampled") != "1" or "Root" not in trace or "Parent" not in trace:
        return
    whole = {
        **document,
        "type": "subsegment",
        "trace_id": trace["Root"],
        "parent_id": _parent.get() or trace["Parent"],
        "end_time": time.time(),
        "annotations": {**current_log_keys(), **annotations},
    }
    host, _, port = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", _DAEMON).rpartition(":")
    with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.setblocking(False)
        daemon.sendto(_HEADER + json.dumps(whole).encode(), (host, int(port)))
