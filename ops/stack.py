"""Finding a deployed stack and what belongs to it, on AWS or on this machine."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from ops import ROOT
from ops.errors import Exit, Failure
from ops.objects import Objects
from ops.queues import Queue
from ops.records import Records
from ticket_archive.bucket import Bucket
from ticket_archive.table import TicketTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient

LOCAL = ROOT / ".local" / "stack.json"
"""Where `make up` says what it started."""

_PATIENCE = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})


@dataclass(frozen=True)
class Account:
    """Whose stack: an AWS account, or the emulated one behind `endpoint_url`."""

    session: boto3.Session = field(repr=False)
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    webhook_url: str | None = None
    """The emulator's own; elsewhere the stack's output is right."""

    def client(self, service: Any) -> Any:
        """A client with time limits."""
        return self.session.client(service, endpoint_url=self.endpoint_url, config=_PATIENCE)


@dataclass(frozen=True)
class Stack:
    """A stack's outputs, and clients of what they name."""

    account: Account
    outputs: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def webhook_url(self) -> str:
        """Where webhooks are posted to."""
        return self.account.webhook_url or self.output("WebhookUrl")

    @property
    def retention_days(self) -> int:
        """The template's `RetentionDays`; 0 is for ever."""
        return int(self.parameters.get("RetentionDays", "0"))

    @property
    def table(self) -> TicketTable:
        """The tickets, as the functions use them."""
        return TicketTable(self._dynamodb, self.output("TableName"))

    @property
    def records(self) -> Records:
        """The same table, as operators use it."""
        return Records(self._dynamodb, self.output("TableName"))

    @property
    def bucket(self) -> Bucket:
        """The images, as the functions use them."""
        return Bucket(self._s3, self.output("BucketName"))

    @property
    def objects(self) -> Objects:
        """The same bucket, as operators use it."""
        return Objects(self._s3, self.output("BucketName"))

    @property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager."""
        client: SecretsManagerClient = self.account.client("secretsmanager")
        return client

    def queue(self, output: str) -> Queue:
        """The queue whose URL is in `output`."""
        client: SQSClient = self.account.client("sqs")
        return Queue(client, self.output(output))

    def output(self, name: str) -> str:
        """One output. Raises Failure where the stack is of another kind or age."""
        try:
            return self.outputs[name]
        except KeyError:
            raise Failure(f"the stack has no output {name}: is it a ticket archive, and up to date?") from None

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self.account.client("dynamodb")
        return client

    @property
    def _s3(self) -> "S3Client":
        client: S3Client = self.account.client("s3")
        return client


def aws(profile: str | None, region: str | None) -> Account:
    """The account of a profile, or of whatever the environment says. Raises botocore's ProfileNotFound."""
    return Account(boto3.Session(profile_name=profile, region_name=region))


def local(file: Path = LOCAL) -> Account:
    """The account that `make up` made. Nothing of the developer's own AWS settings takes part. Raises Failure."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        found = {name: str(state[name]) for name in _LOCAL}
    except FileNotFoundError:
        raise Failure("no local stack is up: run `make up`", Exit.OUT_OF_REACH) from None
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{file} is not what `make up` writes: run `make down`, then `make up`") from None
    settings = {
        "profile": None,
        "ca_bundle": state.get("ca_bundle"),
        "config_file": os.devnull,
        "credentials_file": os.devnull,
    }
    session = boto3.Session(
        found["access_key_id"],
        found["secret_access_key"],
        region_name=found["region"],
        botocore_session=botocore.session.Session(
            {name: (None, None, value, None) for name, value in settings.items()}
        ),
    )
    return Account(session, found["endpoint_url"], state.get("ca_bundle"), found["webhook_url"])


_LOCAL = ("endpoint_url", "region", "access_key_id", "secret_access_key", "webhook_url")


def find(account: Account, name: str) -> Stack:
    """The stack `name`. Raises Failure where there is none."""
    try:
        [found] = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        region = account.session.region_name
        raise Failure(f"no stack {name} in {region}: say --stack-name, --region or --profile") from None
    return Stack(
        account,
        {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())},
        {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())},
    )
