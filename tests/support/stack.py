"""The local stack for tests, with a state folder and ports of its own: the fixture `stack` starts one per session."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from typer.testing import CliRunner, Result

from local import stack as local_stack
from local.account import ALIAS, allow, await_version, make_user, outputs
from local.simulator import Simulator
from local.stack import Stack
from local.terminal import SILENT
from ops.commands import app
from tests.support.api import Api
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

PARAMETERS = {"LogLevel": "DEBUG", "SilenceAlarmHours": "1"}
"""The session's stack logs at DEBUG, for tests/faults/test_load.py, and has every alarm."""


NO_ACCESS = json.dumps(allow("sts:GetCallerIdentity"))
"""A policy that allows only what every user may do."""
SERVICES = {"functions": "lambda", "secrets": "secretsmanager"}
"""Services whose clients have another name here."""


class LocalStack:
    """A running stack: `at` is the content of stack.json. Clients are created when first used."""

    cloudformation: CloudFormationClient
    dynamodb: DynamoDBClient
    events: EventBridgeClient
    functions: LambdaClient
    iam: IAMClient
    kms: KMSClient
    logs: CloudWatchLogsClient
    s3: S3Client
    scheduler: Any
    secrets: SecretsManagerClient
    sqs: SQSClient
    sts: STSClient

    def __init__(self, at: Stack, state: Path) -> None:
        self.at = at
        self.state = state
        self.session: boto3.Session = at.account.session()
        self.api = Api(at)
        self.vendor = Simulator(at.vendor_url)
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name not in type(self).__annotations__:
            raise AttributeError(name)
        with self._making:  # a session makes clients for one thread at a time
            if name not in self._clients:
                make: Any = self.session.client
                self._clients[name] = make(SERVICES.get(name, name), endpoint_url=self.at.endpoint_url)
            return self._clients[name]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return outputs(self.at.account, self.at.stack_name)

    @cached_property
    def resources(self) -> dict[str, str]:
        """The stack's resources: physical ids by logical id."""
        found = self.cloudformation.describe_stack_resources(StackName=self.at.stack_name)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}

    @property
    def emulator_log(self) -> str:
        """The log of the emulator and of the functions."""
        return (self.state / "logs" / "emulator.log").read_text(encoding="utf-8", errors="replace")

    def post(self, ticket: str, form: str = "completed") -> int:
        """Have the vendor post the ticket's event, encrypted; return the status."""
        given = {"secret": self.at.webhook_secret, "ca_bundle": self.at.ca_bundle}
        status: int = self.vendor("webhook", ticket=ticket, url=self.at.webhook_url, form=form, **given)
        return status

    def ticket(self, index: int) -> str:
        """Return the id of one of the simulator's tickets."""
        ticket: str = self.vendor("tickets", count=1, start=index)[0]["ticket"]
        return ticket

    def archived(self, ticket: str, seconds: float = 240.0) -> dict[str, Any]:
        """Wait until the ticket is archived; return the API's response."""

        def look() -> dict[str, Any] | None:
            answer = self.api.get(f"/tickets/{ticket}")
            return answer.json() if answer.status_code == 200 else None

        return eventually(look, f"{ticket} archived", seconds)

    def archive(self, index: int) -> str:
        """Have one of the simulator's tickets archived; return its id."""
        ticket = self.ticket(index)
        assert self.post(ticket) == 202
        self.archived(ticket)
        return ticket

    def keys(self, ticket: str, folder: str = "") -> list[str]:
        """Return the keys of a ticket's objects, or of those in one of its folders."""
        listed = self.s3.list_objects_v2(Bucket=self.at.bucket, Prefix=f"tickets/{ticket}/{folder}")
        return [each["Key"] for each in listed.get("Contents", ())]

    def versions(self, ticket: str = "") -> list[dict[str, Any]]:
        """Return every version of a ticket's objects and every delete marker; without a ticket, of all objects."""
        prefix = f"tickets/{ticket}/" if ticket else ""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.at.bucket, Prefix=prefix)
        return list(filter(None, pages.search("[Versions, DeleteMarkers][]")))

    def manifests(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's manifests, the oldest first, with their keys."""
        found = [
            {**json.loads(self.s3.get_object(Bucket=self.at.bucket, Key=key)["Body"].read()), "key": key}
            for key in self.keys(ticket, "manifests/")
        ]
        return sorted(found, key=lambda manifest: str(manifest["archived_at"]))

    def records(self, ticket: str) -> list[dict[str, Any]]:
        """Return a ticket's item and events in DynamoDB's JSON."""
        found: list[Any] = self.dynamodb.query(
            TableName=self.at.table,
            KeyConditionExpression="ticket = :ticket",
            ExpressionAttributeValues={":ticket": {"S": ticket}},
            ConsistentRead=True,
        )["Items"]
        return found

    def change_item(self, ticket: str, **values: Any) -> None:
        """Set attributes of a ticket's item, such as times in the past."""
        self.dynamodb.update_item(
            TableName=self.at.table,
            Key={"ticket": {"S": ticket}, "record": {"S": "ticket"}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ExpressionAttributeValues={f":{name}": TypeSerializer().serialize(each) for name, each in values.items()},
        )

    def invoke(self, function: str, event: Mapping[str, Any], version: str = ALIAS) -> Any:
        """Return a function's response; of one that raised, its error."""
        payload = json.dumps(event).encode()
        return json.loads(
            self.functions.invoke(FunctionName=function, Qualifier=version, Payload=payload)["Payload"].read()
        )

    def processed(self, ticket: str, result: str) -> int:
        """Return the number of the ticket's messages with this result, from the log: other tests share the queue."""
        wanted = ("message processed", f'"{ticket}"', f'"result":"{result}"')
        return sum(all(each in line for each in wanted) for line in self.emulator_log.splitlines())

    def logged(self, function: str, since: float = 0) -> list[str]:
        """Return what is in the log group of `ingest` or `retrieval`, since a time in epoch seconds."""
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.at.stack_name}-{function}", startTime=int(since * 1000)
        )
        return list(pages.search("events[].message"))

    @contextmanager
    def user(self, name: str, policy: str = NO_ACCESS) -> Iterator[LocalStack]:
        """Yield the stack's clients and API with the key of a new IAM user who has this policy."""
        account = make_user(self.at.account, name, policy)
        keys = {"access_key_id": account.access_key_id, "secret_access_key": account.secret_access_key}
        user = LocalStack(replace(self.at, **keys), self.state)
        try:
            yield user
        finally:
            user.close()
            self.iam.delete_access_key(UserName=name, AccessKeyId=account.access_key_id)
            self.iam.delete_user_policy(UserName=name, PolicyName="policy")
            self.iam.delete_user(UserName=name)

    def overwrite(self, function: str, **configuration: Any) -> None:
        """Publish a new version and point the alias at it, as a deployment does: new processes have cached nothing."""
        given = self.functions.get_function_configuration(FunctionName=function)
        changed = {"Timeout": given["Timeout"], **configuration}
        self.functions.update_function_configuration(FunctionName=function, **changed)
        version = self.functions.publish_version(FunctionName=function)["Version"]
        await_version(self.functions, function, version)
        self.functions.update_alias(FunctionName=function, Name=ALIAS, FunctionVersion=version)

    @contextmanager
    def environment(self, function: str, **variables: str) -> Iterator[Callable[[], None]]:
        """Deploy a function with these variables; yield a function that restores it before the block ends."""
        good = self.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        self.overwrite(function, Environment={"Variables": {**good, **variables}})
        with ExitStack() as stack:
            stack.callback(self.overwrite, function, Environment={"Variables": good})
            yield stack.close

    @contextmanager
    def denied(self, role: str, *actions: str) -> Iterator[Callable[[], None]]:
        """Deny a role these actions; yield a function that undoes it before the block ends."""
        policy = {"RoleName": self.resources[role], "PolicyName": "denied"}
        statement = {"Effect": "Deny", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(**policy, PolicyDocument=document)
        with ExitStack() as stack:
            stack.callback(self.iam.delete_role_policy, **policy)
            yield stack.close

    def delete(self, name: str) -> None:
        """Delete a stack of the account."""
        self.cloudformation.delete_stack(StackName=name)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    def ops(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """Run an operator's command in this process, which is faster than in one of its own; return its JSON."""
        done = self.ops_result("--json", *arguments, stdin=stdin)
        assert done.exit_code == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def ops_result(self, *arguments: str, stdin: str = "") -> Result:
        at = ["--stack-file", str(self.state / "stack.json"), "--stack-name", self.at.stack_name]
        return CliRunner().invoke(app, [*at, *arguments], input=stdin)

    def close(self) -> None:
        self.api.close()
        self.vendor.close()
        for client in self._clients.values():
            client.close()


@contextmanager
def running(state: Path, parameters: Mapping[str, str]) -> Iterator[LocalStack]:
    """Start a stack in the folder `state`, with these template parameters beside the usual ones; stop it afterwards."""
    up = LocalStack(local_stack.up(state, SILENT, parameters=parameters), state)
    try:
        yield up
    finally:
        up.close()
        local_stack.down(state)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("stack"), PARAMETERS) as up:
        yield up
