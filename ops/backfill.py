"""Queue tickets whose webhooks never came, or that are to be archived again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.queues import Pace, Queue
from ticket_archive.messages import ticket_message

KIND = "backfill"


@dataclass(frozen=True, slots=True)
class SentBatch:
    """The tickets of one batch that were queued, and those that SQS did not take."""

    sent: tuple[str, ...]
    failed: tuple[str, ...]


def send(queue: Queue, tickets: Sequence[str], *, force: bool, pace: Pace) -> Iterator[SentBatch]:
    """Queue tickets batch by batch."""
    for begin in range(0, len(tickets), pace.batch):
        batch = tickets[begin : begin + pace.batch]
        pace.wait(len(batch))
        failed = queue.send([ticket_message(ticket, kind=KIND, force=force) for ticket in batch])
        yield SentBatch(
            tuple(ticket for position, ticket in enumerate(batch) if position not in failed),
            tuple(ticket for position, ticket in enumerate(batch) if position in failed),
        )
