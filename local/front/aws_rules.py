"""An ASGI application in front of MiniStack with two rules of AWS that MiniStack lacks.

- S3 refuses some presigned requests: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html.
- CloudWatch has every line that a function logged. MiniStack stops reading after 5 ms without a line; on a busy machine
  the rest came with the process's next invocation, or never (tests/integration/test_emulator_logs.py).

Hypercorn loads this file and adds its folder to the emulator's import path; the folder therefore holds nothing else.
"""

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import import_module
from select import select
from typing import Any
from urllib.parse import parse_qs

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

LOG_SECONDS = 5.0


def refusal(scope: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """Return the status, code and message with which S3 refuses a presigned request, or None."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if scope["type"] != "http" or "X-Amz-Signature" not in query:
        return None
    names = {name.decode("latin-1").lower() for name, _ in scope["headers"]}
    if "authorization" in names:
        return 400, "InvalidArgument", "Only one auth mechanism allowed"
    signed = set(query.get("X-Amz-SignedHeaders", [""])[0].split(";"))
    if {name for name in names if name.startswith("x-amz-")} - signed:
        return 403, "AccessDenied", "There were headers present in the request which were not signed"
    return None


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Refuse the request as S3 would, or pass it to MiniStack."""
    refused = refusal(scope)
    if refused is None:
        await _ministack()(scope, receive, send)
        return
    status, code, message = refused
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def read_log(worker: Any) -> None:
    """Read what a function logs until its process ends. `reading` is set while lines are on their way."""
    pipe, rest, chunk = worker._proc.stderr.fileno(), b"", b"."  # noqa: SLF001 - MiniStack offers no other way
    while chunk:
        select([pipe], [], [])
        worker.reading = True
        chunk = os.read(pipe, 65_536)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            worker._stderr_queue.put(line.decode("utf-8", "replace"))  # noqa: SLF001
        worker.reading = False


def logged(worker: Any, **_: float) -> str:
    """Return all that a function has logged when it responds: by then it is in the pipe, or read."""
    process, ends_at = worker._proc, time.monotonic() + LOG_SECONDS  # noqa: SLF001
    if process is None:
        worker._stderr_thread.join(LOG_SECONDS)  # noqa: SLF001
    while process and process.poll() is None and time.monotonic() < ends_at:
        if not select([process.stderr], [], [], 0)[0] and not worker.reading:
            break
        time.sleep(0.001)
    lines: str = worker._drain_stderr()  # noqa: SLF001
    return lines


@cache
def _ministack() -> Asgi:
    runtime: Any = import_module("ministack.core.lambda_runtime")
    runtime.zipfile = import_module("archives")
    worker = runtime.Worker
    worker.reading, worker._read_stderr, worker._drain_stderr_bounded = False, read_log, logged  # noqa: SLF001
    application: Asgi = import_module("ministack.app").app
    return application
