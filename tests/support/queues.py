"""Read the stack's queues, and change how they redrive."""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

from ops.queues import Queue, Received
from tests.support.stack import LocalStack


def messages(stack: LocalStack, queue_url: str) -> list[Received]:
    """Return the visible messages of a queue and make them visible again."""
    queue = Queue(stack.sqs, queue_url)
    held: list[Received] = []
    while batch := queue.receive(10):
        held += batch
    queue.release(held)
    return held


def body_of(message: Received) -> bytes:
    """Return the webhook's body in a message; empty for a message of another sender."""
    try:
        kept = json.loads(message.body)["webhook"]
    except (ValueError, KeyError, TypeError):
        return b""
    return b64decode(kept["body"])


@contextmanager
def dead_letters_after(stack: LocalStack, receives: int) -> Iterator[None]:
    """Set the ticket queue's `maxReceiveCount` during the block."""
    found = stack.sqs.get_queue_attributes(QueueUrl=stack.at.queue_url, AttributeNames=["RedrivePolicy"])
    policy = found["Attributes"]["RedrivePolicy"]
    changed = json.dumps({**json.loads(policy), "maxReceiveCount": receives})
    stack.sqs.set_queue_attributes(QueueUrl=stack.at.queue_url, Attributes={"RedrivePolicy": changed})
    try:
        yield
    finally:
        stack.sqs.set_queue_attributes(QueueUrl=stack.at.queue_url, Attributes={"RedrivePolicy": policy})
