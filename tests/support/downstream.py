"""A consumer of the archive's events: an EventBridge rule on manifests, with a queue as its target."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from tests.support.stack import LocalStack


class Downstream:
    """`events` counts the received events by the manifest's key and version id."""

    def __init__(self, stack: LocalStack, queue_url: str) -> None:
        self._stack = stack
        self._queue_url = queue_url
        self.events: Counter[tuple[str, str]] = Counter()

    def receive(self) -> Counter[tuple[str, str]]:
        """Receive the waiting events; return all events so far."""
        sqs = self._stack.sqs
        while received := sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                created = json.loads(message["Body"])["detail"]["object"]
                self.events[created["key"], created.get("version-id", "")] += 1
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(received)]
            sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
        return self.events

    def keys(self, ticket: str) -> list[str]:
        """Return the keys of a ticket's manifests, once for each event, sorted."""
        return sorted(key for key, _ in self.receive().elements() if key.startswith(f"tickets/{ticket}/"))


@contextmanager
def queue_of_events(stack: LocalStack, pattern: Mapping[str, Any]) -> Iterator[str]:
    """Yield the URL of a queue that a rule sends the events of this pattern to."""
    name = f"events-{uuid4().hex[:8]}"
    queue_url = stack.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = stack.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allowed, "Resource": arn}]}
    stack.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    stack.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    stack.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    try:
        yield queue_url
    finally:
        stack.events.remove_targets(Rule=name, Ids=["queue"])
        stack.events.delete_rule(Name=name)
        stack.sqs.delete_queue(QueueUrl=queue_url)


@contextmanager
def downstream(stack: LocalStack) -> Iterator[Downstream]:
    """Yield a consumer that receives the events of all manifests from now on."""
    created = {"bucket": {"name": [stack.at.bucket]}, "object": {"key": [{"wildcard": "tickets/*/manifests/*"}]}}
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": created}
    with queue_of_events(stack, pattern) as queue_url:
        yield Downstream(stack, queue_url)
