"""Export a customer's tickets into a folder or a ZIP file, for a request to see one's data."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ops.contents import DETAILS, MANIFEST, TicketFile, from_manifest, history, read_files
from ops.errors import Failure
from ops.fetch import save
from ops.html import document, tag
from ops.page import ticket_page
from ticket_archive.bucket import Bucket
from ticket_archive.table import TicketItem


class Target(Protocol):
    """Where an export is written."""

    def write(self, name: str, body: bytes) -> None:
        """Write a file under a relative name."""
        ...


class Folder:
    """A folder that only this user can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, name: str, body: bytes) -> None:
        """Write a file; its folders are created."""
        path = self._path / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        save(path, body)


class Zip:
    """A ZIP file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, body: bytes) -> None:
        """Add a file."""
        self._archive.writestr(name, body)


@contextmanager
def target(output: Path) -> Iterator[Target]:
    """Open a new folder, or a ZIP file if the name ends in `.zip`. Raises Failure if it exists."""
    if output.exists():
        raise Failure(f"{output} exists: choose another name")
    if output.suffix.lower() != ".zip":
        output.mkdir(mode=0o700, parents=True)
        yield Folder(output)
        return
    with output.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        yield Zip(archive)


def export_ticket(item: TicketItem, bucket: Bucket, to: Target) -> list[TicketFile]:
    """Write a ticket's files, page and earlier versions; return the files that are missing or damaged."""
    files = list(read_files(item, bucket))
    manifests = list(history(item, bucket))
    for file in files:
        if file.body is not None:
            to.write(f"{item.ticket}/{file.name}", file.body)
    to.write(f"{item.ticket}/index.html", ticket_page(item, files, manifests))
    faults = [file for file in files if file.fault is not None]
    for manifest in manifests[1:]:
        folder = f"{item.ticket}/history/{manifest['version'][:16]}"
        to.write(f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
        older = from_manifest(item, manifest)
        current = {image.sha256 for image in item.images}
        for file in read_files(older, bucket):
            known = file.image is not None and file.image.sha256 in current
            if file.body is not None and file.name != MANIFEST and not known:
                to.write(f"{folder}/{file.name}", file.body)
            elif file.name == DETAILS and file.fault is not None:
                faults.append(file)
    return faults


def index_page(items: Sequence[TicketItem]) -> bytes:
    """Return the page that lists the exported tickets."""
    names = ("Ticket", "Outcome", "State", "Received", "Archived")
    rows = [
        tag(
            "tr",
            tag("td", tag("a", item.ticket, href=f"{item.ticket}/index.html")),
            *(tag("td", text or "") for text in (item.outcome, item.state.value, item.received_at, item.archived_at)),
        )
        for item in items
    ]
    head = tag("head", tag("meta", charset="utf-8"), tag("title", "Tickets"))
    table = tag("table", tag("tr", *(tag("th", name) for name in names)), *rows)
    return document(tag("html", head, tag("body", tag("h1", f"{len(items)} tickets"), table), lang="en"))
