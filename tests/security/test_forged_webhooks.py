"""A webhook is only a hint where to look: what it says is no fact, and bent on its way it moves nothing.

CBC has no MAC: anyone who sees one can flip any bit of the first block through the IV, without the key.
"""

import json
from contextlib import suppress
from typing import Any, cast

import pytest

from ingest.archiving.processor import QUARANTINED, Message, MessageProcessor
from ingest.messaging.idempotency import EventIdempotency
from tests.support.archive_harness import RECEIVED_AT, TICKET, ArchiveHarness
from tests.support.fakes import FakeIdempotencyTable, FakeQueue
from ticket_archive.clock import monotonic_in
from ticket_archive.errors import TicketIncomplete
from ticket_archive.messages import Webhook, webhook_message
from ticket_archive.webhook_encryption import encrypt_event

KEY, IV = bytes(range(32)), bytes(range(16))


class CliHarness:
    """The use case behind the queue, and what it quarantined."""

    def __init__(self, house: ArchiveHarness) -> None:
        self.queue = FakeQueue(house.effects)
        self._work = MessageProcessor(
            archive=house.archive(),
            idempotency=EventIdempotency(cast("Any", FakeIdempotencyTable()), "idempotency"),
            queue=self.queue,
            quarantine=self.queue,
            webhook_secrets=lambda: [KEY],
            allow_plaintext=False,
            retry_delay=20.0,
        )

    def receives(self, body: bytes, iv: str) -> str:
        text = webhook_message(Webhook(body=body, iv=iv, content_type="text/plain", received_at=RECEIVED_AT))
        return self._work.process(Message(body=text, id="m1", sent_at=RECEIVED_AT), monotonic_in(5)).result


def sealed(iv: bytes = IV, **event: Any) -> tuple[bytes, str]:
    return encrypt_event(
        json.dumps({"ticket": TICKET, "event": "ticket.verification.completed", **event}).encode(), KEY, iv
    )


def test_what_an_event_says_is_no_fact() -> None:
    """GIVEN an event that calls a rejected ticket accepted, and another's, THEN the vendor's answer alone is kept."""
    house = ArchiveHarness()
    house.has("REJECTED")
    claims: dict[str, Any] = {
        "flow_status": "ACCEPTED",
        "disposition": "FORGED",
        "risk_code": "FORGED",
        "cifcode": "FORGED",
    }

    CliHarness(house).receives(*sealed(**claims, images=["data:image/png;base64,RkdE"], confidence_score=1))

    assert house.table[TICKET].outcome == "REJECTED"
    told = [house.table.items, {str(key): event for key, event in house.table.events.items()}, house.bucket.created]
    assert "FORGED" not in json.dumps([*told, house.bucket.manifests(TICKET)], default=str)


@pytest.mark.parametrize("bit", range(128))
def test_an_event_that_was_bent_through_its_iv_moves_no_ticket(bit: int) -> None:
    """GIVEN a recorded webhook with one bit of its IV flipped, THEN it is unreadable, or names no existing ticket."""
    house = ArchiveHarness()
    house.has("REJECTED")
    office = CliHarness(house)
    body, _ = sealed()
    bent = bytearray(IV)
    bent[bit // 8] ^= 1 << bit % 8
    _, iv = sealed(bytes(bent))

    ended = ""
    with suppress(TicketIncomplete):  # another ticket, which the vendor does not know
        ended = office.receives(body, iv)

    assert ended in ("", QUARANTINED, "unknown")
    assert len(office.queue.quarantined) == (ended == QUARANTINED)
    assert [item for item in house.table.items.values() if "version" in item] == []
    assert house.bucket.created == []
