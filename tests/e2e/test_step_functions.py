"""The state machine deployed beside the archive: with single, repeated, early, late and lost events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.downstream import queue_of_events
from tests.support.examples import deployed, manifest_event
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType

pytestmark = pytest.mark.stack


class Verifications:
    """The deployed example. Its machine waits for an hour; `hasty` and `patient` wait for a second, then ask."""

    def __init__(self, stack: LocalStack, outputs: dict[str, str]) -> None:
        self.stack = stack
        self.outputs = outputs
        self.client: Any = stack.session.client("stepfunctions", endpoint_url=stack.at.endpoint_url)
        self.machine = outputs["Verification"]
        self.hasty = self._copy("hasty", attempts=1)
        self.patient = self._copy("patient", attempts=60)

    def _copy(self, name: str, attempts: int) -> str:
        described = self.client.describe_state_machine(stateMachineArn=self.machine)
        definition = json.loads(described["definition"])
        definition["States"]["WaitForManifest"]["TimeoutSeconds"] = 1
        definition["States"]["AskArchive"]["Retry"][0].update(IntervalSeconds=1, BackoffRate=1, MaxAttempts=attempts)
        copied = {"name": name, "definition": json.dumps(definition), "roleArn": described["roleArn"]}
        return str(self.client.create_state_machine(**copied)["stateMachineArn"])

    def close(self) -> None:
        for machine in (self.hasty, self.patient):
            self.client.delete_state_machine(stateMachineArn=machine)

    def start(self, machine: str, **subject: str) -> str:
        given = json.dumps(subject)
        return str(self.client.start_execution(stateMachineArn=machine, input=given)["executionArn"])

    def token(self, **subject: str) -> str:
        """Wait until an execution waits for the subject; return its token."""
        [(name, value)] = subject.items()
        key = {"waits_for": {"S": f"{name}#{value}"}}

        def look() -> str | None:
            item = self.stack.dynamodb.get_item(TableName=self.outputs["TokensTable"], Key=key).get("Item")
            return item["token"]["S"] if item else None

        return eventually(look, f"the token of {key}")

    def set_token(self, token: str | None, ticket: str) -> None:
        key = {"waits_for": {"S": f"ticket#{ticket}"}}
        if token is None:
            self.stack.dynamodb.delete_item(TableName=self.outputs["TokensTable"], Key=key)
        else:
            item = {**key, "token": {"S": token}, "since": {"S": "2026-01-01T00:00:00Z"}}
            self.stack.dynamodb.put_item(TableName=self.outputs["TokensTable"], Item=item)

    def result(self, execution: str) -> tuple[str, dict[str, Any]]:
        """Wait for the end; return the last state's name and the output."""

        def ended() -> dict[str, Any] | None:
            done: dict[str, Any] = self.client.describe_execution(executionArn=execution)
            return done if done["status"] != "RUNNING" else None

        done = eventually(ended, "the end of an execution")
        assert done["status"] == "SUCCEEDED", done
        return self.states(execution)[-1], json.loads(done["output"])

    def states(self, execution: str) -> list[str]:
        history = self.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [each["stateEnteredEventDetails"]["name"] for each in history if "stateEnteredEventDetails" in each]

    def deliver(self, ticket: str) -> bool:
        """Invoke the function with the event of a ticket's manifest; return whether an execution was resumed."""
        [key] = self.stack.keys(ticket, "manifests/")
        result = self.stack.invoke(self.outputs["ManifestCreated"], manifest_event(self.stack, key), "$LATEST")
        assert "resumed" in result, result
        return bool(result["resumed"])

    def question(self, ticket: str) -> dict[str, Any]:
        """Wait until a person is asked about the ticket; return the message."""
        queue = self.outputs["ReviewQueueUrl"]

        def look() -> dict[str, Any] | None:
            for message in self.stack.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
                body: dict[str, Any] = json.loads(message["Body"])
                self.stack.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                if body["subject"] == {"ticket": ticket}:
                    return body
            return None

        return eventually(look, f"the question about {ticket}")

    def answer(self, question: dict[str, Any], outcome: str) -> None:
        answer = json.dumps({"outcome": outcome, "complete": True})
        self.client.send_task_success(taskToken=question["token"], output=answer)

    def ticket(self, number: int, outcome: str) -> str:
        ticket = self.stack.ticket(number)
        self.stack.vendor("state", ticket=ticket, outcome=outcome)
        return ticket


@pytest.fixture(scope="module")
def verifications(stack: LocalStack) -> Iterator[Verifications]:
    with deployed(stack, "step-functions") as outputs:
        example = Verifications(stack, outputs)
        yield example
        example.close()


def test_event_of_the_ticket_resumes_its_execution_once(verifications: Verifications) -> None:
    ticket = verifications.ticket(310, "ACCEPTED")
    execution = verifications.start(verifications.machine, ticket=ticket)
    token = verifications.token(ticket=ticket)

    assert verifications.stack.post(ticket) == 202
    last, result = verifications.result(execution)
    assert (last, result["ticket"], result["outcome"], result["complete"]) == ("Accepted", ticket, "ACCEPTED", True)
    assert verifications.states(execution) == ["StartVerification", "WaitForManifest", "Decide", last]

    # WHEN the event comes again THEN nothing happens, also if the token has not been deleted yet
    assert verifications.deliver(ticket) is False
    verifications.set_token(token, ticket)
    assert verifications.deliver(ticket) is False
    assert verifications.result(execution) == (last, result)


def test_event_of_a_customers_ticket_resumes_the_customers_execution(verifications: Verifications) -> None:
    stack = verifications.stack
    about = stack.vendor("tickets", count=1, start=312)[0]
    stack.vendor("state", ticket=about["ticket"], outcome="ACCEPTED")
    execution = verifications.start(verifications.machine, customer=about["customer"])
    verifications.token(customer=about["customer"])

    assert stack.post(about["ticket"]) == 202
    last, result = verifications.result(execution)
    assert (last, result["ticket"]) == ("Accepted", about["ticket"])


def test_start_is_an_event_that_others_can_react_to(verifications: Verifications) -> None:
    stack = verifications.stack
    pattern = {"source": ["verification"], "detail-type": ["Verification requested"]}
    with queue_of_events(stack, pattern) as queue:
        execution = verifications.start(verifications.machine, ticket="762ebbda")
        [message] = stack.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
        assert json.loads(message["Body"])["detail"] == {"ticket": "762ebbda"}
    verifications.client.stop_execution(executionArn=execution)


def test_event_before_the_token_is_not_missed(verifications: Verifications) -> None:
    ticket = verifications.ticket(318, "ACCEPTED")
    assert verifications.stack.post(ticket) == 202
    eventually(lambda: verifications.stack.keys(ticket, "manifests/"), f"{ticket} archived")
    assert verifications.deliver(ticket) is False

    last, result = verifications.result(verifications.start(verifications.machine, ticket=ticket))
    assert (last, result["ticket"]) == ("Accepted", ticket)


def test_lost_event_is_replaced_by_a_question_to_the_archive(verifications: Verifications) -> None:
    ticket = verifications.ticket(319, "ACCEPTED")
    execution = verifications.start(verifications.patient, ticket=ticket)
    verifications.token(ticket=ticket)
    verifications.set_token(None, ticket)  # so that the event finds none
    assert verifications.stack.post(ticket) == 202

    last, result = verifications.result(execution)
    assert (last, result["ticket"]) == ("Accepted", ticket)
    assert "AskArchive" in verifications.states(execution)


def test_person_decides_without_an_event_and_an_answer(verifications: Verifications) -> None:
    ticket = verifications.ticket(315, "ACCEPTED")
    execution = verifications.start(verifications.hasty, ticket=ticket)

    question = verifications.question(ticket)
    assert question["result"] == {"outcome": None, "complete": False}
    verifications.answer(question, "REJECTED")
    assert verifications.result(execution)[0] == "Rejected"


def test_person_decides_about_an_incomplete_ticket(verifications: Verifications) -> None:
    stack = verifications.stack
    ticket = verifications.ticket(316, "ACCEPTED")
    stack.vendor("state", ticket=ticket, outcome="ACCEPTED", unusable={"DOCUMENT": "HTML"})
    execution = verifications.start(verifications.machine, ticket=ticket)
    verifications.token(ticket=ticket)
    stack.sqs.send_message(QueueUrl=stack.at.queue_url, MessageBody=ticket_message(ticket, settle=tuple(ImageType)))

    question = verifications.question(ticket)
    assert (question["result"]["outcome"], question["result"]["complete"]) == ("ACCEPTED", False)
    verifications.answer(question, "ACCEPTED")
    assert verifications.result(execution)[0] == "Accepted"
