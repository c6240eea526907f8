"""The catalogue of metrics, and counting by many threads."""

from concurrent.futures import ThreadPoolExecutor

from ticket_archive.metrics import Metric, MetricBuffer, count
from ticket_archive.telemetry import metrics


def test_a_time_is_in_milliseconds_and_all_else_a_count() -> None:
    for metric in Metric:
        count(metric, 2)
    units = {name: found["Unit"] for name, found in metrics.metric_set.items()}
    assert set(units) == {metric.value for metric in Metric}
    assert {name for name, unit in units.items() if unit == "Milliseconds"} == {
        "ArchiveLatency", "VendorTokenTime", "VendorDetailsTime", "VendorImagesTime", "VendorLinkTime",
    }  # fmt: skip
    assert set(units.values()) == {"Milliseconds", "Count"}


def test_counts_of_many_threads_are_flushed_once() -> None:
    metric_buffer = MetricBuffer()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: metric_buffer.add(Metric.VENDOR_CALLS), range(60)))
    assert metrics.metric_set == {}, "threads do not touch Powertools' metrics"
    metric_buffer.flush()
    metric_buffer.flush()
    assert sum(metrics.metric_set["VendorCalls"]["Value"]) == 60
