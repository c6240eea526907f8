"""Retries, duplicates and the schedule on the whole stack, with its queue and table."""

from collections import Counter

import pytest

from tests.support.consistency_checks import ConsistencyChecks
from tests.support.downstream import downstream
from tests.support.load import Sender, WebhookRequest, event_request, small_ticket
from tests.support.log_reader import LogReader
from tests.support.queues import body_of, dead_letters_after, messages
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.models import ImageType, TicketState

pytestmark = pytest.mark.stack

FIRST = 500_000
ATTEMPTS = 3
"""Of one delivery, for a call that fails in a way that may pass."""
ONCE_EACH = Counter(kind.value for kind in ImageType)


def calls(stack: LocalStack, ticket: str) -> Counter[str]:
    """Return the vendor calls for a ticket by image type or endpoint, without those with an expired token."""
    found = stack.vendor("calls", ticket=ticket)
    return Counter(call["type"] or call["endpoint"] for call in found if call["status"] != 401)


def post(stack: LocalStack, *sent: WebhookRequest) -> None:
    assert Sender(stack, concurrency=8).post(sent) == []


def test_schedule_archives_a_ticket_after_its_message_became_a_dead_letter(stack: LocalStack) -> None:
    ticket, checks = small_ticket(stack, FIRST), ConsistencyChecks(stack)
    # GIVEN an incomplete ticket whose message became a dead letter, and the time of its next try
    stack.vendor("script", fault="unavailable", endpoint="details", ticket=ticket, times=ATTEMPTS)
    sent = event_request(stack, ticket)
    with dead_letters_after(stack, 1):
        post(stack, sent)
        dead_letters = stack.at.dead_letter_queue_url
        eventually(lambda: sent.webhook.body in map(body_of, messages(stack, dead_letters)), "the dead letter")

    def requeued() -> int:
        return int(stack.invoke(stack.resources["IngestFunction"], {"source": SCHEDULE_SOURCE})["requeued"])

    assert requeued() == 0, "it is not due yet"
    item = checks.table.get(ticket)
    assert item is not None
    assert item.state is TicketState.INCOMPLETE
    stack.change_item(ticket, retry_at="2026-01-01T00:00:00.000000Z")
    # WHEN the schedule ticks, twice
    assert requeued() >= 1
    assert requeued() == 0
    # THEN it is archived, from what was kept of it
    stack.archived(ticket)
    assert calls(stack, ticket) == ONCE_EACH + Counter(details=ATTEMPTS + 1)
    assert checks.differences(ticket) == []


def test_sixteen_concurrent_duplicates_cause_one_event(stack: LocalStack) -> None:
    ticket, log, checks = small_ticket(stack, FIRST + 100), LogReader(stack), ConsistencyChecks(stack)
    one, other = event_request(stack, ticket), event_request(stack, ticket)
    with downstream(stack) as consumer:
        post(stack, *[one, other] * 8)
        eventually(lambda: log.read().done[ticket] >= 16, "sixteen messages done")
        assert calls(stack, ticket) == ONCE_EACH + Counter(details=1)
        assert checks.differences(ticket) == []
        assert consumer.keys(ticket) == checks.manifests(ticket)
    assert log.results.keys() == {"archived", "duplicate"}
    assert (log.results["archived"], log.results["duplicate"] >= 15) == (1, True)  # more if a request was repeated
