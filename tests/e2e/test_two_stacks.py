"""Both stacks of samconfig.toml fit into one account and region, and share nothing."""

import json
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from local import ROOT, account, deploy
from local import stack as local_stack
from local.terminal import silent
from tests.support.stack import LocalStack, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
SANDBOX, PRODUCTION = (CONFIG[name]["global"]["parameters"]["stack_name"] for name in ("default", "production"))


@contextmanager
def deployed_beside(stack: LocalStack, name: str) -> Iterator[LocalStack]:
    """Deploy a second stack with its own webhook secret, and the same vendor."""
    at, user = stack.at, stack.at.account
    deploy.deploy(name, {"VendorUrl": at.vendor_url, **local_stack.PARAMETERS}, user, silent(), stack.state / "logs")
    outputs = account.outputs(user, name)
    credential = json.loads((stack.state / local_stack.CREDENTIAL).read_text(encoding="utf-8"))
    webhook_secret = secrets.token_hex(16)
    account.set_secrets(
        user,
        {outputs["VendorCredentialArn"]: credential, outputs["WebhookSecretArn"]: {"secret": webhook_secret}},
    )
    account.correct_event_sources(user)
    account.await_versions(user)
    second = LocalStack(
        replace(
            at,
            webhook_url=local_stack.reachable(outputs["WebhookUrl"], at.endpoint_url),
            webhook_secret=webhook_secret,
            api_url=local_stack.reachable(outputs["ApiUrl"], at.endpoint_url),
            stack_name=name,
            table=outputs["TableName"],
            bucket=outputs["BucketName"],
            queue_url=outputs["QueueUrl"],
            dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
            quarantine_queue_url=outputs["QuarantineQueueUrl"],
        ),
        stack.state,
    )
    try:
        yield second
    finally:
        second.close()


def resources(stack: LocalStack) -> set[tuple[str, str]]:
    """Return the type and physical id of every resource of a stack; a stage's id is unique within its API only."""
    listed = stack.cloudformation.describe_stack_resources(StackName=stack.at.stack_name)["StackResources"]
    found = {(each["ResourceType"], each["PhysicalResourceId"]) for each in listed}
    return {each for each in found if each[0] != "AWS::ApiGateway::Stage"}


def test_sandbox_and_production_share_no_resource_and_no_ticket(tmp_path: Path) -> None:
    with running(tmp_path / "stack") as production, deployed_beside(production, SANDBOX) as sandbox:
        assert production.at.stack_name == PRODUCTION
        assert len(resources(sandbox)) == len(resources(production)) > 40
        assert resources(sandbox) & resources(production) == set()

        tickets = [each["ticket"] for each in production.vendor("tickets", count=2, start=600)]
        for ticket, mine, other in zip(tickets, (production, sandbox), (sandbox, production), strict=True):
            assert mine.post(ticket) == 202
            path = f"/tickets/{ticket}"
            eventually(lambda: mine.api.get(path).status_code == 200 or None, f"{ticket} archived")  # noqa: B023
            assert other.api.get(path).status_code == 404
