"""An update of a stack with queued tickets replaces no resource and loses no ticket."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local import account, deploy
from local import stack as local_stack
from local.account import ALIAS
from local.terminal import silent
from tests.support.stack import LocalStack, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

KEPT = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::ApiGateway::RestApi",
)
WAITING = 6


def kept(stack: LocalStack) -> dict[str, str]:
    """Return the physical ids that an update must not change, by logical id."""
    listed = stack.cloudformation.describe_stack_resources(StackName=stack.at.stack_name)["StackResources"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed if each["ResourceType"] in KEPT}


def published(stack: LocalStack) -> dict[str, str]:
    """Return the version that each function's alias points at, by the function's name."""
    names = [each["FunctionName"] for each in stack.functions.list_functions()["Functions"]]
    return {name: stack.functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"] for name in names}


def life(stack: LocalStack, ticket: str) -> float:
    """Return the remaining seconds of a URL presigned now."""
    [link, *_] = stack.api.get(f"/tickets/{ticket}/images").json()["images"]
    assert stack.api.download(link["url"]).status_code == 200
    return (datetime.fromisoformat(link["expires_at"]) - datetime.now(UTC)).total_seconds()


def update(stack: LocalStack, parameters: dict[str, str]) -> None:
    given = {"VendorUrl": stack.at.vendor_url, **local_stack.PARAMETERS, **parameters}
    deploy.deploy(stack.at.stack_name, given, stack.at.account, silent(), stack.state / "logs")
    account.correct_event_sources(stack.at.account)
    account.await_versions(stack.at.account)


def test_update_under_load_replaces_no_resource_and_loses_no_ticket(tmp_path: Path) -> None:
    with running(tmp_path / "stack") as stack:
        # GIVEN an archived ticket, and queued ones because the vendor is slow
        first, *waiting = [each["ticket"] for each in stack.vendor("tickets", count=1 + WAITING, start=400)]
        assert stack.post(first) == 202
        before = archived(stack, first)
        names, versions = kept(stack), published(stack)
        stack.vendor("latency", details=2500)
        for ticket in waiting:
            assert stack.post(ticket) == 202

        # WHEN the stack is updated meanwhile
        update(stack, {"UrlLifeSeconds": "120", "LogLevel": "DEBUG", "TicketSenderRuleArns": "arn:aws:events:::rule/r"})

        # THEN nothing was replaced, archived tickets are unchanged, and the new setting applies
        assert kept(stack) == names
        assert archived(stack, first) == before
        assert 60 < life(stack, first) <= 120

        # AND every queued ticket is archived, with the same credential and secret
        stack.vendor("latency", details=0)
        for ticket in waiting:
            archived(stack, ticket)
        counts = stack.sqs.get_queue_attributes(
            QueueUrl=stack.at.dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert counts["Attributes"]["ApproximateNumberOfMessages"] == "0"

        # AND an update of something else publishes no version
        renewed = published(stack)
        assert not renewed.items() & versions.items()
        update(stack, {"UrlLifeSeconds": "120", "LogLevel": "DEBUG", "RequeueEveryMinutes": "7"})
        assert published(stack) == renewed

        # AND a rollback to the versions before works
        for name, version in versions.items():
            stack.functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
        assert life(stack, first) > 120


def archived(stack: LocalStack, ticket: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = stack.api.get(f"/tickets/{ticket}")
        return answer.json() if answer.status_code == 200 else None

    return eventually(look, f"{ticket} archived", seconds=60)
