"""Find a deployed stack and its resources, on AWS or on this machine."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from ops import ROOT
from ops.action_log import ActionLog
from ops.bucket import OperatorBucket
from ops.errors import Exit, Failure, error_code
from ops.queues import Queue
from ops.table import OperatorTable
from ticket_archive.errors import SettingsError
from ticket_archive.secrets import WebhookCredentials, WebhookSecret

LOCAL = ROOT / ".local" / "stack.json"
"""The file in which `make up` describes the stack that it started."""

_CLIENT_CONFIG = Config(
    connect_timeout=5, read_timeout=30, max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 4}
)
_LOCAL_SETTINGS = ("endpoint_url", "webhook_url", "access_key_id", "secret_access_key", "region")


class Stack:
    """A stack on AWS, or of the emulator behind `endpoint_url`. Raises Failure if there is none of this name or ARN.

    Threads share a resource that was made before they began.
    """

    def __init__(
        self, session: boto3.Session, name: str, endpoint_url: str | None = None, ca_bundle: str | None = None
    ) -> None:
        self.session = session
        self._endpoint_url = endpoint_url
        self._ca_bundle = ca_bundle
        try:
            [found] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            region = session.region_name
            raise Failure(f"no stack {name} in {region}: use --stack-name, --region or --profile") from None
        self.name: str = found["StackName"]
        self.outputs: dict[str, str] = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
        parameters = found.get("Parameters", ())
        self.parameters: dict[str, str] = {each["ParameterKey"]: each.get("ParameterValue", "") for each in parameters}

    def client(self, service: Any) -> Any:
        """Return a boto3 client with time-outs and retries."""
        return self.session.client(service, endpoint_url=self._endpoint_url, config=_CLIENT_CONFIG)

    def http(self) -> requests.Session:
        """Return a session for the stack's endpoints. The environment's proxies and CAs are not for the emulator."""
        session = requests.Session()
        if self._ca_bundle:
            session.trust_env, session.verify = False, self._ca_bundle
        return session

    @property
    def retention_days(self) -> int:
        """The parameter `RetentionDays`; 0 means no end."""
        return int(self.parameters.get("RetentionDays", "0"))

    @cached_property
    def table(self) -> OperatorTable:
        """The ticket table."""
        return OperatorTable(self.client("dynamodb"), self.output("TableName"))

    @cached_property
    def bucket(self) -> OperatorBucket:
        """The bucket with the tickets' objects."""
        return OperatorBucket(self.client("s3"), self.output("BucketName"))

    @cached_property
    def actions(self) -> ActionLog:
        """The log of operators' actions, which is in the bucket."""
        return ActionLog(self.bucket, self.caller)

    @cached_property
    def caller(self) -> str:
        """The ARN of the principal that runs this command."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    def queue(self, output: str) -> Queue:
        """Return the queue whose URL is the output `output`."""
        return Queue(self.client("sqs"), self.output(output))

    def secret(self, arn: str, stage: str = "AWSCURRENT") -> str:
        """Return the text of a secret."""
        found = self.client("secretsmanager").get_secret_value(SecretId=arn, VersionStage=stage)
        return str(found["SecretString"])

    def webhook_secrets(self) -> list[bytes]:
        """Return the live webhook secrets, the current one first. Raises SettingsError, ClientError."""
        arn = self.output("WebhookSecretArn")
        current = WebhookSecret.read(self.secret(arn)).key
        try:
            return [current, WebhookSecret.read(self.secret(arn, "AWSPREVIOUS")).key]
        except (ClientError, SettingsError):
            return [current]  # never changed, or no webhook secret before

    def webhook_credentials(self) -> WebhookCredentials | None:
        """Return what webhooks must carry, None if nothing. Raises SettingsError, ClientError."""
        arn = self.parameters.get("WebhookCredentialsSecretArn")
        return WebhookCredentials.read(self.secret(arn)) if arn else None

    def output(self, name: str) -> str:
        """Return an output. Raises Failure if the stack has none of that name."""
        if name not in self.outputs:
            raise Failure(f"the stack has no output {name}; check --stack-name, or deploy the current template")
        return self.outputs[name]


def aws(profile: str | None, region: str | None, name: str) -> Stack:
    """Return the stack in the account of a profile, or of the environment. Raises botocore's ProfileNotFound."""
    return Stack(boto3.Session(profile_name=profile, region_name=region), name)


def local(file: Path, name: str) -> Stack:
    """Return the emulated stack of `make up`, without the developer's own AWS settings. Raises Failure."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        endpoint_url, webhook_url, key_id, key, region = (str(state[each]) for each in _LOCAL_SETTINGS)
    except FileNotFoundError:
        raise Failure("no local stack is running: run `make up`", Exit.UNREACHABLE) from None
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{file} cannot be read: run `make down`, then `make up`") from None
    ca_bundle = state.get("ca_bundle")
    stack = Stack(isolated_session(key_id, key, region, ca_bundle), name, endpoint_url, ca_bundle)
    stack.outputs["WebhookUrl"] = webhook_url  # the output is AWS's URL
    return stack


def isolated_session(access_key_id: str, secret_access_key: str, region: str, ca_bundle: str | None) -> boto3.Session:
    """Return a session with this key and CA bundle, without the developer's profile and configuration files."""
    own = {"profile": None, "ca_bundle": ca_bundle, "config_file": os.devnull, "credentials_file": os.devnull}
    settings = botocore.session.Session({name: (None, None, value, None) for name, value in own.items()})
    return boto3.Session(access_key_id, secret_access_key, region_name=region, botocore_session=settings)
