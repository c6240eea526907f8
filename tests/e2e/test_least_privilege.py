"""Each action that a role has is needed, and others are denied, with the emulator enforcing IAM.

An action is taken out of the deployed role's policy, the deployed function is invoked, and something that it promises
must fail; then the policy is as it was. The emulator decides by the policy at the moment of the call.
"""

import copy
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from local.account import ALIAS
from tests.support.archive_harness import COMPLETED, webhook
from tests.support.fakes import sqs_record
from tests.support.stack import LocalStack
from ticket_archive.clock import iso, now
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.messages import ticket_message
from ticket_archive.webhook_encryption import IV_HEADER

pytestmark = pytest.mark.stack

POLICY = {"IngestRole": "ingest", "RetrievalRole": "retrieval", "ScheduleRole": "schedule"}
NOT_TESTABLE_HERE = {
    # The emulator's poller reads the queue with rights of its own; AWS refuses an event source without these.
    ("IngestRole", "ConsumeTicketQueue", "sqs:ReceiveMessage"),
    ("IngestRole", "ConsumeTicketQueue", "sqs:DeleteMessage"),
    ("IngestRole", "ConsumeTicketQueue", "sqs:GetQueueAttributes"),
    # The emulator does not ask for it where an object is put with a tag.
    ("IngestRole", "TagExpiringObjects", "s3:PutObjectTagging"),
    # The emulator encrypts nothing at rest on a caller's behalf, and writes the functions' logs itself.
    ("IngestRole", "UseKey", "kms:GenerateDataKey"),
    ("IngestRole", "UseKey", "kms:Decrypt"),
    ("IngestRole", "WriteLogs", "logs:CreateLogStream"),
    ("IngestRole", "WriteLogs", "logs:PutLogEvents"),
    ("RetrievalRole", "UseKey", "kms:Decrypt"),
    ("RetrievalRole", "WriteLogs", "logs:CreateLogStream"),
    ("RetrievalRole", "WriteLogs", "logs:PutLogEvents"),
}


class Deployed:
    """The stack's functions and roles by their logical ids."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.names = stack.resources
        self._next = 3100

    def ticket(self, **state: Any) -> str:
        """Return a new ticket; with no uploaded type empty, one attempt archives it."""
        self._next += 1
        ticket = self.stack.ticket(self._next)
        self.stack.vendor("state", ticket=ticket, **{"flow": "DOCUMENT_AND_SELFIE", **state})
        return ticket

    def ingest(self, event: dict[str, Any]) -> Any:
        return self.stack.invoke(self.names["IngestFunction"], event)

    def work(self, *bodies: str) -> list[str]:
        """Invoke with messages as the event source does; return the identifiers of failed ones."""
        sent = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))}
        answer = self.ingest({"Records": [{**sqs_record(body), "attributes": sent} for body in bodies]})
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def archive(self, ticket: str, *, force: bool = False) -> bool:
        return self.work(ticket_message(ticket, force=force)) == []

    def webhook(self, ticket: str) -> str:
        secret = self.stack.at.webhook_secret.encode()
        return webhook({**COMPLETED, "ticket": ticket}, secret, received_at=iso(now()))

    def policy(self, role: str) -> dict[str, Any]:
        given = self.stack.iam.get_role_policy(RoleName=self.names[role], PolicyName=POLICY[role])
        return cast("dict[str, Any]", given["PolicyDocument"])

    @contextmanager
    def without(self, role: str, sid: str, action: str) -> Iterator[None]:
        """Remove an action from a statement of the role's policy."""
        whole = self.policy(role)
        reduced = copy.deepcopy(whole)
        [statement] = [each for each in reduced["Statement"] if each["Sid"] == sid]
        actions = listed(statement["Action"])
        # A policy may not be empty, nor may a statement be.
        statement["Action"] = [each for each in actions if each != action] or ["sts:GetCallerIdentity"]
        assert action in actions, f"{role} is not granted {action}"
        self._put(role, reduced)
        try:
            yield
        finally:
            self._put(role, whole)

    def as_role(self, role: str) -> LocalStack:
        """Return the stack's clients with the role's own credentials."""
        found: Any = self.stack.iam.get_role(RoleName=self.names[role])["Role"]
        arn, trusted = found["Arn"], found["AssumeRolePolicyDocument"]
        principal = {"AWS": self.stack.sts.get_caller_identity()["Arn"]}
        me = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        self._trust(role, {**trusted, "Statement": [me]})
        try:
            given = self.stack.sts.assume_role(RoleArn=arn, RoleSessionName="least-privilege")["Credentials"]
        finally:
            self._trust(role, trusted)
        as_role = LocalStack(self.stack.at, self.stack.state)
        as_role.session._session.set_credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return as_role

    def _put(self, role: str, policy: dict[str, Any]) -> None:
        self.stack.iam.put_role_policy(
            RoleName=self.names[role], PolicyName=POLICY[role], PolicyDocument=json.dumps(policy)
        )

    def _trust(self, role: str, policy: dict[str, Any]) -> None:
        self.stack.iam.update_assume_role_policy(RoleName=self.names[role], PolicyDocument=json.dumps(policy))


def listed(actions: Any) -> list[str]:
    return [actions] if isinstance(actions, str) else list(actions)


@pytest.fixture(scope="module")
def deployed(stack: LocalStack) -> Deployed:
    return Deployed(stack)


def accepts_a_webhook(deployed: Deployed) -> bool:
    headers = {"Content-Type": "text/plain", IV_HEADER: b64encode(bytes(16)).decode()}
    request = {"httpMethod": "POST", "resource": "/webhooks/tickets", "headers": headers, "body": "x"}
    event = {**request, "isBase64Encoded": False, "requestContext": {"stage": "v1"}}
    return bool(deployed.ingest(event)["statusCode"] == 202)


def quarantines_junk(deployed: Deployed) -> bool:
    return deployed.work("junk") == []


def sets_the_visibility_timeout(deployed: Deployed) -> bool:
    ticket = str(uuid4())
    deployed.work(ticket_message(ticket))
    lines = deployed.stack.logged("ingest", time.time() - 10)
    failures = [line for line in lines if "visibility timeout not set" in line]
    assert failures, "SQS does not know the receipt handle"
    return "AccessDenied" not in failures[-1]


def delays_a_pending_ticket(deployed: Deployed) -> bool:
    """A ticket with a pending answer gets a delayed message."""
    return deployed.archive(deployed.ticket(flow="DOCUMENT_ONLY"))


def archives_a_request(deployed: Deployed) -> bool:
    return deployed.archive(deployed.ticket())


def archives_a_webhook(deployed: Deployed) -> bool:
    """A ticket is archived after its webhook, with the event."""
    return deployed.work(deployed.webhook(deployed.ticket())) == []


def reads_the_secrets(deployed: Deployed) -> bool:
    """A new process, which has read no secret, archives a ticket."""
    deployed.stack.overwrite(deployed.names["IngestFunction"])
    return archives_a_webhook(deployed)


def runs_the_schedule(deployed: Deployed) -> bool:
    return "errorMessage" not in deployed.ingest({"source": SCHEDULE_SOURCE, "schedule": "x"})


def fetches_a_duplicated_event_once(deployed: Deployed) -> bool:
    """Two copies of an event that arrive together cost the vendor's calls once."""
    message = deployed.webhook(ticket := deployed.ticket())
    deployed.stack.vendor("latency", details=500)
    deployed.work(message, message)
    deployed.stack.vendor("latency", details=0)
    return len(deployed.stack.vendor("calls", ticket=ticket, endpoint="details")) == 1


def ignores_a_processed_event(deployed: Deployed) -> bool:
    """A second delivery of a processed event succeeds and makes no vendor call."""
    message = deployed.webhook(ticket := deployed.ticket())
    assert deployed.work(message) == []
    calls = len(deployed.stack.vendor("calls", ticket=ticket))
    return deployed.work(message) == [] and len(deployed.stack.vendor("calls", ticket=ticket)) == calls


def retries_a_failed_event(deployed: Deployed) -> bool:
    """An event that failed is processed at its next delivery."""
    message = deployed.webhook(ticket := deployed.ticket())
    deployed.stack.vendor("script", fault="not_ready", endpoint="details", ticket=ticket, times=1)
    assert deployed.work(message) != []
    return deployed.work(message) == []


def serves_a_ticket(deployed: Deployed) -> bool:
    return deployed.stack.api.get(f"/tickets/{archived_ticket(deployed)}").status_code == 200


def lists_a_customers_tickets(deployed: Deployed) -> bool:
    return deployed.stack.api.get("/customers/C-1/tickets").status_code == 200


def presigns_urls(deployed: Deployed) -> bool:
    """A presigned URL works: it has its signer's permissions."""
    images = deployed.stack.api.get(f"/tickets/{archived_ticket(deployed)}/images").json()["images"]
    return deployed.stack.api.fetch(images[0]["url"]).status_code == 200


def invokes_ingest(deployed: Deployed) -> bool:
    return can_invoke_as_the_schedule(deployed, f"{deployed.names['IngestFunction']}:{ALIAS}")


def can_invoke_as_the_schedule(deployed: Deployed, function: str) -> bool:
    scheduler = deployed.as_role("ScheduleRole")
    event = json.dumps({"source": SCHEDULE_SOURCE, "schedule": "x"}).encode()
    try:
        scheduler.functions.invoke(FunctionName=function, Payload=event)
    except scheduler.functions.exceptions.ClientError as error:
        return not error.response["Error"]["Code"].startswith("AccessDenied")
    return True


def archived_ticket(deployed: Deployed) -> str:
    ticket = deployed.stack.ticket(3090)
    if deployed.stack.api.get(f"/tickets/{ticket}").status_code != 200:
        assert deployed.archive(ticket)
    return ticket


NEEDED: list[tuple[str, str, str, Callable[[Deployed], bool]]] = [
    ("IngestRole", "SendMessages", "sqs:SendMessage", accepts_a_webhook),
    ("IngestRole", "SendMessages", "sqs:SendMessage", quarantines_junk),
    ("IngestRole", "SendMessages", "sqs:SendMessage", delays_a_pending_ticket),
    ("IngestRole", "ConsumeTicketQueue", "sqs:ChangeMessageVisibility", sets_the_visibility_timeout),
    ("IngestRole", "WriteTickets", "dynamodb:UpdateItem", archives_a_request),
    ("IngestRole", "WriteTickets", "dynamodb:PutItem", archives_a_webhook),
    ("IngestRole", "WriteTickets", "dynamodb:GetItem", archives_a_request),
    ("IngestRole", "QueryIncompleteTickets", "dynamodb:Query", runs_the_schedule),
    ("IngestRole", "WriteIdempotencyRecords", "dynamodb:PutItem", fetches_a_duplicated_event_once),
    ("IngestRole", "WriteIdempotencyRecords", "dynamodb:UpdateItem", ignores_a_processed_event),
    ("IngestRole", "WriteIdempotencyRecords", "dynamodb:DeleteItem", retries_a_failed_event),
    ("IngestRole", "PutObjects", "s3:PutObject", archives_a_request),
    ("IngestRole", "ReadSecrets", "secretsmanager:GetSecretValue", reads_the_secrets),
    ("RetrievalRole", "ReadTickets", "dynamodb:GetItem", serves_a_ticket),
    ("RetrievalRole", "QueryCustomerTickets", "dynamodb:Query", lists_a_customers_tickets),
    ("RetrievalRole", "ReadImagesAndDetails", "s3:GetObject", presigns_urls),
    ("ScheduleRole", "InvokeIngest", "lambda:InvokeFunction", invokes_ingest),
]


@pytest.mark.parametrize(
    ("role", "sid", "action", "behaviour"),
    NEEDED,
    ids=[f"{sid}-{action}-{behaviour.__name__}" for _, sid, action, behaviour in NEEDED],
)
def test_granted_action_is_needed(
    deployed: Deployed, role: str, sid: str, action: str, behaviour: Callable[[Deployed], bool]
) -> None:
    assert behaviour(deployed), "it fails with all granted actions"
    with deployed.without(role, sid, action):
        assert not behaviour(deployed), f"it works without {action}: the role does not need it"


def test_every_granted_action_is_tested_or_listed_as_beyond_the_emulator(deployed: Deployed) -> None:
    granted = {
        (role, statement["Sid"], action)
        for role in POLICY
        for statement in deployed.policy(role)["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    assert granted == {(role, sid, action) for role, sid, action, _ in NEEDED} | NOT_TESTABLE_HERE


def test_granted_actions_are_denied_on_other_resources(deployed: Deployed) -> None:
    """Actions that are not granted: `test_every_granted_action_is_tested_or_listed_as_beyond_the_emulator`."""
    ingest, retrieval = deployed.as_role("IngestRole"), deployed.as_role("RetrievalRole")
    at, names, ticket = deployed.stack.at, deployed.names, archived_ticket(deployed)
    [manifest] = deployed.stack.keys(ticket, "manifests/")
    unrecognized = f"tickets/{ticket}/unrecognized/x"
    deployed.stack.s3.put_object(Bucket=at.bucket, Key=unrecognized, Body=b"x")
    attempts: dict[str, Callable[[], Any]] = {
        "an object outside tickets/": lambda: ingest.s3.put_object(Bucket=at.bucket, Key="elsewhere/x", Body=b"x"),
        "a customer's tickets": lambda: ingest.dynamodb.query(
            TableName=at.table,
            IndexName="by-customer",
            KeyConditionExpression="customer = :c",
            ExpressionAttributeValues={":c": {"S": "C"}},
        ),
        "dead letters": lambda: ingest.sqs.receive_message(QueueUrl=at.dead_letter_queue_url),
        "a manifest": lambda: retrieval.s3.get_object(Bucket=at.bucket, Key=manifest),
        "an unrecognized file": lambda: retrieval.s3.get_object(Bucket=at.bucket, Key=unrecognized),
        "an idempotency record": lambda: retrieval.dynamodb.get_item(
            TableName=names["Idempotency"], Key={"id": {"S": "x"}}
        ),
    }
    for what, attempt in attempts.items():
        with pytest.raises(ClientError) as error:
            attempt()
        assert error.value.response["Error"]["Code"].startswith("AccessDenied"), what


def test_schedule_cannot_bypass_the_alias(deployed: Deployed) -> None:
    assert not can_invoke_as_the_schedule(deployed, deployed.names["IngestFunction"])
    assert not can_invoke_as_the_schedule(deployed, f"{deployed.names['RetrievalFunction']}:{ALIAS}")
