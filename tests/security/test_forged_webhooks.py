"""Nothing that a webhook claims is stored, and an altered webhook archives nothing.

CBC has no MAC: anyone who records a webhook can flip any bit of the first block through the IV, without the key.
"""

import json
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest

from ingest.archiving.models import Result
from ingest.archiving.processor import Message
from tests.support.archive_harness import COMPLETED, RECEIVED_AT, TICKET, ArchiveHarness, webhook
from ticket_archive.errors import TicketNotFound

IV = bytes(range(16))


def process(harness: ArchiveHarness, message: str) -> str:
    """Return the result of a message."""
    return harness.processor().process(Message(message, RECEIVED_AT), time.monotonic() + 5).result


def test_claims_of_an_event_are_not_stored() -> None:
    """An event calls a rejected ticket accepted, and another's; only the vendor's response is stored."""
    harness = ArchiveHarness()
    harness.has("REJECTED")
    forged = dict.fromkeys(("disposition", "risk_code", "cifcode"), "FORGED")
    claims: dict[str, Any] = {"flow_status": "ACCEPTED", **forged}

    process(harness, webhook({**COMPLETED, **claims, "images": ["data:image/png;base64,RkdE"], "confidence_score": 1}))

    assert harness.table[TICKET].outcome == "REJECTED"
    events = {str(key): event for key, event in harness.table.events.items()}
    stored = [harness.table.items, events, harness.bucket.created, harness.bucket.manifests(TICKET)]
    assert "FORGED" not in json.dumps(stored, default=str)


@pytest.mark.parametrize("bit", range(128))
def test_an_event_whose_iv_was_altered_archives_nothing(bit: int) -> None:
    """GIVEN a recorded webhook with one bit of its IV flipped, THEN it is unreadable, or names an unknown ticket."""
    harness = ArchiveHarness()
    harness.has("REJECTED")
    altered = bytearray(IV)
    altered[bit // 8] ^= 1 << bit % 8
    message = json.loads(webhook(iv=IV))
    message["webhook"]["iv"] = b64encode(altered).decode()

    result = ""
    with suppress(TicketNotFound):
        result = process(harness, json.dumps(message))

    assert result in ("", Result.QUARANTINED)
    assert len(harness.queue.quarantined) == (result == Result.QUARANTINED)
    assert harness.table.items == {}
    assert harness.table.events == {}
    assert harness.bucket.created == []
