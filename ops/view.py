"""A page in the browser, and nothing of it left behind."""

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
"""How long a page stays where nobody can press Enter."""


@contextmanager
def passing(page: bytes) -> Iterator[Path]:
    """The page as a file in a folder of its own that only this user can open, for as long as the block lasts.

    A file and no server on the loopback: an address on a command line can be read by every user of a machine, a folder
    with mode 0700 cannot. It is on the user's own memory file system where there is one, so no disk ever has it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = runtime if runtime and os.access(runtime, os.W_OK) else None
    # Ended politely is ended cleanly: the folder is removed first.
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
    """Opens the file in the browser; says whether there is one."""
    return browse(file.resolve().as_uri())


def wait(keep_seconds: float | None) -> None:
    """Until Enter is pressed, or for so many seconds."""
    if not sys.stdin.isatty():
        time.sleep(UNATTENDED_SECONDS if keep_seconds is None else keep_seconds)
        return
    if select.select([sys.stdin], [], [], keep_seconds)[0]:
        sys.stdin.readline()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
