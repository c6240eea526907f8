"""Show a page in the browser and remove it afterwards."""

import os
import select
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ops.fetch import save

UNATTENDED_SECONDS = 60.0
"""How long a page is kept if there is no terminal to press Enter at."""


@contextmanager
def temporary_page(page: bytes) -> Iterator[Path]:
    """Keep the page as a file in a folder of its own, readable by this user alone, while the block runs.

    It is a file and not a server on the loopback, because every user of a machine can read the URL on a command line
    and connect to it. It is in memory (`XDG_RUNTIME_DIR`) if the system has such a folder.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = runtime if runtime and os.access(runtime, os.W_OK) else None
    # SIGTERM and SIGHUP remove the folder before the process ends.
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with tempfile.TemporaryDirectory(prefix="ticket-", dir=parent) as folder:
            file = Path(folder) / "ticket.html"
            save(file, page)
            yield file
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(file: Path, browse: Callable[[str], bool] = webbrowser.open) -> bool:
    """Open the file in the browser; return whether there is one."""
    return browse(file.resolve().as_uri())


def wait(keep_seconds: float | None) -> None:
    """Wait until Enter is pressed, or for `keep_seconds`."""
    if not sys.stdin.isatty():
        time.sleep(UNATTENDED_SECONDS if keep_seconds is None else keep_seconds)
        return
    if select.select([sys.stdin], [], [], keep_seconds)[0]:
        sys.stdin.readline()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
