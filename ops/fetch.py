"""Write a ticket's files into a folder that only this user can read."""

import os
from collections.abc import Iterator
from pathlib import Path

from ops.contents import TicketFile, file_names, read_files
from ops.errors import Failure
from ticket_archive.bucket import Bucket
from ticket_archive.table import TicketItem


def prepare(folder: Path, item: TicketItem, *, force: bool) -> None:
    """Create the folder. Raises Failure if one of the files exists, unless `force` allows to replace it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = [name for name in file_names(item) if (folder / name).exists() or (folder / name).is_symlink()]
    if there and not force:
        raise Failure(f"{folder} already has {', '.join(there)}: choose another folder, or use --force")


def fetch(item: TicketItem, bucket: Bucket, folder: Path) -> Iterator[TicketFile]:
    """Write each file that matches its hash, and return all of them. One is in memory at a time."""
    for file in read_files(item, bucket):
        if file.body is not None:
            save(folder / file.name, file.body)
        yield file


def save(path: Path, body: bytes) -> None:
    """Write a file atomically, readable by this user alone."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
            writing.write(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
