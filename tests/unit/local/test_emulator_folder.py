from pathlib import Path
from types import SimpleNamespace

import pytest

from local import emulator_folder


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(emulator_folder, "MEMORY", folder)
    return folder


@pytest.mark.parametrize("free", [0, emulator_folder.ROOM * 2])
def test_removal_leaves_nothing(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    (emulator_folder.make(tmp_path / "link") / "a file").touch()

    emulator_folder.remove(tmp_path / "link")

    assert not list(memory.iterdir())
    assert not (tmp_path / "link").is_symlink()
    assert not (tmp_path / "link").exists()


def test_a_link_to_somewhere_else_is_not_followed(memory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)

    emulator_folder.remove(tmp_path / "link")

    assert elsewhere.is_dir()
    assert not (tmp_path / "link").is_symlink()
