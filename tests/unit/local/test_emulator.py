from pathlib import Path

import pytest

from local import emulator
from local.certificate import Certificate

CERTIFICATE = Certificate(Path("server.pem"), Path("server.key"), Path("authority.pem"))


def test_the_developers_settings_do_not_reach_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "HTTPS_PROXY", "PYTHONPATH", "PERSIST_STATE"):
        monkeypatch.setenv(name, "the developer's")
    assert "the developer's" not in emulator.environment(4566, CERTIFICATE, Path("tmp")).values()


def test_the_emulator_listens_on_the_loopback() -> None:
    """Without its other settings no stack would start, or requests without permission would be answered."""
    assert emulator.environment(4566, CERTIFICATE, Path("tmp"))["BIND_HOST"] == "127.0.0.1"
