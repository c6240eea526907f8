"""Find a deployed stack and its resources, on AWS or on this machine."""

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
from ops.action_log import ActionLog
from ops.errors import Exit, Failure
from ops.objects import Objects
from ops.queues import Queue
from ops.table import OperatorTable
from ticket_archive.bucket import Bucket
from ticket_archive.table import TicketTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient

LOCAL = ROOT / ".local" / "stack.json"
"""The file in which `make up` describes the stack that it started."""

_CLIENT_CONFIG = Config(
    connect_timeout=5, read_timeout=30, max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 4}
)


@dataclass(frozen=True)
class Account:
    """An AWS account, or the emulator behind `endpoint_url`."""

    session: boto3.Session = field(repr=False)
    endpoint_url: str | None = None
    ca_bundle: str | None = None
    webhook_url: str | None = None
    """Set for the emulator; on AWS the stack's output is used."""

    def client(self, service: Any) -> Any:
        """Return a boto3 client with time-outs and retries."""
        return self.session.client(service, endpoint_url=self.endpoint_url, config=_CLIENT_CONFIG)


@dataclass(frozen=True)
class Stack:
    """A stack's outputs and parameters, and clients for its resources."""

    account: Account
    name: str
    outputs: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def webhook_url(self) -> str:
        """The webhook endpoint's URL."""
        return self.account.webhook_url or self.output("WebhookUrl")

    @property
    def retention_days(self) -> int:
        """The parameter `RetentionDays`; 0 means no end."""
        return int(self.parameters.get("RetentionDays", "0"))

    @property
    def table(self) -> TicketTable:
        """The ticket table with the functions' operations."""
        return TicketTable(self._dynamodb, self.output("TableName"))

    @property
    def records(self) -> OperatorTable:
        """The ticket table with the operators' operations."""
        return OperatorTable(self._dynamodb, self.output("TableName"))

    @property
    def bucket(self) -> Bucket:
        """The bucket with the functions' operations."""
        return Bucket(self._s3, self.output("BucketName"))

    @property
    def objects(self) -> Objects:
        """The bucket with the operators' operations."""
        return Objects(self._s3, self.output("BucketName"))

    @property
    def actions(self) -> ActionLog:
        """The log of operators' actions, which is in the bucket."""
        return ActionLog(self._s3, self.output("BucketName"), lambda: self.caller)

    @property
    def caller(self) -> str:
        """The ARN of the principal that runs this command."""
        return str(self.account.client("sts").get_caller_identity()["Arn"])

    def log_group(self, function: str) -> str:
        """Return the log group of a function."""
        config = self.account.client("lambda").get_function_configuration(FunctionName=function)
        return str(config["LoggingConfig"]["LogGroup"])

    @property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager."""
        client: SecretsManagerClient = self.account.client("secretsmanager")
        return client

    def queue(self, output: str) -> Queue:
        """Return the queue whose URL is the output `output`."""
        client: SQSClient = self.account.client("sqs")
        return Queue(client, self.output(output))

    def output(self, name: str) -> str:
        """Return an output. Raises Failure if the stack has none of that name."""
        try:
            return self.outputs[name]
        except KeyError:
            raise Failure(
                f"the stack has no output {name}; check --stack-name, or deploy the current template"
            ) from None

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self.account.client("dynamodb")
        return client

    @property
    def _s3(self) -> "S3Client":
        client: S3Client = self.account.client("s3")
        return client


def aws(profile: str | None, region: str | None) -> Account:
    """Return the account of a profile, or of the environment. Raises botocore's ProfileNotFound."""
    return Account(boto3.Session(profile_name=profile, region_name=region))


def local(file: Path = LOCAL) -> Account:
    """Return the emulated account of `make up`, without the developer's own AWS settings. Raises Failure."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        found = {name: str(state[name]) for name in _LOCAL}
    except FileNotFoundError:
        raise Failure("no local stack is running: run `make up`", Exit.UNREACHABLE) from None
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{file} cannot be read: run `make down`, then `make up`") from None
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
    """Return the stack `name`. Raises Failure if there is none."""
    try:
        [found] = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        region = account.session.region_name
        raise Failure(f"no stack {name} in {region}: use --stack-name, --region or --profile") from None
    return Stack(
        account,
        name,
        {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())},
        {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())},
    )
