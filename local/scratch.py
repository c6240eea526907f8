"""Where the emulator unpacks functions and their layer: some thousand small files for every worker it starts.

In memory where there is room: on a disk that others use too, three workers that start at once took three times as long.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - the one place that Linux has for this
ROOM = 2 * 2**30
"""A worker takes about 100 MB; a container's default of 64 MB in all is no place for them."""
PREFIX = "idv-ticket-archive-"


def make(link: Path) -> Path:
    """A new folder that only this user reads; `link` points to it, or is it."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
        link.symlink_to(folder)
        return folder
    link.mkdir(mode=0o700)
    return link


def remove(link: Path) -> None:
    """Remove the folder that `link` points to, or is; nothing when there is none."""
    if link.is_symlink():
        folder = link.readlink()
        if folder.parent == MEMORY and folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        link.unlink()
    else:
        shutil.rmtree(link, ignore_errors=True)
