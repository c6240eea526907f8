import stat
from pathlib import Path

from local import certificate


def test_the_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """Which clients trust them: tests/faults/test_transport_on_sockets.py."""
    made = certificate.make(tmp_path / "tls")
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o600] * 3
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700
