"""Log lines and metrics of calls to the vendor."""

import logging

import pytest

from ingest.vendor.metrics import VendorCalls
from ingest.vendor.responses import Call
from ticket_archive.errors import RetryableError, TicketNotFound, VendorAuthError, VendorUnavailable
from ticket_archive.metrics import MetricBuffer


@pytest.mark.parametrize(
    ("error", "level", "hint"),
    [
        (None, "DEBUG", ""),
        (TicketNotFound("404"), "DEBUG", ""),
        (VendorUnavailable("503"), "INFO", ""),
        (VendorAuthError("401"), "WARNING", "credential"),
        (VendorAuthError("403"), "WARNING", "VendorUserAgent"),
    ],
)
def test_call_is_logged_with_its_code_and_what_to_try(
    error: RetryableError | None,
    level: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ingest.vendor.metrics.logger", logging.getLogger("vendor_calls"))
    caplog.set_level(logging.DEBUG, "vendor_calls")
    VendorCalls(MetricBuffer())(Call.DETAILS, 0.0123, error)
    [record] = caplog.records
    keys = vars(record)
    assert (record.levelname, keys["call"], keys["milliseconds"]) == (level, "details", 12)
    assert keys.get("detail") == (error.detail if error else None)
    assert hint in keys.get("hint", "")
    assert bool(hint) == ("hint" in keys)
