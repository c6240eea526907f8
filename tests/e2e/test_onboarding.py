"""The example deployed beside the product: one onboarding step per state of a ticket, and the way in."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from local import ROOT
from local.deploy import SAM, tool_environment
from tests.support.documentation import blocks
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

EXAMPLE = "onboarding"
REQUESTS = f"{EXAMPLE}-ticket-requests"


class Onboarding:
    """The example as it is deployed."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        [found] = stack.cloudformation.describe_stacks(StackName=EXAMPLE)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def record(self, ticket: str) -> dict[str, Any] | None:
        key = {"ticket": {"S": ticket}}
        item = self.stack.dynamodb.get_item(TableName=self.outputs["OnboardingsTable"], Key=key).get("Item")
        if item is None:
            return None
        return {
            "steps": int(item["steps"]["N"]),
            "outcomes": [outcome["S"] for outcome in item["outcomes"]["L"]],
            "stage": item["stage"]["S"],
            "version": item["version"]["S"],
            "portrait": item["portrait"].get("S"),
        }

    def forget(self, ticket: str) -> None:
        self.stack.dynamodb.delete_item(TableName=self.outputs["OnboardingsTable"], Key={"ticket": {"S": ticket}})

    def hear(self, key: str) -> int:
        """Hand the function S3's event for a manifest once more; returns how many steps it made."""
        event = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": key}}}
        answer = self.stack.functions.invoke(
            FunctionName=self.outputs["OnboardingFunction"], Payload=json.dumps(event).encode()
        )
        told = json.loads(answer["Payload"].read())
        assert "steps" in told, told
        return int(told["steps"])


@pytest.fixture(scope="module")
def onboarding(stack: LocalStack) -> Iterator[Onboarding]:
    """Beside the session's product, and gone again afterwards: it would hear of every other test's tickets.

    The emulator delivers to a queue whatever its policy says; that the archive must name the rule, the template's test
    keeps.
    """
    deploy(stack)
    try:
        example = Onboarding(stack)
        assert example.outputs["TicketRequestsArn"].endswith(f":rule/{REQUESTS}")
        yield example
    finally:
        _sam(stack, "delete", "--stack-name", EXAMPLE, "--no-prompts")  # as docs/deploying.md removes the product


def deploy(stack: LocalStack) -> None:
    """As the example's README has it, with the archive's outputs."""
    [archive] = stack.cloudformation.describe_stacks(StackName=stack.at.stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in archive["Outputs"]}
    parameters = {
        "ArchiveBucket": outputs["BucketName"],
        "ArchiveKeyArn": outputs["KeyArn"],
        "ArchiveQueueArn": outputs["QueueArn"],
        "ArchiveApiUrl": stack.at.api_url,  # the output has AWS's own address
        "ArchiveApiId": outputs["ApiId"],
    }
    [told] = [each for block in blocks("sh") for each in block.commands if "ArchiveBucket=…" in each]
    assert {word.removesuffix("=…") for word in told if word.endswith("=…")} == set(parameters)
    typed = [word.replace("…", parameters.get(word.removesuffix("=…"), "…")) for word in told]
    _sam(stack, *typed[1:], "--no-confirm-changeset")


def _sam(stack: LocalStack, *arguments: str) -> None:
    done = subprocess.run(
        [SAM, *arguments],
        env=tool_environment({**stack.at.account.settings(), "SAM_CLI_POLL_DELAY": "0.2"}),
        cwd=ROOT / "examples" / "onboarding",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def manifests(stack: LocalStack, ticket: str) -> list[dict[str, Any]]:
    """A ticket's manifests, the first state first."""
    listed = stack.s3.list_objects_v2(Bucket=stack.at.bucket, Prefix=f"tickets/{ticket}/manifests/")
    found = [
        {**json.loads(stack.s3.get_object(Bucket=stack.at.bucket, Key=item["Key"])["Body"].read()), "key": item["Key"]}
        for item in listed.get("Contents", [])
    ]
    return sorted(found, key=lambda manifest: str(manifest["archived_at"]))


def ends(stack: LocalStack, ticket: str, outcome: str, form: str) -> None:
    """The vendor comes to an outcome, and says so: in another form each time, for the same words are the same event."""
    stack.vendor("state", ticket=ticket, outcome=outcome)
    assert stack.post(ticket, form) == 202


def after(example: Onboarding, ticket: str, steps: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        record = example.record(ticket)
        return record if record and record["steps"] >= steps else None

    return eventually(look, f"step {steps} of {ticket}")


OUTCOMES = ["ACCEPTED", "REJECTED", "ACCEPTED"]
FORMS = ["completed", "verification", "invitation"]


def test_a_ticket_makes_one_step_for_each_of_its_states_however_its_events_come(onboarding: Onboarding) -> None:
    stack = onboarding.stack
    ticket = stack.vendor("tickets", count=1, start=300)[0]["ticket"]

    # GIVEN a ticket that is accepted, rejected and accepted again, WHEN each is told THEN each is one step
    for steps, (outcome, form) in enumerate(zip(OUTCOMES, FORMS, strict=True), start=1):
        ends(stack, ticket, outcome, form)
        record = after(onboarding, ticket, steps)
        assert (record["steps"], record["outcomes"]) == (steps, OUTCOMES[:steps])
    assert record["stage"] == "account_opened"
    states = manifests(stack, ticket)
    assert [state["outcome"] for state in states] == OUTCOMES
    assert [state["previous"] for state in states] == [None, *(state["version"] for state in states[:-1])]
    selfie = next(image["sha256"] for image in states[-1]["images"] if image["type"] == "SELF_PORTRAITS")
    assert record["portrait"] == selfie

    # WHEN every event comes again, in another order, THEN nothing moves
    for at in (2, 0, 1, 1, 2):
        assert onboarding.hear(states[at]["key"]) == 0
    assert onboarding.record(ticket) == record

    # WHEN the newest is the first to come, and the others follow THEN the steps are the same
    onboarding.forget(ticket)
    assert [onboarding.hear(states[at]["key"]) for at in (2, 0, 2, 1, 0)] == [3, 0, 0, 0, 0]
    assert onboarding.record(ticket) == record

    # WHEN one in the middle is the first
    onboarding.forget(ticket)
    assert [onboarding.hear(states[at]["key"]) for at in (1, 0, 2, 1)] == [2, 0, 1, 0]
    assert onboarding.record(ticket) == record


def test_a_flow_asks_for_a_ticket_through_its_own_rule(onboarding: Onboarding) -> None:
    stack = onboarding.stack
    ticket = stack.vendor("tickets", count=1, start=301)[0]["ticket"]

    # WHEN the flow says that a ticket is done, whose webhook never came, and says it twice
    entry = {"Source": "onboarding", "DetailType": "Verification finished", "Detail": json.dumps({"ticket": ticket})}
    assert stack.events.put_events(Entries=[entry, entry])["FailedEntryCount"] == 0  # type: ignore[list-item]

    # THEN it is archived, and the onboarding makes its one step
    record = after(onboarding, ticket, 1)
    [state] = manifests(stack, ticket)
    assert (record["steps"], record["version"]) == (1, state["version"])


def test_a_manifest_that_is_gone_is_no_step_and_no_error(onboarding: Onboarding) -> None:
    assert onboarding.hear(f"tickets/{uuid4()}/manifests/{'0' * 64}.json") == 0
