"""The folder into which the emulator unpacks functions and layers: thousands of small files.

In memory if there is room: on a busy disk, to unpack a layer took ten seconds instead of one.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - Linux has no other
ROOM = 2**30
"""Bytes that must be free. A stack takes about 100 MB; a container's default for /dev/shm is 64 MB."""
PREFIX = "idv-ticket-archive-"


def make(link: Path) -> Path:
    """Create a folder that only this user can read, and return it; `link` becomes it or a link to it."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
        link.symlink_to(folder)
        return folder
    link.mkdir(mode=0o700)
    return link


def remove(link: Path) -> None:
    """Remove the folder that `make` created, if there is one."""
    if link.is_symlink():
        folder = link.readlink()
        if folder.parent == MEMORY and folder.name.startswith(PREFIX):
            shutil.rmtree(folder, ignore_errors=True)
        link.unlink()
    else:
        shutil.rmtree(link, ignore_errors=True)
