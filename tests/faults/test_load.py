"""A load of duplicated, shuffled and unreadable webhooks while a fifth of the vendor's responses are faulty.

Every ticket is archived once and byte by byte. The seed chooses flows, formats, envelopes and types that are never
usable; some tickets wait for SettleMinutes, a minute.
`make soak` is the same with any number of tickets, and with crashes, outages and redrives.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from local.vendor.faults import FAULTS
from ops.queues import Received
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import downstream
from tests.support.load import LATER, SLOW, Sender, WebhookRequest, personal_data, spellings, tickets, webhook_requests
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, messages
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

SEED = 2039
TICKETS = 60
FIRST = 100_000
FAULTY = 0.2
DUPLICATES = 0.2
UNREADABLE = 0.1
SECONDS = 400.0


@dataclass
class Load:
    """The requests, and the results."""

    sent: list[WebhookRequest]
    refused: list[WebhookRequest]
    differences: dict[str, list[str]]
    quarantined: list[Received]
    events: Counter[tuple[str, str]]
    manifests: dict[str, list[str]]
    faults: Counter[str]
    calls: int
    log: LogReader
    personal: set[str]


@pytest.fixture(scope="module")
def load(stack: LocalStack) -> Load:
    wanted = tickets(stack, TICKETS, FIRST)
    stack.vendor("forget")
    for ticket, fault in zip(wanted, sorted(SLOW), strict=False):
        stack.vendor("script", fault=fault, endpoint="images", ticket=ticket, type="DOCUMENT")
    stack.vendor("rate", share=FAULTY, seed=SEED, faults=sorted(FAULTS.keys() - SLOW - LATER), most=2)
    sent = webhook_requests(wanted, stack.at.webhook_secret, duplicates=DUPLICATES, unreadable=UNREADABLE, seed=SEED)
    log, checks = LogReader(stack), ConsistencyChecks(stack)

    def wait(done: Callable[[], bool]) -> None:
        """Wait for lines of the functions' log: a queue shared with other tests is never empty."""
        eventually(done, lambda: f"pending: {log.pending}; retried: {log.retried}", SECONDS)

    with downstream(stack) as consumer:
        try:
            refused = Sender(stack).post(sent)
            due = Counter(request.ticket or "" for request in sent)
            wait(lambda: not due - log.read().done)
        finally:
            stack.vendor("rate", share=0.0)
        wait(lambda: not log.read().pending & due.keys())  # those that settle
        with ThreadPoolExecutor(4) as pool:
            differences = dict(zip(wanted, pool.map(checks.differences, wanted), strict=True))
        unreadable, counts = {request.webhook.body for request in sent if request.reason}, stack.vendor("counts")
        quarantined = [each for each in messages(stack, stack.at.quarantine_queue_url) if body_of(each) in unreadable]
        return Load(
            sent=sent,
            refused=refused,
            differences=differences,
            quarantined=quarantined,
            events=consumer.receive(),
            manifests={ticket: checks.manifests(ticket) for ticket in wanted},
            faults=Counter(counts["faults"]),
            calls=sum(counts["endpoints"].values()),
            log=log,
            personal=set().union(*(personal_data(stack.vendor("expected", ticket=ticket)) for ticket in wanted)),
        )


def test_a_fifth_of_the_vendors_responses_has_one_of_many_faults(load: Load) -> None:
    """Otherwise the other tests of this file would prove nothing."""
    assert load.faults.keys() >= SLOW
    assert len(load.faults) >= 40
    assert load.faults.total() / load.calls > FAULTY - 0.05
    assert len([request for request in load.sent if request.ticket]) >= (1 + DUPLICATES * 0.5) * TICKETS


def test_every_ticket_is_archived_byte_by_byte(load: Load) -> None:
    assert load.refused == []
    assert {ticket: found for ticket, found in load.differences.items() if found} == {}


def test_every_ticket_has_one_manifest_and_one_event(load: Load) -> None:
    assert {ticket: len(keys) for ticket, keys in load.manifests.items()} == dict.fromkeys(load.manifests, 1)
    mine = {key: count for (key, _), count in load.events.items() if key.split("/")[1] in load.manifests}
    assert mine == {key: 1 for keys in load.manifests.values() for key in keys}
    assert load.log.results["archived"] == TICKETS


def test_unreadable_requests_are_quarantined_with_their_reasons(load: Load) -> None:
    sent = {request.webhook.body: request.reason for request in load.sent if request.reason}
    assert len(sent) >= UNREADABLE * TICKETS
    assert sorted(map(body_of, load.quarantined)) == sorted(sent)
    assert {body_of(message): message.reason for message in load.quarantined} == sent


def test_no_personal_data_is_in_the_log_and_the_quarantine(load: Load) -> None:
    text = load.log.text + b"\n".join(map(body_of, load.quarantined)).decode("utf-8", "replace")
    assert len(load.personal) > 100
    assert [mark for mark in load.personal for form in spellings(mark) if form in text] == []
