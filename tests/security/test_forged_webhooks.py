"""Nothing that a webhook claims is stored, and an altered webhook archives nothing.

CBC has no MAC: anyone who records a webhook can flip any bit of the first block through the IV, without the key.
"""

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from ingest.archiving.models import Result
from ingest.archiving.processor import Message
from tests.support.archive_harness import RECEIVED_AT, TICKET, ArchiveHarness
from ticket_archive.errors import TicketNotFound
from ticket_archive.messages import Webhook, webhook_message
from ticket_archive.webhook_encryption import encrypt_event

KEY, IV = bytes(range(32)), bytes(range(16))


def process(harness: ArchiveHarness, body: bytes, iv: str) -> str:
    """Return the result of a webhook."""
    text = webhook_message(Webhook(body=body, iv=iv, content_type="text/plain", received_at=RECEIVED_AT))
    processor = harness.processor(secrets=lambda: [KEY])
    return processor.process(Message(text, RECEIVED_AT), time.monotonic() + 5).result


def sealed(iv: bytes = IV, **event: Any) -> tuple[bytes, str]:
    return encrypt_event(
        json.dumps({"ticket": TICKET, "event": "ticket.verification.completed", **event}).encode(), KEY, iv
    )


def test_claims_of_an_event_are_not_stored() -> None:
    """An event calls a rejected ticket accepted, and another's; only the vendor's response is stored."""
    harness = ArchiveHarness()
    harness.has("REJECTED")
    forged = dict.fromkeys(("disposition", "risk_code", "cifcode"), "FORGED")
    claims: dict[str, Any] = {"flow_status": "ACCEPTED", **forged}

    process(harness, *sealed(**claims, images=["data:image/png;base64,RkdE"], confidence_score=1))

    assert harness.table[TICKET].outcome == "REJECTED"
    events = {str(key): event for key, event in harness.table.events.items()}
    stored = [harness.table.items, events, harness.bucket.created, harness.bucket.manifests(TICKET)]
    assert "FORGED" not in json.dumps(stored, default=str)


@pytest.mark.parametrize("bit", range(128))
def test_an_event_whose_iv_was_altered_archives_nothing(bit: int) -> None:
    """GIVEN a recorded webhook with one bit of its IV flipped, THEN it is unreadable, or names an unknown ticket."""
    harness = ArchiveHarness()
    harness.has("REJECTED")
    body, _ = sealed()
    altered = bytearray(IV)
    altered[bit // 8] ^= 1 << bit % 8
    _, iv = sealed(bytes(altered))

    result = ""
    with suppress(TicketNotFound):
        result = process(harness, body, iv)

    assert result in ("", Result.QUARANTINED)
    assert len(harness.queue.quarantined) == (result == Result.QUARANTINED)
    assert harness.table.items == {}
    assert harness.table.events == {}
    assert harness.bucket.created == []
