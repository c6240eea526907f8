"""The failure policy on the whole stack: what only its own queue, table and schedule can show."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

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
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.models import ImageType, TicketItem, TicketState

pytestmark = pytest.mark.stack

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

    def item(self, ticket: str) -> TicketItem | None:
        return self.checks.table.get(ticket)

    def archived(self, ticket: str) -> TicketItem:
        def look() -> TicketItem | None:
            item = self.item(ticket)
            return item if item is not None and item.state is TicketState.ARCHIVED else None

        return eventually(look, f"{ticket} archived")

    def calls(self, ticket: str) -> Counter[str]:
        """Return the vendor calls for a ticket by image type or endpoint, without those with an expired token."""
        calls = self.stack.vendor("calls", ticket=ticket)
        return Counter(call["type"] or call["endpoint"] for call in calls if call["status"] != 401)


@pytest.fixture(scope="module")
def harness(stack: LocalStack) -> ArchiveHarness:
    return ArchiveHarness(stack)


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

    def requeued() -> int:
        return int(stack.invoke(stack.resources["IngestFunction"], {"source": SCHEDULE_SOURCE})["requeued"])

    assert requeued() == 0, "it is not due yet"
    item = harness.item(ticket)
    assert item is not None
    assert item.state is TicketState.INCOMPLETE
    stack.change_item(ticket, retry_at="2026-01-01T00:00:00.000000Z")
    # WHEN the schedule ticks, twice
    assert requeued() >= 1
    assert requeued() == 0
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
