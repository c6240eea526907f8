"""The capacity model counts what the real handlers call, reads the template, and keeps its own laws."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bench import capacity
from bench.capacity import DAY, PEAK, SCALES, Counted, Model
from bench.capacity_inputs import LIMITS, PRICES
from ingest.messaging.backoff import pause_before_delivery

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def counted() -> Counted:
    return capacity.count()


@pytest.fixture(scope="module")
def model(counted: Counted) -> Model:
    return Model(counted, capacity.template())


def test_webhook_makes_one_send(counted: Counted) -> None:
    assert counted.webhook == {"sqs.SendMessage": 1}


def test_ticket_makes_one_vendor_call_per_image_type_and_one_for_details(counted: Counted) -> None:
    assert (counted.of("vendor.details"), counted.of("vendor.images")) == (1, 5)


def test_ticket_puts_each_image_and_the_manifest_once(counted: Counted) -> None:
    assert counted.of("s3.PUT") == 8


def test_new_ticket_makes_at_most_five_writes_and_one_read_in_dynamodb(counted: Counted) -> None:
    writes = ("idempotency.PutItem", "idempotency.UpdateItem", "tickets.PutItem", "tickets.UpdateItem")
    assert counted.of(*writes) <= 5
    assert counted.of("tickets.GetItem", "idempotency.GetItem") <= 1


def test_warm_batch_reads_no_secret_and_fetches_no_token(counted: Counted) -> None:
    assert not counted.batch.keys() & {"secretsmanager.GetSecretValue", "vendor.token"}


def test_log_of_a_ticket_stays_under_two_kilobytes(counted: Counted) -> None:
    assert 200 < counted.logged_ticket < 2000


def test_template_values_follow_its_parameters() -> None:
    found = capacity.template(VendorMaxConcurrency=40, ThrottlingRateLimit=700)
    assert (found.workers, found.throttle_rate, found.batch_size) == (40, 700, 10)


def test_tracing_is_off_by_default() -> None:
    assert not capacity.template().tracing


def test_batch_takes_longer_the_more_tickets_it_has_and_less_per_ticket(model: Model) -> None:
    seconds = [model.batch_seconds(size) for size in range(1, 11)]
    assert all(less <= more for less, more in pairwise(seconds))
    assert seconds[9] / 10 < seconds[0] / 2


def test_every_limit_is_used_and_more_tickets_use_more(model: Model) -> None:
    few, many = (model.used(tickets / DAY * PEAK) for tickets in SCALES[:2])
    assert few.keys() == {limit.key for limit in LIMITS}
    assert all(few[key] <= many[key] for key in few)


def test_limit_is_reached_where_the_busiest_second_uses_all_of_it(model: Model) -> None:
    [throttle] = [limit for limit in LIMITS if limit.key == "throttle"]
    assert model.reached_at(throttle) == pytest.approx(model.template.throttle_rate * DAY / PEAK, rel=0.01)


def test_more_workers_move_the_first_limit(model: Model) -> None:
    more = replace(model, template=replace(model.template, workers=2 * model.template.workers))
    [workers] = [limit for limit in LIMITS if limit.key == "workers"]
    assert more.reached_at(workers) == pytest.approx(2 * model.reached_at(workers), rel=0.01)


def test_attempts_follow_the_products_backoff(model: Model) -> None:
    begun = model.attempts(1.0)
    for receives, (before, after) in enumerate(pairwise(begun), 1):
        expected = pause_before_delivery(receives, model.template.retry_delay, None, 0.5)
        assert after - before == pytest.approx(expected, abs=1)


def test_outage_of_an_hour_makes_no_dead_letter(model: Model) -> None:
    assert model.attempts(0.75)[-1] > 3600


def test_tracing_costs_what_its_traces_cost(model: Model) -> None:
    traced = replace(model, template=replace(model.template, tracing=True))
    saved = sum(traced.cost(100_000).values()) - sum(model.cost(100_000).values())
    assert 0.8 * 1000 * PRICES["traces"].each < saved <= 1000 * PRICES["traces"].each


def test_cost_at_100_000_a_day_stays_below_seven_cents(model: Model) -> None:
    assert sum(model.cost(100_000).values()) < 0.07


def test_document_block_is_replaced_between_its_marks() -> None:
    stale = f"before\n{capacity.BEGIN}\n\nstale\n\n{capacity.END}\nafter\n"
    assert capacity.written(stale, "new") == stale.replace("stale", "new")
    with pytest.raises(ValueError, match="missing"):
        capacity.written("no marks", "new")
