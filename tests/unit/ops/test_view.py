"""The temporary page: readable by this user alone, and removed however the command ends."""

import stat
from pathlib import Path

import pytest

from ops.commands.view import temporary_page


def test_the_page_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with temporary_page(b"page") as file:
        assert file.read_bytes() == b"page"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.is_relative_to(tmp_path), "the user's memory file system"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_an_error_removes_the_page(
    ending: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ending), temporary_page(b"page"):
        raise ending
    assert list(tmp_path.iterdir()) == []


def test_without_a_memory_file_system_the_temporary_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "not there"))
    with temporary_page(b"page") as file:
        assert file.exists()
    assert not file.parent.exists()
