"""The examples of consumers: several behind one SNS topic, one behind the event bus of another account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft4Validator

from local import ROOT
from tests.support.examples import deployed
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive_client import ManifestCreated

pytestmark = pytest.mark.stack

SCHEMA = json.loads((ROOT / "docs" / "manifest-event.openapi.json").read_text(encoding="utf-8"))


@pytest.fixture
def notify_topic(stack: LocalStack) -> Iterator[Any]:
    """Return a function that adds a topic to the bucket's notifications as docs/consuming.md does."""
    before: Any = stack.s3.get_bucket_notification_configuration(Bucket=stack.at.bucket)
    before.pop("ResponseMetadata")

    def add(topic: str) -> None:
        rules = [{"Name": "prefix", "Value": "tickets/"}, {"Name": "suffix", "Value": ".json"}]
        one = {"TopicArn": topic, "Events": ["s3:ObjectCreated:Put"], "Filter": {"Key": {"FilterRules": rules}}}
        configuration: Any = {**before, "TopicConfigurations": [one]}
        stack.s3.put_bucket_notification_configuration(
            Bucket=stack.at.bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True
        )

    yield add
    stack.s3.put_bucket_notification_configuration(Bucket=stack.at.bucket, NotificationConfiguration=before)


def messages(stack: LocalStack, queue: str, ticket: str) -> list[dict[str, Any]]:
    """Wait until the queue has messages of the ticket; return them. Other tickets' and S3's test event are left out."""

    def look() -> list[dict[str, Any]] | None:
        found = stack.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(each["Body"]) for each in found if ticket in each["Body"]] or None

    return eventually(look, f"a message of {ticket}")


def test_every_consumer_behind_the_topic_receives_the_manifest_and_nothing_else(
    stack: LocalStack, notify_topic: Any
) -> None:
    with deployed(stack, "fan-out") as outputs:
        notify_topic(outputs["TopicArn"])
        ticket = stack.archive(320)
        for queue in ("OnboardingQueueUrl", "ReportingQueueUrl"):
            [message] = messages(stack, outputs[queue], ticket)
            [record] = message["Records"]
            assert record["s3"]["object"]["key"].startswith(f"tickets/{ticket}/manifests/")


def test_event_reaches_the_bus_of_the_consumer_in_its_documented_form(stack: LocalStack) -> None:
    """Both sides are deployed to one account: the emulator sends no events to another."""
    with (
        deployed(stack, "cross-account-consumer") as consumer,
        deployed(stack, "cross-account-sender", ConsumerBusArn=consumer["BusArn"]),
    ):
        ticket = stack.archive(321)
        [event] = messages(stack, consumer["ManifestEventsUrl"], ticket)

    assert ManifestCreated.model_validate(event).ticket == ticket
    Draft4Validator({**SCHEMA, "$ref": "#/components/schemas/AWSEvent"}).validate(event)
