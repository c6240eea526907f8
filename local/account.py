"""The emulated account: its credentials, and the settings around a deployment."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import boto3

from ops.stack import isolated_session

USER = "local"
ALIAS = "live"
"""The functions' alias, which every caller invokes."""


def allow(action: str, resource: str = "*") -> dict[str, Any]:
    """Return an IAM policy that allows the action on the resource."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


EVERYTHING = allow("*")


@dataclass(frozen=True)
class Account:
    """The emulated account with one access key."""

    endpoint_url: str
    ca_bundle: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)

    def session(self) -> boto3.Session:
        """Return a session with this key and CA bundle, without the developer's profile and configuration files."""
        return isolated_session(self.access_key_id, self.secret_access_key, self.region, self.ca_bundle)

    def client(self, service: Any, **options: Any) -> Any:
        """Return a boto3 client of the service."""
        return self.session().client(service, **{"endpoint_url": self.endpoint_url, **options})

    def settings(self) -> dict[str, str]:
        """Return the settings as environment variables."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


def make_user(account: Account, name: str = USER, policy: str = json.dumps(EVERYTHING)) -> Account:
    """Create a user, whose signatures the emulator checks, unlike the root's; return the account with its key."""
    iam = account.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return replace(account, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


def outputs(account: Account, stack: str) -> dict[str, str]:
    """Return the stack's outputs by name."""
    [found] = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def await_versions(account: Account) -> None:
    """Wait until the published versions are active, as CloudFormation does on AWS and MiniStack does not."""
    functions = account.client("lambda")
    for each in functions.list_functions()["Functions"]:
        await_version(functions, each["FunctionName"], ALIAS)


def await_version(functions: Any, name: str, qualifier: str) -> None:
    """Wait until a version of a function is active."""
    waiter, soon = functions.get_waiter("published_version_active"), {"Delay": 0.2, "MaxAttempts": 300}
    waiter.wait(FunctionName=name, Qualifier=qualifier, WaiterConfig=soon)
