"""The example deployed beside the archive: one step per state of a ticket, and requests through its own rule."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.examples import deployed, manifest_event
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

EXAMPLE = "onboarding"
REQUESTS = f"{EXAMPLE}-ticket-requests"


class Onboarding:
    """The deployed example."""

    def __init__(self, stack: LocalStack, outputs: dict[str, str]) -> None:
        self.stack = stack
        self.outputs = outputs

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

    def delete(self, ticket: str) -> None:
        self.stack.dynamodb.delete_item(TableName=self.outputs["OnboardingsTable"], Key={"ticket": {"S": ticket}})

    def deliver(self, key: str) -> int:
        """Invoke the function with a manifest's S3 event; return the number of steps it made."""
        event = manifest_event(self.stack, key)
        result = self.stack.invoke(self.outputs["OnboardingFunction"], event, "$LATEST")
        assert "steps" in result, result
        return int(result["steps"])


@pytest.fixture(scope="module")
def onboarding(stack: LocalStack) -> Iterator[Onboarding]:
    """Deploy the example beside the session's archive, and delete it afterwards: it would process every test's tickets.

    The emulator delivers to a queue regardless of its policy; tests/unit/template checks that the archive's
    policy allows only the rules in TicketSenderRuleArns.
    """
    with deployed(stack, EXAMPLE) as outputs:
        assert outputs["TicketRequestsArn"].endswith(f":rule/{REQUESTS}")
        yield Onboarding(stack, outputs)


def completes(stack: LocalStack, ticket: str, outcome: str, form: str) -> None:
    """Set the vendor's outcome and post its event. An equal event would be a duplicate, so each has its own form."""
    stack.vendor("state", ticket=ticket, outcome=outcome)
    assert stack.post(ticket, form) == 202


def after(example: Onboarding, ticket: str, steps: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        record = example.record(ticket)
        return record if record and record["steps"] >= steps else None

    return eventually(look, f"step {steps} of {ticket}")


OUTCOMES = ["ACCEPTED", "REJECTED", "ACCEPTED"]
FORMS = ["completed", "verification", "invitation"]


def test_each_state_is_one_step_with_duplicated_and_reordered_events(onboarding: Onboarding) -> None:
    stack = onboarding.stack
    ticket = stack.ticket(300)

    # GIVEN a ticket that is accepted, rejected and accepted again, WHEN events arrive THEN each is one step
    for steps, (outcome, form) in enumerate(zip(OUTCOMES, FORMS, strict=True), start=1):
        completes(stack, ticket, outcome, form)
        record = after(onboarding, ticket, steps)
        assert (record["steps"], record["outcomes"]) == (steps, OUTCOMES[:steps])
    assert record["stage"] == "account_opened"
    states = stack.manifests(ticket)
    assert [state["outcome"] for state in states] == OUTCOMES
    assert [state["previous"] for state in states] == [None, *(state["version"] for state in states[:-1])]
    selfie = next(image["sha256"] for image in states[-1]["images"] if image["type"] == "SELF_PORTRAITS")
    assert record["portrait"] == selfie

    # WHEN every event is delivered again, in another order, THEN no step is made
    for at in (2, 0, 1, 1, 2):
        assert onboarding.deliver(states[at]["key"]) == 0
    assert onboarding.record(ticket) == record

    # WHEN one in the middle comes first
    onboarding.delete(ticket)
    assert [onboarding.deliver(states[at]["key"]) for at in (1, 0, 2, 1)] == [2, 0, 1, 0]
    assert onboarding.record(ticket) == record


def test_flow_requests_a_ticket_through_its_own_rule(onboarding: Onboarding) -> None:
    stack = onboarding.stack
    ticket = stack.ticket(301)

    # WHEN the flow requests a ticket without a webhook, twice
    entry = {"Source": "onboarding", "DetailType": "Verification finished", "Detail": json.dumps({"ticket": ticket})}
    assert stack.events.put_events(Entries=[entry, entry])["FailedEntryCount"] == 0  # type: ignore[list-item]

    # THEN it is archived, and the onboarding makes one step
    record = after(onboarding, ticket, 1)
    [state] = stack.manifests(ticket)
    assert (record["steps"], record["version"]) == (1, state["version"])


def test_deleted_manifest_is_no_step_and_no_error(onboarding: Onboarding) -> None:
    assert onboarding.deliver(f"tickets/{uuid4()}/manifests/{'0' * 64}.json") == 0
