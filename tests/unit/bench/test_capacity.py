"""The capacity model keeps its own laws and knows what the template sets; the documents show what it says today."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import capacity
from bench.memory_sizing import MB_PER_CPU
from bench.scale import batch, calls, limits, prices, queue_simulation, rates, traffic
from bench.scale import settings as template
from bench.scale.inputs import DAY, Latencies, Ticket, World
from bench.scale.queue_simulation import Course, Outage
from bench.scale.runs import SCALES, Run, run
from bench.scale.settings import Settings
from ingest.dependencies import CALLS_AT_ONCE
from ingest.messaging.backoff import pause_before_delivery
from ingest.vendor.client import _QUICK_PAUSES

WORLD = World()
TEMPLATE = template.read()
HOUR = 3600


@pytest.fixture(scope="module")
def runs() -> Sequence[Run]:
    return [run(WORLD, TEMPLATE, tickets) for tickets in SCALES]


def batches(chosen: Settings = TEMPLATE, world: World = WORLD) -> Callable[[int], float]:
    return lambda size: batch.seconds(world, size, chosen.memory_mb)


def an_outage(seconds: float, took: float = 1.0, begins: float = 600.0) -> Outage:
    return Outage(begins, begins + seconds, lambda _: took)


def whole(took: Course) -> bool:
    return took.arrived == took.refused + took.archived + took.dead + took.waiting


# ─── The template ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_the_templates() -> None:
    changed = template.load()
    changed["Parameters"]["VendorMaxConcurrency"]["Default"] = 11
    resources = {name: resource["Properties"] for name, resource in changed["Resources"].items()}
    resources["IngestFunction"]["Events"]["Queue"]["Properties"]["BatchSize"] = 7
    resources["TicketQueue"]["RedrivePolicy"]["maxReceiveCount"] = 4
    resources["Api"]["MethodSettings"][0]["ThrottlingRateLimit"] = 31
    found = template.read(changed, RetryDelaySeconds=33)
    assert (found.concurrency, found.batch_size, found.max_receives) == (11, 7, 4)
    assert (found.throttle_rate, found.retry_delay) == (31, 33)


def test_a_functions_own_setting_counts_before_the_shared_one() -> None:
    changed = template.load()
    own, shared = changed["Resources"]["IngestFunction"]["Properties"], changed["Globals"]["Function"]
    changed["Parameters"]["Chip"] = {"Default": "arm64"}
    shared |= {"MemorySize": 1, "Architectures": [{"Ref": "Chip"}]}
    own.pop("Architectures", None)
    own["MemorySize"] = 640
    found = template.read(changed)
    assert (found.memory_mb, found.arm) == (640, True)
    del own["MemorySize"]
    assert template.read(changed).memory_mb == 1


def test_settings_that_are_no_number_are_not_guessed() -> None:
    changed = template.load()
    changed["Resources"]["IngestFunction"]["Properties"]["MemorySize"] = {"Fn::If": ["Expires", 1, 2]}
    with pytest.raises(TypeError):
        template.read(changed)


# ─── A batch ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_takes_about_as_long_as_was_measured() -> None:
    model, measured = capacity.check(json.loads(capacity.RESULTS.read_text()))
    assert model == pytest.approx(measured, rel=0.2)


def test_one_ticket_takes_its_critical_path_where_python_takes_no_time() -> None:
    took = WORLD.latencies
    path = 4 * took.table + max(took.details, took.images + took.bucket) + took.bucket
    assert batch.seconds(replace(WORLD, cpu=0.0), 1, MB_PER_CPU) == pytest.approx(path)


def test_a_cold_token_comes_on_top() -> None:
    still = replace(WORLD, cpu=0.0)
    with_token = batch.seconds(still, 1, MB_PER_CPU, token=True)
    assert with_token == pytest.approx(batch.seconds(still, 1, MB_PER_CPU) + WORLD.latencies.token)


@settings(max_examples=50)
@given(st.integers(1, 9), st.sampled_from([128, 512, 1024, 1769, 3008]), st.floats(0, 0.2))
def test_tickets_side_by_side_take_less_than_one_after_the_other(tickets: int, memory: int, cpu: float) -> None:
    world = replace(WORLD, cpu=cpu)
    one, together = batch.seconds(world, 1, memory), batch.seconds(world, tickets + 1, memory)
    assert one <= together + 1e-9
    assert together <= (tickets + 1) * one + 1e-9


@settings(max_examples=50)
@given(st.integers(1, 10), st.floats(0.001, 2), st.floats(0.001, 2), st.floats(0, 0.2))
def test_no_batch_is_faster_than_its_threads_or_its_cpu(
    tickets: int, details: float, images: float, cpu: float
) -> None:
    world = World(latencies=Latencies(details=details, images=images), cpu=cpu)
    took, ticket = world.latencies, calls.of(world.ticket)
    work = details + ticket.vendor_images * images + world.ticket.count * took.bucket + took.table
    assert batch.seconds(world, tickets, MB_PER_CPU) >= max(tickets * work / 16, tickets * cpu) - 1e-9


def test_less_memory_takes_longer_and_more_than_a_cpu_changes_nothing() -> None:
    taken = [batch.seconds(WORLD, 10, memory) for memory in (128, 512, 1024, 1769, 3008)]
    assert taken == sorted(taken, reverse=True)
    assert taken[-1] == taken[-2]


# ─── The day ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.floats(1, 1e8), st.floats(1, 10))
def test_a_day_has_its_tickets_and_its_peak(tickets: float, peak: float) -> None:
    assert sum(3600 * rate for rate in traffic.hours(tickets, peak)) == pytest.approx(tickets)
    assert traffic.rate(tickets, peak, DAY / 2) == pytest.approx(tickets / DAY * peak)
    assert sum(traffic.window(tickets, peak, 0, DAY)[::60]) * 60 == pytest.approx(tickets, rel=0.01)


# ─── The queue over time ──────────────────────────────────────────────────────────────────────────────────────────

RATES = st.lists(st.floats(0, 120), min_size=60, max_size=300)


@settings(max_examples=60)
@given(RATES, st.integers(1, 8), st.integers(1, 10), st.integers(1, 9), st.none() | st.integers(1, 200))
def test_nothing_is_lost_and_nothing_is_made(
    arrivals: list[float], workers: int, size: int, receives: int, outage: int | None
) -> None:
    chosen = replace(TEMPLATE, concurrency=workers, batch_size=size, max_receives=receives, retry_delay=1.0)
    took = queue_simulation.run(arrivals, chosen, batches(), None if outage is None else an_outage(outage, begins=20.0))
    assert whole(took)
    assert took.arrived == pytest.approx(sum(arrivals), abs=1)
    assert max(took.in_flight) <= queue_simulation.IN_FLIGHT
    assert all(0 <= flying <= depth for flying, depth in zip(took.in_flight, took.depth, strict=True))
    if outage is None:
        assert (took.dead, took.failed_attempts) == (0, 0)


@settings(max_examples=40)
@given(RATES, st.integers(1, 8))
def test_more_workers_archive_no_less(arrivals: list[float], workers: int) -> None:
    fewer, more = (
        queue_simulation.run(arrivals, replace(TEMPLATE, concurrency=count), batches())
        for count in (workers, 2 * workers)
    )
    assert fewer.archived <= more.archived
    assert max(more.depth) <= max(fewer.depth)


def test_littles_law_holds() -> None:
    """What is in the queue on average is what comes per second, times how long it stays."""
    arrivals = [60.0] * 1200 + [0.0] * 3600
    took = queue_simulation.run(arrivals, TEMPLATE, batches())
    assert took.waiting == 0
    stays = took.waited / took.archived
    assert sum(took.depth) / len(took.depth) == pytest.approx(took.archived / len(took.depth) * stays, rel=0.05)


def test_the_queue_grows_by_what_the_workers_cannot_do() -> None:
    over = rates.capacity(WORLD, TEMPLATE) + 10
    took = queue_simulation.run([over] * 1000, replace(TEMPLATE, throttle_rate=1e6, throttle_burst=1e6), batches())
    assert took.waiting == pytest.approx(10_000, rel=0.05)


def test_what_the_stage_does_not_let_in_is_refused() -> None:
    took = queue_simulation.run([300.0] * 100, replace(TEMPLATE, throttle_rate=100.0, throttle_burst=250.0), batches())
    assert took.refused == 300 * 100 - (250 + 99 * 100)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_no_throttle_lets_in_more_than_its_rate_and_its_burst(rate: int, burst: int) -> None:
    took = queue_simulation.run([500.0] * 30, replace(TEMPLATE, throttle_rate=rate, throttle_burst=burst), batches())
    assert took.arrived - took.refused <= burst + 29 * rate


# ─── An outage ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_outage_of_an_hour_makes_no_dead_letter() -> None:
    took = queue_simulation.run([3.0] * (4 * HOUR), TEMPLATE, batches(), an_outage(HOUR))
    assert took.dead == 0
    assert took.dead_alarm is None
    assert whole(took)


def test_dead_letters_begin_when_the_shortest_pauses_are_used_up() -> None:
    shortest = limits.attempts(TEMPLATE, 0.0)[-1]
    before = queue_simulation.run([3.0] * (5 * HOUR), TEMPLATE, batches(), an_outage(shortest - 60, took=0.5))
    after = queue_simulation.run(
        [3.0] * (5 * HOUR), TEMPLATE, batches(), an_outage(limits.attempts(TEMPLATE, 1.0)[-1] + 120)
    )
    assert before.dead == 0
    assert after.dead > 0
    assert after.dead_alarm is not None
    assert after.dead_alarm >= 600 + shortest
    assert whole(after)


def test_attempts_are_the_products_own_pauses_apart() -> None:
    begun = limits.attempts(TEMPLATE, 0.3)
    assert len(begun) == TEMPLATE.max_receives
    pauses = [later - sooner for sooner, later in pairwise(begun)]
    assert pauses == [pause_before_delivery(count, TEMPLATE.retry_delay, None, 0.3) for count in range(1, len(begun))]


def test_an_outage_is_over_once_the_longest_pause_is() -> None:
    took = queue_simulation.run([1.0] * (4 * HOUR), TEMPLATE, batches(), an_outage(HOUR))
    drained = took.drained(600 + HOUR, 10)
    assert drained is not None
    assert 0 < drained <= 1.25 * TEMPLATE.retry_delay * 2 ** (TEMPLATE.max_receives - 2)


def test_tickets_that_are_incomplete_for_an_hour_are_told_at_the_next_tick() -> None:
    took = queue_simulation.run([1.0] * (4 * HOUR), TEMPLATE, batches(), an_outage(2 * HOUR))
    assert took.incomplete_alarm is not None
    assert 600 + HOUR < took.incomplete_alarm <= 600 + HOUR + 60 + TEMPLATE.requeue_every


def test_the_age_of_the_oldest_message_says_nothing_of_what_was_received_often() -> None:
    refusing = queue_simulation.run([1.0] * (3 * HOUR), TEMPLATE, batches(), an_outage(2 * HOUR))
    assert max(refusing.oldest) > TEMPLATE.oldest_message_alarm
    assert refusing.oldest_alarm is None
    stuck = queue_simulation.run([50.0] * (3 * HOUR), replace(TEMPLATE, concurrency=2), batches())
    assert stuck.oldest_alarm is not None


def test_a_silent_vendor_costs_fewer_attempts_than_one_that_refuses() -> None:
    silent, refusing = (
        queue_simulation.run([3.0] * (3 * HOUR), TEMPLATE, batches(), an_outage(HOUR, took))
        for took in (batch.silent_seconds(TEMPLATE.timeout), batch.failing_seconds(WORLD, 10, TEMPLATE.memory_mb))
    )
    assert silent.failed_attempts < refusing.failed_attempts
    assert whole(silent)
    assert whole(refusing)


def test_no_more_messages_are_in_flight_than_sqs_lets_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_simulation, "IN_FLIGHT", 500)
    took = queue_simulation.run([3.0] * (2 * HOUR), TEMPLATE, batches(), an_outage(HOUR))
    assert max(took.in_flight) == 500
    assert max(took.depth) > 5000, "the others wait unseen"
    assert whole(took)


def test_what_is_refused_at_once_still_takes_the_quick_tries_on_sixteen_threads() -> None:
    tries = len(_QUICK_PAUSES) + 1
    asking = tries * WORLD.latencies.refusal + 0.75 * sum(_QUICK_PAUSES)
    took = batch.failing_seconds(WORLD, 10, MB_PER_CPU)
    assert 10 * calls.of(WORLD.ticket).vendor * asking / CALLS_AT_ONCE <= took < batch.silent_seconds(TEMPLATE.timeout)


# ─── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 1e4), st.floats(1.01, 10))
def test_more_tickets_come_no_further_from_any_limit(rate: float, factor: float) -> None:
    fewer, more = rates.at(WORLD, TEMPLATE, rate), rates.at(WORLD, TEMPLATE, rate * factor)
    for limit in limits.every(WORLD, TEMPLATE):
        if not limit.name.startswith(("Lambda", "Secrets")):  # a larger batch needs fewer seconds for each ticket
            assert limit.used(fewer) <= limit.used(more) + 1e-9


def test_a_limit_is_reached_at_the_rate_that_is_told(runs: Sequence[Run]) -> None:
    [stage] = [use for use in runs[0].uses if "ThrottlingRateLimit" in use.limit.name]
    assert stage.reached_at == pytest.approx(TEMPLATE.throttle_rate * DAY / WORLD.peak, rel=0.01)
    [workers] = [use for use in runs[0].uses if "VendorMaxConcurrency" in use.limit.name]
    assert workers.reached_at == pytest.approx(rates.capacity(WORLD, TEMPLATE) * DAY / WORLD.peak, rel=0.01)


@pytest.mark.parametrize("tickets", [*SCALES, 1_000_000])
def test_what_is_advised_suffices(tickets: int) -> None:
    advised = limits.advised(WORLD, TEMPLATE, tickets)
    mended = {use.limit.name: use.share for use in limits.at_peak(WORLD, advised, tickets)}
    assert all(share < 1 for name, share in mended.items() if "VendorMax" in name or "Throttling" in name)
    usual = traffic.window(tickets, WORLD.peak, DAY // 2 - 900, 1800)
    took = queue_simulation.run(usual, advised, batches(advised))
    assert took.refused == 0
    assert max(took.depth) <= 2 * max(usual) + 2


def test_nothing_is_advised_where_the_template_suffices() -> None:
    assert limits.advised(WORLD, TEMPLATE, 1000) == TEMPLATE


@given(st.floats(0.01, 1e4), st.integers(2, 1000))
def test_the_batch_is_the_smallest_that_keeps_up(rate: float, workers: int) -> None:
    chosen = replace(TEMPLATE, concurrency=workers)
    size = rates.batch_at(WORLD, chosen, rate)

    def does(tickets: int) -> float:
        return workers * tickets / batch.seconds(WORLD, tickets, chosen.memory_mb)

    assert size == chosen.batch_size or does(size) >= rate
    assert size == 1 or does(size - 1) < rate


# ─── Costs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from(sorted(prices.PRICES)), st.floats(0, 1e9), st.floats(0, 1e3))
def test_a_line_costs_in_proportion(price: str, amount: float, factor: float) -> None:
    once, often = prices.Line("", price, amount), prices.Line("", price, amount * factor)
    assert often.dollars == pytest.approx(once.dollars * factor)


@pytest.mark.parametrize("price", ["api", "table_writes", "puts", "events", "out"])
def test_what_each_ticket_needs_for_itself_grows_with_the_tickets(price: str) -> None:
    def dollars(tickets: float) -> float:
        return sum(line.dollars for line in prices.lines(WORLD, TEMPLATE, tickets) if line.price == price)

    assert dollars(3000) == pytest.approx(3 * dollars(1000))
    assert dollars(1000) > 0


def test_a_million_tickets_cost_what_their_calls_cost() -> None:
    lines = {line.price: line.amount for line in prices.lines(WORLD, TEMPLATE, 1e6)}
    ticket = calls.of(WORLD.ticket)
    assert lines["puts"] == pytest.approx(1e6 * ticket.bucket_puts)
    assert lines["table_writes"] == pytest.approx(1e6 * (ticket.table_units + ticket.once_units))
    assert lines["lambda_requests"] == pytest.approx(1e6 * 1.1, rel=1)


def test_services_are_told_dearest_first_and_none_is_left_out(runs: Sequence[Run]) -> None:
    sums = prices.by_service(runs[1].bill)
    assert list(sums.values()) == sorted(sums.values(), reverse=True)
    assert math.fsum(sums.values()) == pytest.approx(math.fsum(line.dollars for line in runs[1].bill))


@pytest.mark.parametrize(("images", "size"), [(1, None), (20, None), (7, 5_000_000), (None, 50_000)])
def test_images_are_as_many_and_as_large_as_is_said(images: int | None, size: int | None) -> None:
    ticket = Ticket().with_images(images, size)
    assert ticket.count == (images or 7)
    assert len(ticket.images) == 5, "a type without an image is asked for all the same"
    if size:
        assert ticket.bytes == ticket.count * size
    assert calls.of(ticket).bucket_puts == ticket.count + 1


# ─── The document ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_documents_are_current(runs: Sequence[Run]) -> None:
    for path, block in capacity.blocks(WORLD, TEMPLATE, runs).items():
        document = path.read_text(encoding="utf-8")
        assert document == capacity.written(document, block), "run: make capacity ARGS=--write"


def test_a_document_is_written_between_its_marks_only() -> None:
    stale = f"before\n{capacity.BEGIN}\nstale\n{capacity.END}\nafter\n"
    assert capacity.written(stale, "fresh\n") == f"before\n{capacity.BEGIN}\n\nfresh\n\n{capacity.END}\nafter\n"
    with pytest.raises(ValueError, match="is missing"):
        capacity.written("no marks", "fresh\n")


def test_json_tells_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["1000", "--json", "--images", "3", "--peak", "2", "--set", "VendorMaxConcurrency=7"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    [only] = told["runs"]
    assert (only["tickets_per_day"], told["settings"]["concurrency"], told["world"]["peak"]) == (1000, 7, 2.0)
    assert only["peak"]["vendor"] == pytest.approx(1000 / DAY * 2 * 6, rel=0.1)
    assert only["events"][2]["dead_letters"] == 0
