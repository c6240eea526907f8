"""The capacity model counts the handlers' calls, reads the template, and follows the product's backoff."""

from itertools import pairwise

import pytest

from bench import capacity
from bench.capacity import MAX_PAUSE, Counted, Model
from ingest.messaging import backoff

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def counted() -> Counted:
    return capacity.count()


@pytest.fixture(scope="module")
def model(counted: Counted) -> Model:
    return Model(counted, capacity.settings())


def test_a_new_ticket_makes_these_calls_and_no_others(counted: Counted) -> None:
    assert [name for name in counted.webhook if name != "logged"] == ["sqs.SendMessage"]
    assert (counted.of("vendor.details"), counted.of("vendor.images"), counted.of("s3.PUT")) == (1, 5, 8)
    writes = ("idempotency.PutItem", "idempotency.UpdateItem", "tickets.PutItem", "tickets.UpdateItem")
    assert counted.of(*writes) <= 5
    assert counted.of("tickets.GetItem", "idempotency.GetItem") <= 1
    assert {counted.batch.get(name, 0) for name in ("secretsmanager.GetSecretValue", "vendor.token")} == {0}, "warm"


def test_log_of_a_ticket_stays_under_two_kilobytes(counted: Counted) -> None:
    assert 200 < counted.ticket["logged"] < 2000


def test_attempts_follow_the_products_backoff(model: Model) -> None:
    base = model.number("RetryDelaySeconds")
    for receives, (before, after) in enumerate(pairwise(model.attempts(1.0)), 1):
        assert after - before == pytest.approx(backoff.pause_before_delivery(receives, base, None, 0.5), abs=1)
    assert MAX_PAUSE == backoff.MAX_PAUSE


def test_outage_of_an_hour_makes_no_dead_letter(model: Model) -> None:
    assert model.attempts(0.75)[-1] > 3600


def test_cost_at_100_000_a_day_stays_below_seven_cents(model: Model) -> None:
    assert sum(model.cost(100_000).values()) < 0.07


@pytest.mark.parametrize(
    "given",
    [
        "VendorMaxConcurency=40",
        "VendorMaxConcurrency",
        *("VendorMaxConcurrency=many", "VendorMaxConcurrency=0", "VendorMaxConcurrency=nan", "VendorMaxConcurrency="),
        *("MemorySize=-1", "BatchSize=0", "maxReceiveCount=1.5", "Architecture=riscv"),
    ],
)
def test_parameter_that_cannot_be_set_is_a_usage_error(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["capacity", "--set", given])
    monkeypatch.delattr(capacity, "count")
    with pytest.raises(SystemExit, match="2"):
        capacity.main()


def test_a_single_delivery_can_be_calculated(counted: Counted) -> None:
    assert capacity.tables(Model(counted, capacity.settings(maxReceiveCount="1")))
