"""A ticket's content into a folder that only this user can read."""

import os
from collections.abc import Iterator
from pathlib import Path

from ops.contents import Piece, names, pieces
from ops.errors import Failure
from ticket_archive.bucket import Bucket
from ticket_archive.table import TicketItem


def prepare(folder: Path, item: TicketItem, *, force: bool) -> None:
    """Makes the folder. Raises Failure where a file is in the way, unless `force` says that it may be replaced."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = [name for name in names(item) if (folder / name).exists() or (folder / name).is_symlink()]
    if there and not force:
        raise Failure(f"{folder} has {', '.join(there)} already: choose another folder, or say --force")


def fetch(item: TicketItem, bucket: Bucket, folder: Path) -> Iterator[Piece]:
    """Writes each piece that is as it was archived, and yields all of them. One is in memory at a time."""
    for piece in pieces(item, bucket):
        if piece.body is not None:
            save(folder / piece.name, piece.body)
        yield piece


def save(file: Path, body: bytes) -> None:
    """Writes a file whole or not at all, readable by this user alone."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
            writing.write(body)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
