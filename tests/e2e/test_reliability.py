"""The failure policy on the whole stack."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.account import ALIAS
from local.stack import SEED
from local.vendor import webhooks
from local.vendor.tickets import Tickets
from local.vendor.webhooks import Form
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import downstream
from tests.support.load import PICTURE_BYTES, Sender, WebhookRequest
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, dead_letters_after, messages
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType, TicketState
from ticket_archive.table import TicketItem

pytestmark = pytest.mark.stack

EVENTS = Path(__file__).parents[2] / "events"
FIRST = 500_000
ATTEMPTS = 3
"""Of one delivery, for a call that fails in a way that may pass."""
ONCE_EACH = Counter(["details", *(kind.value for kind in ImageType)])


class ArchiveHarness:
    """Tickets of this file alone, with all five image types."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.checks = ConsistencyChecks(stack)
        about = stack.vendor("tickets", count=200, start=FIRST)
        self._new = (each["ticket"] for each in about if all(each["images"].values()))

    def ticket(self) -> str:
        ticket: str = next(self._new)
        self.stack.vendor("state", ticket=ticket, sizes={kind: [PICTURE_BYTES] for kind in ImageType})
        return ticket

    def event(self, ticket: str, **changes: Any) -> webhooks.Webhook:
        """An encrypted completion; `changes` are to the event."""
        content = {**webhooks.event(Form.COMPLETED, Tickets(SEED).get(ticket)), **changes}
        return webhooks.encrypted(content, self.stack.at.webhook_secret)

    def post(self, *sent: webhooks.Webhook) -> None:
        assert Sender(self.stack, at_once=8).post([WebhookRequest(webhook) for webhook in sent]) == []

    def ask(self, *bodies: str) -> None:
        """Send messages to the ticket queue as one batch."""
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
        answer = self.stack.sqs.send_message_batch(QueueUrl=self.stack.at.queue_url, Entries=entries)  # type: ignore[arg-type]
        assert len(answer["Successful"]) == len(bodies)

    def item(self, ticket: str) -> TicketItem | None:
        return self.checks.table.get(ticket)

    def until(self, ticket: str, found: Callable[[TicketItem], bool], what: str) -> TicketItem:
        def look() -> TicketItem | None:
            item = self.item(ticket)
            return item if item is not None and found(item) else None

        return eventually(look, f"{ticket} {what}")

    def archived(self, ticket: str) -> TicketItem:
        return self.until(ticket, lambda item: item.state is TicketState.ARCHIVED, "archived")

    def calls(self, ticket: str) -> Counter[str]:
        """Return the vendor calls for a ticket by image type or endpoint, without those with an expired token."""
        calls = self.stack.vendor("calls", ticket=ticket)
        return Counter(call["type"] or call["endpoint"] for call in calls if call["status"] != 401)


@pytest.fixture(scope="module")
def harness(stack: LocalStack) -> ArchiveHarness:
    return ArchiveHarness(stack)


def test_only_what_is_missing_is_fetched_again(
    harness: ArchiveHarness,
) -> None:
    """GIVEN a document that is not ready for two attempts, WHEN its event comes, THEN the third archives it."""
    ticket = harness.ticket()
    harness.stack.vendor("script", fault="not_ready", endpoint="images", ticket=ticket, type="DOCUMENT", times=2)
    with downstream(harness.stack) as consumer:
        harness.post(harness.event(ticket))
        waiting = harness.until(ticket, lambda item: item.state is TicketState.INCOMPLETE, "incomplete")
        kept = {image.key for image in waiting.images}
        assert waiting.types[ImageType.DOCUMENT] == "failed"
        assert len(kept) == 4
        assert harness.checks.manifests(ticket) == []

        archived = harness.archived(ticket)
        assert kept < {image.key for image in archived.images}
        assert harness.calls(ticket) == ONCE_EACH + Counter(DOCUMENT=2)
        assert harness.checks.differences(ticket) == []
        eventually(lambda: consumer.keys(ticket) == harness.checks.manifests(ticket) or None, "one event")


def test_schedule_archives_a_ticket_after_its_message_became_a_dead_letter(harness: ArchiveHarness) -> None:
    stack, ticket = harness.stack, harness.ticket()
    # GIVEN an incomplete ticket whose message became a dead letter, and the time of its next try
    stack.vendor("script", fault="unavailable", endpoint="details", ticket=ticket, times=ATTEMPTS)
    event = harness.event(ticket)
    with dead_letters_after(stack, 1):
        harness.post(event)

        def dead() -> bool | None:
            return event.body in map(body_of, messages(stack, stack.at.dead_letter_queue_url)) or None

        eventually(dead, "the dead letter")
    function = stack.physical_id("IngestFunction")
    tick = (EVENTS / "schedule_tick.json").read_bytes()
    assert _requeued(stack, function, tick) == 0, "it is not due yet"
    item = harness.item(ticket)
    assert item is not None
    assert item.state is TicketState.INCOMPLETE
    stack.dynamodb.update_item(
        TableName=stack.at.table,
        Key={"ticket": {"S": ticket}, "record": {"S": "ticket"}},
        UpdateExpression="SET retry_at = :past",
        ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000000Z"}},
    )
    # WHEN the schedule ticks, twice
    assert _requeued(stack, function, tick) >= 1
    assert _requeued(stack, function, tick) == 0
    # THEN it is archived, from what was kept of it
    harness.archived(ticket)
    assert harness.calls(ticket) == ONCE_EACH + Counter(details=ATTEMPTS)
    assert harness.checks.differences(ticket) == []


def test_sixteen_concurrent_duplicates_cause_one_event(harness: ArchiveHarness) -> None:
    ticket, log = harness.ticket(), LogReader(harness.stack)
    one, other = harness.event(ticket), harness.event(ticket)
    with downstream(harness.stack) as consumer:
        harness.post(*[one, other] * 8)
        eventually(lambda: log.look().done[ticket] >= 16 or None, "sixteen messages done")
        assert harness.calls(ticket) == ONCE_EACH
        assert harness.checks.differences(ticket) == []
        assert consumer.keys(ticket) == harness.checks.manifests(ticket)
    assert log.results.keys() == {"archived", "duplicate"}
    assert (log.results["archived"], log.results["duplicate"] >= 15) == (1, True)  # more if a request was repeated


def test_concurrent_events_of_one_ticket_cause_one_state(harness: ArchiveHarness) -> None:
    ticket, log = harness.ticket(), LogReader(harness.stack)
    with downstream(harness.stack) as consumer, ThreadPoolExecutor(8) as pool:
        list(pool.map(harness.post, [harness.event(ticket, remaining_attempts=number) for number in range(8)]))
        eventually(lambda: log.look().done[ticket] >= 8 or None, "eight messages done")
        assert harness.checks.differences(ticket) == []
        assert consumer.keys(ticket) == harness.checks.manifests(ticket)


def test_accepted_rejected_accepted_are_three_versions(harness: ArchiveHarness) -> None:
    stack, ticket = harness.stack, harness.ticket()
    seen: set[str] = set()
    with downstream(stack) as consumer:
        for number, outcome in enumerate(("ACCEPTED", "REJECTED", "ACCEPTED")):
            stack.vendor("state", ticket=ticket, outcome=outcome)
            harness.post(harness.event(ticket, flow_status=outcome, processed=number))
            item = harness.until(ticket, lambda item: (item.version or "") not in {*seen, ""}, f"{outcome}, {number}")
            assert item.outcome == outcome
            seen.add(item.version or "")

        eventually(lambda: len(consumer.keys(ticket)) >= 3 or None, "three events")
        assert consumer.keys(ticket) == harness.checks.manifests(ticket)
    assert harness.checks.differences(ticket, states=3) == []


def test_unreadable_messages_do_not_affect_their_batch(harness: ArchiveHarness) -> None:
    stack = harness.stack
    good = [harness.ticket() for _ in range(4)]
    mark = uuid4().hex
    poison = [f"not json {mark}", f'{{"v": 9, "ticket": "{mark}"}}', f'{{"ticket": "../{mark}"}}', f'["{mark}"]']
    stack.vendor("script", fault="too_deep", endpoint="details", ticket=good[3])
    harness.ask(*[body for pair in zip(poison, map(ticket_message, good), strict=True) for body in pair])
    for ticket in good:
        harness.archived(ticket)
        assert harness.checks.differences(ticket) == []

    def reasons() -> dict[str, str | None] | None:
        found = messages(stack, stack.at.quarantine_queue_url)
        mine = {message.body: message.reason for message in found if mark in message.body}
        return mine if len(mine) == len(poison) else None

    expected = ["message_malformed", "message_version", "ticket_malformed", "message_malformed"]
    assert eventually(reasons, "the poison in quarantine") == dict(zip(poison, expected, strict=True))
    assert not [each for each in messages(stack, stack.at.dead_letter_queue_url) if mark in each.body]


def _requeued(stack: LocalStack, function: str, tick: bytes) -> int:
    answer = stack.functions.invoke(FunctionName=function, Qualifier=ALIAS, Payload=tick)
    assert answer["StatusCode"] == 200
    return int(json.loads(answer["Payload"].read())["requeued"])
