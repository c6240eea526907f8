"""`./ticket-archive`: the application with all its commands. Their modules add themselves, in the order of its help."""

# ruff: noqa: F401, I001
import os
import signal
import sys
from io import BytesIO, TextIOWrapper

from ops.app import app
from ops.commands import status, listing, fetch, view
from ops.commands import backfill, settle, redrive
from ops.commands import export, audit, erase, retention
from ops.commands import send_test_webhook, doctor, rollback

__all__ = ["app", "main"]


def main() -> None:
    """Run a command. Files that it writes are readable by this user alone.

    Without a standard output (`>&-`) none is run, because its result, such as an erasure's receipt, would be lost.
    Characters that the terminal's encoding does not have are printed as escapes.

    A closed terminal or `kill` ends it like Ctrl-C, so that pages and unfinished exports are removed, and messages that
    a redrive has received are visible again.
    """
    if not sys.stdout:
        sys.exit("standard output is closed; to discard the result, use >/dev/null")
    sys.stdin = sys.stdin or TextIOWrapper(BytesIO())
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # which nohup sets
            signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="ticket-archive")
