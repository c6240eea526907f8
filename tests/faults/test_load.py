"""A load with everything that goes wrong at once: doubled and shuffled webhooks, junk among them, and a vendor that
fails in every way. Nothing may be lost, doubled or changed, ticket by ticket and byte by byte.

The scale: TICKETS tickets, and a retry delay of a second (the local stack's). STUCK more, for which the vendor is not
ready for longer than the queue is patient, come at the end, when a message is a dead letter after RECEIVES deliveries
in place of nine.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from local.vendor.faults import FAULTS
from ops.queues import Pace, Queue, Received
from ops.redrive import Outcome, dead_letter, redrive
from ops.table import OperatorTable
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import downstream
from tests.support.load import LATER, SLOW, Sender, WebhookRequest, parcels, personal_data, spelt, tickets
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, dead_letters_after, messages
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        "LOAD_TEST" not in os.environ, reason="takes over five minutes since tickets settle: LOAD_TEST=1 runs it"
    ),
]

SEED = 2026
TICKETS = 300
FIRST = 100_000
STUCK = 5
RECEIVES = 3
FAULTY = 0.2
DOUBLED = 0.2
JUNK = 0.1


@dataclass
class Load:
    """What was sent, and what was found. `differences` by ticket: before a redrive, and after it."""

    sent: list[WebhookRequest]
    stuck: list[str]
    refused: list[WebhookRequest]
    before: dict[str, list[str]]
    after: dict[str, list[str]]
    dead: list[Received]
    dead_after: list[Received]
    quarantined: list[Received]
    events: Counter[tuple[str, str]]
    manifests: dict[str, list[str]]
    counts: dict[str, Any]
    log: LogReader
    personal: set[str]

    @property
    def tickets(self) -> set[str]:
        return {parcel.ticket for parcel in self.sent if parcel.ticket}


@pytest.fixture(scope="module")
def load(stack: LocalStack) -> Iterator[Load]:
    wanted = tickets(stack, TICKETS + STUCK, FIRST)
    stuck, well = wanted[:STUCK], wanted[STUCK:]
    stack.vendor("forget")
    for ticket in stuck:
        stack.vendor("script", fault="not_ready", endpoint="details", ticket=ticket, times=RECEIVES)
    for ticket, fault in zip(well, sorted(SLOW), strict=False):
        stack.vendor("script", fault=fault, endpoint="images", ticket=ticket, type="DOCUMENT")
    stack.vendor("rate", share=FAULTY, seed=SEED, faults=sorted(FAULTS.keys() - SLOW - LATER), most=2)
    first = parcels(stuck, stack.at.webhook_secret, doubled=0, junk=0, seed=SEED)
    rest = parcels(well, stack.at.webhook_secret, doubled=DOUBLED, junk=JUNK, seed=SEED)
    log, checks = LogReader(stack), ConsistencyChecks(stack)
    bodies = {parcel.webhook.body for parcel in rest if parcel.reason} | {parcel.webhook.body for parcel in first}

    sender = Sender(stack)
    with downstream(stack) as consumer:
        try:
            refused = sender.post(rest)
            _wait(log, rest)
        finally:
            stack.vendor("rate", share=0.0)
        before = _differences(checks, well)
        with dead_letters_after(stack, RECEIVES):
            refused += sender.post(first)
            dead = eventually(lambda: _of(stack.at.dead_letter_queue_url, stack, bodies, STUCK), "dead letters", 60)
        before |= _differences(checks, stuck)
        _redrive(stack, dead)
        _wait(log, [*first, *rest])
        after = {ticket: checks.differences(ticket) if before[ticket] else [] for ticket in wanted}
        yield Load(
            sent=[*first, *rest],
            stuck=stuck,
            refused=refused,
            before=before,
            after=after,
            dead=dead,
            dead_after=_of(stack.at.dead_letter_queue_url, stack, bodies, 0) or [],
            quarantined=_of(stack.at.quarantine_queue_url, stack, bodies, 0) or [],
            events=consumer.look(),
            manifests={ticket: checks.manifests(ticket) for ticket in wanted},
            counts=stack.vendor("counts"),
            log=log,
            personal=set().union(*(personal_data(stack.vendor("expected", ticket=ticket)) for ticket in wanted[:50])),
        )


def test_a_fifth_of_the_vendors_calls_goes_wrong_in_many_ways(load: Load) -> None:
    """Without this the rest of this file would prove nothing."""
    faults, calls = load.counts["faults"], sum(load.counts["endpoints"].values())
    assert set(faults) >= {"throttled_seconds", "throttled_date", "unavailable", "html", "reset", "gzip_bomb", *SLOW}
    assert len(faults) >= 40
    assert sum(faults.values()) / calls > FAULTY - 0.05
    assert len([parcel for parcel in load.sent if parcel.ticket]) >= (1 + DOUBLED * 0.8) * TICKETS


def test_archived_and_dead_letters_are_all_that_was_sent(load: Load) -> None:
    assert load.refused == []
    archived = {ticket for ticket, differences in load.before.items() if not differences}
    dead = {_ticket_of(load, message) for message in load.dead}
    assert archived | dead == load.tickets
    assert archived & dead == set()


def test_what_the_vendor_delivers_in_time_is_archived_without_anybodys_help(load: Load) -> None:
    lost = {ticket: found for ticket, found in load.before.items() if found and ticket not in load.stuck}
    assert lost == {}
    assert all(load.before[ticket] == ["unknown to the table"] for ticket in load.stuck)


def test_a_redrive_brings_the_others_and_leaves_no_dead_letter(load: Load) -> None:
    assert len(load.dead) == STUCK
    assert {ticket: found for ticket, found in load.after.items() if found} == {}
    assert load.dead_after == []


def test_every_state_of_a_ticket_is_one_manifest_and_one_event(load: Load) -> None:
    mine = {key: count for (key, _), count in load.events.items() if key.split("/")[1] in load.tickets}
    assert {ticket: len(keys) for ticket, keys in load.manifests.items()} == dict.fromkeys(load.tickets, 1)
    assert mine == {key: 1 for keys in load.manifests.values() for key in keys}


def test_a_doubled_event_is_recognised(load: Load) -> None:
    doubled = len([parcel for parcel in load.sent if parcel.ticket]) - TICKETS - STUCK
    results = load.log.results
    assert results["archived"] == TICKETS + STUCK
    assert results["duplicate"] >= 0.5 * doubled, "others find their ticket pending, or newly archived"


def test_junk_is_quarantined_each_with_its_reason_and_sets_off_no_other_alarm(load: Load) -> None:
    sent = {parcel.webhook.body: parcel.reason for parcel in load.sent if parcel.reason}
    assert {body_of(message): message.reason for message in load.quarantined} == sent
    assert len(load.quarantined) == len(sent)
    assert len(set(sent.values())) >= 5
    assert not {body_of(message) for message in load.dead} & sent.keys()


def test_no_personal_data_is_in_the_logs_and_the_queues(load: Load) -> None:
    text = load.log.text
    queued = b"\n".join([body_of(message) for message in [*load.dead, *load.quarantined]]).decode("utf-8", "replace")
    assert len(load.personal) > 100
    assert [mark for mark in load.personal for form in spelt(mark) if form in text or form in queued] == []


def _wait(log: LogReader, sent: list[WebhookRequest]) -> None:
    """Until each of these messages was done, as the functions say: a queue shared with other tests is never empty."""
    wanted = Counter(parcel.ticket or "" for parcel in sent)

    ends_at = time.monotonic() + 420
    while not log.look().done >= wanted or log.pending & wanted.keys():
        missing = f"not done: {wanted - log.done}; pending: {log.pending}"
        assert time.monotonic() < ends_at, f"{missing}; retried: {log.set_visibility_timeout}"
        time.sleep(0.5)


def _differences(checks: ConsistencyChecks, wanted: list[str]) -> dict[str, list[str]]:
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(wanted, pool.map(checks.differences, wanted), strict=True))


def _of(queue_url: str, stack: LocalStack, bodies: set[bytes], least: int) -> list[Received] | None:
    """The messages with these bodies, once there are enough of them."""
    found = [message for message in messages(stack, queue_url) if body_of(message) in bodies]
    return found if len(found) >= least else None


def _redrive(stack: LocalStack, dead: list[Received]) -> None:
    ids = {message.id for message in dead}
    moved = redrive(
        Queue(stack.sqs, stack.at.dead_letter_queue_url),
        Queue(stack.sqs, stack.at.queue_url),
        dead_letter(OperatorTable(stack.dynamodb, stack.at.table)),
        wanted=lambda label: label.id in ids,
        limit=None,
        dry_run=False,
        pace=Pace(50),
    )
    assert [each.outcome for each in moved] == [Outcome.MOVED] * len(dead)


def _ticket_of(load: Load, message: Received) -> str | None:
    return next(parcel.ticket for parcel in load.sent if parcel.webhook.body == body_of(message))
