"""Both stacks of samconfig.toml in one account: the second has every organization parameter, and is updated under load.

The session's stack is production; changes of the other do not affect it. The emulator runs neither DynamoDB's time
to live nor S3's lifecycle rules: the test of retention checks what these look at.
"""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from local import ROOT, account, deploy
from local import stack as local_stack
from local.account import ALIAS, EVERYTHING
from local.stack import Vendor
from local.terminal import SILENT
from local.vendor.credential import Credential
from ops.queues import Queue
from tests.integration.test_deployments import ORGANIZATION, ORIGIN
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from tests.unit.test_upgrades import RECORD
from ticket_archive.retention import NEVER, expiry

pytestmark = pytest.mark.stack

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
SANDBOX, PRODUCTION = (CONFIG[name]["global"]["parameters"]["stack_name"] for name in ("default", "production"))
CONSUMER = ORGANIZATION["ConsumerPrincipals"].rpartition("/")[2]
BOUNDARY = ORGANIZATION["PermissionsBoundaryArn"].rpartition("/")[2]
DAYS = 30
PARAMETERS = {**local_stack.PARAMETERS, **ORGANIZATION, "RetentionDays": str(DAYS)}
ENDS = [{"Key": "retention", "Value": "limited"}]
NO_IAM = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
WAITING = 4
FIRST = 606  # of the simulator's tickets: the one whose retention is tested


def update(stack: LocalStack, **changed: str) -> None:
    """Deploy the second stack, or update it."""
    given = {"VendorUrl": stack.at.vendor_url, **PARAMETERS, **changed}
    deploy.deploy(SANDBOX, given, stack.at.account, SILENT, stack.state / "logs")
    account.await_versions(stack.at.account)


def physical(stack: LocalStack, name: str) -> dict[str, tuple[str, str]]:
    """Return the type and physical id of every resource of a stack, by logical id."""
    listed = stack.cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return {each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", "")) for each in listed}


def published(stack: LocalStack, name: str) -> dict[str, str]:
    """Return the version that each function's alias points at, by the function's name."""
    names = [each for kind, each in physical(stack, name).values() if kind == "AWS::Lambda::Function"]
    return {each: stack.functions.get_alias(FunctionName=each, Name=ALIAS)["FunctionVersion"] for each in names}


@pytest.fixture(scope="module")
def sandbox(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The second stack: same vendor, another webhook secret, and roles under a permissions boundary."""
    boundary: Any = {**EVERYTHING, "Statement": [EVERYTHING["Statement"][0], NO_IAM]}
    stack.iam.create_policy(PolicyName=BOUNDARY, PolicyDocument=json.dumps(boundary))
    update(stack)
    credential = Credential.generate(local_stack.SEED)
    at = local_stack.connect(stack.at.account, SANDBOX, Vendor(stack.at.vendor_url, credential))
    roles = [name for kind, name in physical(stack, SANDBOX).values() if kind == "AWS::IAM::Role"]
    for name in roles:  # MiniStack 1.5.33 leaves the property out
        stack.iam.put_role_permissions_boundary(
            RoleName=name, PermissionsBoundary=ORGANIZATION["PermissionsBoundaryArn"]
        )
    second = LocalStack(at, tmp_path_factory.mktemp("sandbox"))
    at.save(second.state)  # for the operators' commands
    yield second
    second.close()
    stack.delete(SANDBOX)  # other tests list the account's functions


@pytest.fixture(scope="module")
def tickets(stack: LocalStack) -> list[str]:
    made: list[dict[str, str]] = stack.vendor("tickets", count=2 + WAITING, start=600)
    return [each["ticket"] for each in made]


@pytest.fixture(scope="module")
def first(sandbox: LocalStack, tickets: list[str]) -> str:
    """A ticket that went through the second stack."""
    assert sandbox.post(tickets[0]) == 202
    sandbox.archived(tickets[0])
    return tickets[0]


def test_sandbox_and_production_share_no_resource_and_no_ticket(
    stack: LocalStack, sandbox: LocalStack, tickets: list[str], first: str
) -> None:
    assert stack.at.stack_name == PRODUCTION
    # A stage's id is unique within its API only.
    production, own = (
        {each for each in physical(stack, name).values() if each[0] != "AWS::ApiGateway::Stage"}
        for name in (PRODUCTION, SANDBOX)
    )
    assert min(len(own), len(production)) > 40
    assert own & production == set()
    assert stack.post(tickets[1]) == 202
    stack.archived(tickets[1])
    for ticket, other in ((first, stack), (tickets[1], sandbox)):
        assert other.api.get(f"/tickets/{ticket}").status_code == 404


def test_consumers_read_manifests_and_a_page_may_load_images(
    stack: LocalStack, sandbox: LocalStack, first: str
) -> None:
    keys = {key.split("/")[2]: key for key in sandbox.keys(first)}
    with sandbox.user(CONSUMER) as consumer:
        manifest = json.loads(consumer.s3.get_object(Bucket=sandbox.at.bucket, Key=keys["manifests"])["Body"].read())
        assert manifest["ticket"] == first
        with pytest.raises(ClientError, match="AccessDenied"):
            consumer.s3.get_object(Bucket=sandbox.at.bucket, Key=keys["images"])
    for origin, allowed in ((ORIGIN, ORIGIN), ("https://other.example.com", None)):
        sandbox.api._http.headers["Origin"] = origin
        answer = sandbox.api.get(f"/tickets/{first}/images")
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def life(stack: LocalStack, ticket: str) -> float:
    """Return the remaining seconds of a URL presigned now."""
    [link, *_] = stack.api.get(f"/tickets/{ticket}/images").json()["images"]
    assert stack.api.fetch(link["url"]).status_code == 200
    return (datetime.fromisoformat(link["expires_at"]) - datetime.now(UTC)).total_seconds()


def ends(stack: LocalStack, ticket: str) -> tuple[set[int | None], int | None]:
    """Return when the ticket's item and events expire, and when they should, by the time it was first received."""
    found = stack.records(ticket)
    [item] = [each for each in found if each["record"]["S"] == "ticket"]
    given = {int(each["expires_at"]["N"]) if "expires_at" in each else None for each in found}
    return given, expiry(item["received_at"]["S"], DAYS)


def tags(stack: LocalStack, ticket: str) -> dict[str, list[Any]]:
    """Return the tags of a ticket's objects by key and version."""
    return {
        f"{each['Key']} {each['VersionId']}": list(
            stack.s3.get_object_tagging(Bucket=stack.at.bucket, Key=each["Key"], VersionId=each["VersionId"])["TagSet"]
        )
        for each in stack.versions(ticket)
    }


def test_everything_of_a_ticket_expires_together_except_under_a_legal_hold(sandbox: LocalStack) -> None:
    ticket = sandbox.archive(FIRST)

    given, end = ends(sandbox, ticket)
    assert given == {end}
    assert all(tag == ENDS for tag in tags(sandbox, ticket).values())

    # WHEN it is archived again THEN the expiry stays, and objects get a new version
    before = len(tags(sandbox, ticket))
    sandbox.ops("backfill", ticket, "--force")
    eventually(lambda: len(tags(sandbox, ticket)) > before, "the second archive")
    assert ends(sandbox, ticket) == ({end}, end)

    # WHEN it is held, and changes THEN nothing of it expires, nor what is stored from then on
    held = sandbox.ops("hold", ticket, "--case", "CASE-1", "--drain-seconds", "3")
    assert held["tickets"][0]["object_versions"] == len(tags(sandbox, ticket))
    sandbox.vendor("state", ticket=ticket, outcome="REJECTED", take=1)
    sandbox.ops("backfill", ticket, "--force")
    eventually(lambda: len(sandbox.keys(ticket, "manifests/")) == 2, "the new state")
    assert all(tag == [] for tag in tags(sandbox, ticket).values())
    assert ends(sandbox, ticket)[0] == {NEVER, None}
    assert sandbox.ops("retention", "--yes")["held"] == 1
    assert all(tag == [] for tag in tags(sandbox, ticket).values())

    # WHEN it is released THEN all of it expires again
    assert sandbox.ops("release", ticket, "--drain-seconds", "3")["tickets"] == [{"ticket": ticket, "was_held": True}]
    assert ends(sandbox, ticket) == ({end}, end)
    assert all(tag == ENDS for tag in tags(sandbox, ticket).values())


def post_unreadable(stack: LocalStack, credentials: tuple[str, str] | None) -> int:
    """Post a webhook with these credentials; return the status."""
    with requests.Session() as http:
        http.trust_env = False
        url, authority = stack.at.webhook_url, stack.at.ca_bundle
        return http.post(url, data="unreadable", auth=credentials, verify=authority, timeout=60).status_code


def test_update_under_load_replaces_no_resource_and_loses_no_ticket(
    stack: LocalStack, sandbox: LocalStack, tickets: list[str], first: str
) -> None:
    # GIVEN an archived ticket, and queued ones because the vendor is slow
    before, waiting = sandbox.archived(first), tickets[2:]
    names, versions = physical(stack, SANDBOX), published(stack, SANDBOX)
    production = (physical(stack, PRODUCTION), published(stack, PRODUCTION))
    stack.vendor("latency", details=2500)
    for ticket in waiting:
        assert sandbox.post(ticket) == 202

    # WHEN the stack is updated meanwhile
    content = json.dumps({"username": "vendor", "password": "right"})
    arn = sandbox.secrets.create_secret(Name="webhook-credentials", SecretString=content)["ARN"]
    update(stack, UrlLifeSeconds="120", WebhookCredentialsSecretArn=arn)

    # THEN nothing was replaced, archived tickets are unchanged, and the new settings apply
    updated = physical(stack, SANDBOX)
    assert {name: updated.get(name) for name in RECORD} == {name: names[name] for name in RECORD}
    assert sandbox.archived(first) == before
    assert 60 < life(sandbox, first) <= 120
    given = (None, ("vendor", "wrong"), ("vendor", "right"))
    assert [post_unreadable(sandbox, credentials) for credentials in given] == [401, 401, 202]

    # AND every queued ticket is archived, with the same credential and secret; the other stack is as it was
    stack.vendor("latency", details=0)
    for ticket in waiting:
        sandbox.archived(ticket)
    assert Queue(sandbox.sqs, sandbox.at.dead_letter_queue_url).depth().visible == 0
    assert (physical(stack, PRODUCTION), published(stack, PRODUCTION)) == production

    # AND a rollback to the versions before works
    assert not published(stack, SANDBOX).items() & versions.items()
    for name, version in versions.items():
        stack.functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
    assert life(sandbox, first) > 120
