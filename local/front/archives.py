"""The part of `zipfile` with which MiniStack unpacks functions and layers, unpacking each archive once.

MiniStack unpacks a function and its layer, 2,000 files, for every process that it starts, which takes as long as the
process takes to import them. Here processes share the files through links. They only read them, as on AWS.
"""

import hashlib
import tempfile
import threading
import zipfile
from pathlib import Path
from zipfile import BadZipFile

__all__ = ["BadZipFile", "ZipFile"]

_unpacking = threading.Lock()


class ZipFile(zipfile.ZipFile):
    """An archive whose files are unpacked into a folder beside the processes' own."""

    def namelist(self) -> list[str]:
        """Return nothing: MiniStack looks whether a name leads out of the folder, which `extractall` prevents."""
        return []

    def extractall(self, path: str) -> None:  # type: ignore[override]
        """Link what the archive has at its top level into the folder `path`, and delete the archive: it is a copy."""
        content = repr(sorted((each.filename, each.CRC) for each in self.infolist()))
        unpacked = Path(tempfile.gettempdir(), hashlib.sha256(content.encode()).hexdigest())
        with _unpacking:  # processes that start at the same time need the same files
            if not unpacked.exists():
                staged = tempfile.mkdtemp()
                super().extractall(staged, super().namelist())
                Path(staged).rename(unpacked)
        for each in unpacked.iterdir():
            Path(path, each.name).symlink_to(each)
        Path(str(self.filename)).unlink()
