"""Log lines and metrics of calls to the vendor."""

import pytest

from ingest.vendor.metrics import record_call
from ingest.vendor.responses import Call
from tests.support.logs import Lines, counted
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
    error: RetryableError | None, metric: str, level: str, hint: str, lines: Lines
) -> None:
    metric_buffer = MetricBuffer()
    record_call(metric_buffer, Call.LINK, 0.0123, error)
    metric_buffer.flush()
    assert counted() == {"VendorCalls": 1, "VendorLinkTime": 12, metric: 1}
    [line] = lines.records
    assert (line["level"], line["call"], line["milliseconds"]) == (level, "link", 12)
    assert line.get("detail") == (error.detail if error else None)
    assert hint in line.get("hint", "")
    assert bool(hint) == ("hint" in line)
