"""The emulated account: who works in it, and what is set in it around the deployment."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import boto3
import botocore.session

USER = "local"
ALIAS = "live"
"""What every call of a function goes through."""
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Account:
    """An emulated account as one of its callers sees it."""

    endpoint_url: str
    ca_bundle: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def session(self) -> boto3.Session:
        """A session with this key and nothing of the developer's: no profile, no configuration file.

        Its clients take `endpoint_url`; the authority that they trust is the session's.
        """
        settings = {"profile": None, "ca_bundle": self.ca_bundle}
        settings |= {"config_file": os.devnull, "credentials_file": os.devnull}
        return boto3.Session(
            self.access_key_id,
            self.secret_access_key,
            region_name=self.region,
            botocore_session=botocore.session.Session(
                {name: (None, None, value, None) for name, value in settings.items()}
            ),
        )

    def settings(self) -> dict[str, str]:
        """The same as variables, for a tool that is run."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


def make_user(root: Account) -> Account:
    """A user with every right, and a key of its own: unlike the root's, its signatures are checked."""
    iam = root.session().client("iam", endpoint_url=root.endpoint_url)
    iam.create_user(UserName=USER)
    iam.put_user_policy(UserName=USER, PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING))
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return replace(root, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


def outputs(account: Account, stack: str) -> dict[str, str]:
    """The deployed stack's outputs, by name."""
    cloudformation = account.session().client("cloudformation", endpoint_url=account.endpoint_url)
    [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def set_secrets(account: Account, secrets: Mapping[str, Mapping[str, str]]) -> None:
    """Give each secret, by its id, a new current value."""
    manager = account.session().client("secretsmanager", endpoint_url=account.endpoint_url)
    for name, value in secrets.items():
        manager.put_secret_value(SecretId=name, SecretString=json.dumps(value))


def correct_event_sources(account: Account) -> None:
    """Say each event source's concurrency again, as a number.

    MiniStack 1.5.33 keeps the template's parameter as text and its poller then fails on comparing it.
    """
    functions = account.session().client("lambda", endpoint_url=account.endpoint_url)
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if concurrency := mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": int(concurrency)}
            )


def await_versions(account: Account) -> None:
    """Wait until what the functions' aliases stand for can be called: with SnapStart it starts when it is published.

    CloudFormation waits for that on AWS; MiniStack 1.5.33 does not.
    """
    functions = account.session().client("lambda", endpoint_url=account.endpoint_url)
    active = functions.get_waiter("published_version_active")
    for each in functions.list_functions()["Functions"]:
        name = each["FunctionName"]
        active.wait(FunctionName=name, Qualifier=ALIAS, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
