"""A consumer of the archive's events: a rule on manifests, as a downstream system has one, and a queue behind it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from tests.support.stack import LocalStack


class Downstream:
    """`events` counts what came, by the manifest's key and the version of that object."""

    def __init__(self, stack: LocalStack, queue_url: str) -> None:
        self._stack = stack
        self._queue_url = queue_url
        self.events: Counter[tuple[str, str]] = Counter()

    def look(self) -> Counter[tuple[str, str]]:
        """All events so far."""
        sqs = self._stack.sqs
        while received := sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                created = json.loads(message["Body"])["detail"]["object"]
                self.events[created["key"], created.get("version-id", "")] += 1
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(received)]
            sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
        return self.events

    def keys(self, ticket: str) -> list[str]:
        """The manifests of a ticket, one for each event, as often as it came."""
        return sorted(key for key, _ in self.look().elements() if key.startswith(f"tickets/{ticket}/"))


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
    """Receives every manifest from now on."""
    created = {"bucket": {"name": [stack.at.bucket]}, "object": {"key": [{"wildcard": "tickets/*/manifests/*"}]}}
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": created}
    with queue_of_events(stack, pattern) as queue_url:
        yield Downstream(stack, queue_url)
