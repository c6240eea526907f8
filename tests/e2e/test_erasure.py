"""An erased ticket stays erased: every version, despite late messages.

Attempts in flight: tests/unit/ops/test_privacy_commands.py and tests/unit/ingest/archiving/test_archiver.py.
"""

import pytest

from tests.support.archive_harness import COMPLETED, webhook
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.messages import ticket_message

pytestmark = pytest.mark.stack

NUMBER = 3300  # of the simulator's tickets: this test's
TOMBSTONE = ["erased_at", "record", "state", "ticket"]


def versions(stack: LocalStack, ticket: str) -> list[str]:
    """Return the key of every version and delete marker of a ticket's objects."""
    return [each["Key"] for each in stack.versions(ticket)]


def is_gone(stack: LocalStack, ticket: str) -> None:
    assert versions(stack, ticket) == []
    assert [sorted(record) for record in stack.records(ticket)] == [TOMBSTONE]
    assert stack.api.get(f"/tickets/{ticket}").status_code == 410
    for path in ("details", "images", f"images/{'0' * 64}"):
        assert stack.api.get(f"/tickets/{ticket}/{path}").status_code == 410


def test_every_version_is_erased_and_nothing_late_brings_the_ticket_back(stack: LocalStack) -> None:
    """GIVEN a ticket of two states, an object of two versions and one that is hidden by a delete marker."""
    ticket = stack.archive(NUMBER)
    dead = webhook({**COMPLETED, "ticket": ticket}, stack.at.webhook_secret.encode())
    stack.vendor("state", ticket=ticket, outcome="REJECTED", take=1)
    stack.ops("backfill", ticket, "--force")
    eventually(lambda: sum("/manifests/" in key for key in versions(stack, ticket)) == 2, "two manifests")
    again, hidden, *_ = (key for key in versions(stack, ticket) if "/images/" in key)
    stack.s3.put_object(Bucket=stack.at.bucket, Key=again, Body=b"another version")
    stack.s3.delete_object(Bucket=stack.at.bucket, Key=hidden)
    before = versions(stack, ticket)

    # WHEN it is erased THEN all of it is gone
    receipt = stack.ops("erase", ticket, "--yes", "--drain-seconds", "0")
    assert (receipt["object_versions"], receipt["events"]) == (len(before), 1)
    is_gone(stack, ticket)

    # WHEN webhooks, a redrive, a forced backfill and the schedule come THEN it stays so
    stack.vendor("forget")
    assert stack.post(ticket) == 202
    assert stack.post(ticket, "verification") == 202
    stack.sqs.send_message(QueueUrl=stack.at.dead_letter_queue_url, MessageBody=ticket_message(ticket))
    stack.sqs.send_message(QueueUrl=stack.at.quarantine_queue_url, MessageBody=dead)
    stack.ops("redrive", "dead-letters", "--ticket", ticket)
    stack.ops("redrive", "quarantine", "--reason", "none_given")
    stack.ops("backfill", ticket, "--force")
    stack.invoke(stack.resources["IngestFunction"], {"source": SCHEDULE_SOURCE})

    # The first webhook is a duplicate.
    eventually(lambda: stack.processed(ticket, "erased") >= 4, "every late message processed")
    assert stack.vendor("calls", ticket=ticket) == [], "no call to the vendor"
    is_gone(stack, ticket)
