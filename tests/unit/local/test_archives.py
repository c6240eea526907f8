import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.front.archives import ZipFile


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders into which two processes unpack a copy of an archive each."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        with zipfile.ZipFile(tmp_path / "layer.zip", "w") as made:
            made.writestr("python/package/module.py", "A = 1")
            made.writestr("../outside.py", "B = 2")
        with ZipFile(tmp_path / "layer.zip") as archive:
            archive.extractall(str(folder))
    return folders


def test_processes_share_the_files_of_an_archive(unpacked: list[Path], tmp_path: Path) -> None:
    one, other = (folder / "python" / "package" / "module.py" for folder in unpacked)
    assert one.read_text() == "A = 1"
    assert one.samefile(other)
    assert not (tmp_path / "layer.zip").exists()


def test_no_file_leaves_the_folder(unpacked: list[Path], tmp_path: Path) -> None:
    assert all((folder / "outside.py").exists() for folder in unpacked)
    assert not (tmp_path / "outside.py").exists()


def test_processes_that_start_at_once_unpack_an_archive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    unpacked: list[str] = []

    def unpack(_: zipfile.ZipFile, path: str, _names: list[str]) -> None:
        unpacked.append(path)
        time.sleep(0.1)

    monkeypatch.setattr(zipfile.ZipFile, "extractall", unpack)

    def start(name: str) -> None:
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as made:
            made.writestr("module.py", "A = 1")
        with ZipFile(tmp_path / f"{name}.zip") as archive:
            archive.extractall(str(tmp_path))

    with ThreadPoolExecutor(8) as processes:
        list(processes.map(start, "abcdefgh"))
    assert len(unpacked) == 1
