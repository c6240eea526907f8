import zipfile
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
