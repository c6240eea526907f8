"""What the settings become in the SQS handler's dependencies."""

from datetime import timedelta
from typing import Any

import pytest

from ingest import dependencies
from tests.unit.ingest.test_settings import CHOSEN, REQUIRED
from ticket_archive.models import ImageType


def test_the_archiver_gets_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**REQUIRED, **CHOSEN}.items():
        monkeypatch.setenv(name, value)
    made: dict[str, Any] = {}
    monkeypatch.setattr(dependencies, "Archiver", lambda **given: made.update(given))
    dependencies.sqs.__wrapped__()
    assert made["settle_time"] == timedelta(minutes=20)
    assert made["unknown_after"] == timedelta(minutes=30)
    assert made["image_types"] == (ImageType.DOCUMENT, ImageType.SELF_PORTRAITS)
    assert (made["retention_days"], made["retry_delay"]) == (30, 60)
