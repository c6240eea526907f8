"""Log lines and metrics of calls to the vendor."""

import logging

import pytest

from ingest.vendor.metrics import record_call
from ingest.vendor.responses import Call
from tests.support.logs import counted
from ticket_archive.errors import (
    InvalidTokenResponse,
    RetryableError,
    TicketNotFound,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)
from ticket_archive.metrics import MetricBuffer


@pytest.mark.parametrize(
    ("error", "metric", "level", "hint"),
    [
        (None, "VendorCalls", "DEBUG", ""),
        (TicketNotFound("404"), "VendorCallsNotFound", "DEBUG", ""),
        (VendorUnavailable("503"), "VendorCallsUnavailable", "INFO", ""),
        (VendorThrottled("429"), "VendorCallsThrottled", "INFO", ""),
        (InvalidTokenResponse("404"), "VendorCallsInvalid", "INFO", ""),
        (VendorAuthError("401"), "VendorCallsDenied", "WARNING", "credential"),
        (VendorAuthError("403"), "VendorCallsDenied", "WARNING", "VendorUserAgent"),
    ],
)
def test_call_is_counted_and_logged_with_its_code_and_what_to_try(
    error: RetryableError | None,
    metric: str,
    level: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ingest.vendor.metrics.logger", logging.getLogger("vendor_calls"))
    caplog.set_level(logging.DEBUG, "vendor_calls")
    metric_buffer = MetricBuffer()
    record_call(metric_buffer, Call.LINK, 0.0123, error)
    metric_buffer.flush()
    assert counted() == {"VendorCalls": 1, "VendorLinkTime": 12, metric: 1}
    [record] = caplog.records
    keys = vars(record)
    assert (record.levelname, keys["call"], keys["milliseconds"]) == (level, "link", 12)
    assert keys.get("detail") == (error.detail if error else None)
    assert hint in keys.get("hint", "")
    assert bool(hint) == ("hint" in keys)
