"""Deployments as docs/deploying.md describes them, with the emulator's CloudFormation, without code or a vendor.

A stack with every parameter that an organization may need fails once, is deployed, gets change sets, is updated, and is
removed. tests/e2e/test_two_stacks.py archives tickets with these parameters.
"""

import copy
import io
import json
import os
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from local import ROOT, account, certificate, deploy, emulator
from local.account import Account
from local.processes import Ledger, end, free_port
from tests.support.documentation import blocks
from tests.support.runbooks import AWS
from tests.support.template import SOURCE, Template
from tests.unit.test_upgrades import RECORD, replacing

pytestmark = pytest.mark.stack

STACK = "organization"
CODE = "aws-sam-cli-managed-default-samclisourcebucket"
POLICY = ROOT / "examples" / "policies" / "deployment" / "deployer.json"
PLACES = {"ACCOUNT": "000000000000", "REGION": emulator.REGION, "STACK": STACK}
ORIGIN = "https://review.example.com"
ORGANIZATION = {
    "PermissionsBoundaryArn": "arn:aws:iam::000000000000:policy/boundary",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "ConsumerPrincipals": "arn:aws:iam::000000000000:user/consumer",
    "ConsumerAccess": "manifests",
    "AllowedOrigins": ORIGIN,
    "Tracing": "Active",
    "VendorUserAgent": "Mozilla/5.0 (X11; Linux x86_64)",
    "SilenceAlarmHours": "24",
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:000000000000:alarms",
}
KEPT = {"Tickets", "Bucket", "BucketPolicy", "AccessLogs", "AccessLogsPolicy", "Key"}
Change = dict[str, Any]


class Cloud:
    """An emulated account with one stack, which a principal with the deployer's policy deploys, without code."""

    def __init__(self, user: Account) -> None:
        self.user = user
        policy = POLICY.read_text(encoding="utf-8")
        for placeholder, value in PLACES.items():
            policy = re.sub(rf"\b{placeholder}\b", value, policy)
        self.deployer = account.make_user(user, "deployer", policy)
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("empty.py", "")
            self._code = file.getvalue()
        self.s3.create_bucket(Bucket=CODE, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})

    def client(self, service: Any) -> Any:
        return self.user.client(service)

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def cloudformation(self) -> Any:
        return self.deployer.client("cloudformation")

    def template(self, parameters: dict[str, str], code: dict[str, str]) -> Template:
        """Return the template as `sam deploy` would upload it; `code` names other code than the functions' first."""
        template = deploy.replace_parameters(copy.deepcopy(SOURCE), parameters)
        del template["Globals"]["Function"]["CodeUri"]
        for name, each in template["Resources"].items():
            uri = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
            if key := uri.get(each["Type"]):
                each["Properties"][key] = f"s3://{CODE}/{code.get(name, name)}"
                self.s3.put_object(Bucket=CODE, Key=code.get(name, name), Body=self._code)
        return deploy._supported(template)

    def change_set(self, template: Template, parameters: dict[str, str], kind: str, tags: list[Any]) -> str:
        """Create a change set; return its name."""
        name = f"c{uuid4().hex}"
        self.s3.put_object(Bucket=CODE, Key="template.json", Body=json.dumps(template).encode())
        self.cloudformation.create_change_set(
            StackName=STACK,
            ChangeSetName=name,
            ChangeSetType=kind,
            TemplateURL=f"{self.user.endpoint_url}/{CODE}/template.json",
            Parameters=[{"ParameterKey": each, "ParameterValue": value} for each, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=tags,
        )
        waiter = self.cloudformation.get_waiter("change_set_create_complete")
        waiter.wait(StackName=STACK, ChangeSetName=name, WaiterConfig={"Delay": 1})
        return name

    def deploy(self, kind: str, *, broken: bool = False, **changed: str) -> str:
        """Deploy or update; return the stack's status. `broken` adds a resource that fails after all others."""
        parameters = ORGANIZATION | changed
        template = self.template(parameters, {})
        if broken:
            refused = {"AliasName": "alias/aws/refused", "TargetKeyId": {"Ref": "Key"}}
            last = [*RECORD, "IngestFunction", "RetrievalFunction"]
            template["Resources"]["Broken"] = {"Type": "AWS::KMS::Alias", "DependsOn": last, "Properties": refused}
        name = self.change_set(template, parameters, kind, [])
        self.cloudformation.execute_change_set(StackName=STACK, ChangeSetName=name)
        while (status := self.described["StackStatus"]).endswith("IN_PROGRESS"):
            time.sleep(0.2)
        return cast("str", status)

    def remove(self) -> None:
        self.cloudformation.delete_stack(StackName=STACK)
        self.cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})

    @property
    def described(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0])

    @property
    def names(self) -> dict[str, str]:
        """The physical ids of the stack's resources, by logical id."""
        listed = self.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in listed}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder, port = tmp_path_factory.mktemp("cloud"), free_port()
    made = certificate.make(folder / "tls")
    ledger = Ledger(folder / "processes.json")
    try:
        emulator.run(ledger, port, made, folder / "scratch", folder / "emulator.log")
        root = Account(f"https://127.0.0.1:{port}", str(made.authority), emulator.REGION, *emulator.ROOT_KEY)
        cloud = Cloud(account.make_user(root))
        yield cloud
        for client in (cloud.s3, cloud.cloudformation):
            client.close()
    finally:
        end(ledger.read())


@pytest.fixture(scope="module")
def left_by_failure(cloud: Cloud) -> set[str]:
    """The logical ids of what a failed first deployment left.

    Versions are kept too, until their function is deleted, which the rollback does.
    """
    assert cloud.deploy("CREATE", broken=True) == "ROLLBACK_COMPLETE"
    pages = cloud.cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK)
    newest_first = [each for page in pages for each in page["StackEvents"]]
    last = {each["LogicalResourceId"]: each["ResourceStatus"] for each in reversed(newest_first)}
    cloud.remove()
    assert set(last.values()) == {"DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED", "ROLLBACK_COMPLETE"}
    return {name for name, status in last.items() if status == "DELETE_SKIPPED" and "FunctionVersion" not in name}


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, left_by_failure: set[str]) -> Cloud:
    """The stack, deployed after the failure."""
    assert cloud.deploy("CREATE") == "CREATE_COMPLETE"
    return cloud


def test_failed_first_deployment_leaves_only_the_protected_table(left_by_failure: set[str]) -> None:
    assert left_by_failure == {"Tickets"}


# ─── Change sets ──────────────────────────────────────────────────────────────────────────────────────────────────

COME_AND_GO = {"AWS::Lambda::Version", "AWS::Lambda::LayerVersion", "AWS::ApiGateway::Deployment"}

CHANGES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # what changes: parameters, code; tests/unit/template/test_versions.py has the functions that get a new version
    "code": ({}, {"IngestFunction": "ingest-2"}),
    "layer": ({}, {"SharedLayer": "layer-2"}),
    "settings": ({"SettleMinutes": "7", "UrlLifeSeconds": "120", "RequeueEveryMinutes": "7"}, {}),
    "retention": ({"RetentionDays": "30"}, {}),
    "organization": ({"PermissionsBoundaryArn": "", "SubnetIds": "", "SecurityGroupIds": ""}, {}),
    "SnapStart": ({"SnapStart": "None"}, {}),
    "architecture": ({"Architecture": "arm64"}, {}),
    "tag": ({}, {}),
}


def changes(cloud: Cloud, name: str) -> list[Change]:
    parameters, code = CHANGES[name]
    given = ORGANIZATION | parameters
    tags = [{"Key": "cost-center", "Value": "identity"}] if name == "tag" else []
    made = cloud.change_set(cloud.template(given, code), given, "UPDATE", tags)
    pages = cloud.cloudformation.get_paginator("describe_change_set").paginate(StackName=STACK, ChangeSetName=made)
    found = [each["ResourceChange"] for page in pages for each in page["Changes"]]
    cloud.cloudformation.delete_change_set(StackName=STACK, ChangeSetName=made)
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_change_set_replaces_versions_only(deployed: Cloud, name: str) -> None:
    """For some types the emulator says `Conditional` of every property, so AWS's schemas decide what replaces."""
    found = changes(deployed, name)
    assert found
    for each in found:
        if each["Action"] != "Modify":
            assert each["ResourceType"] in COME_AND_GO, each
            continue
        static = {detail["Target"].get("Name") for detail in each["Details"] if detail["Evaluation"] == "Static"}
        assert not static & {path.partition("/")[0] for path in replacing(each["ResourceType"])}, each
        assert each["Replacement"] != "True", each
    assert ("Tickets" in {each["LogicalResourceId"] for each in found}) == (name == "tag")


def test_rolled_back_update_can_be_repeated(deployed: Cloud) -> None:
    before = {name: each for name, each in deployed.names.items() if name in RECORD}

    assert deployed.deploy("UPDATE", broken=True, UrlLifeSeconds="120") == "UPDATE_ROLLBACK_COMPLETE"
    assert url_life(deployed) == "300"

    assert deployed.deploy("UPDATE", UrlLifeSeconds="120") == "UPDATE_COMPLETE"
    assert url_life(deployed) == "120"
    assert {name: each for name, each in deployed.names.items() if name in RECORD} == before


def url_life(cloud: Cloud) -> str:
    """Return the setting of the version that callers invoke."""
    functions = cloud.client("lambda")
    name = cloud.names["RetrievalFunction"]
    live = functions.get_function_configuration(FunctionName=name, Qualifier=account.ALIAS)
    return cast("str", live["Environment"]["Variables"]["URL_LIFE_SECONDS"])


def test_removal_keeps_the_data_and_documented_commands_delete_it(deployed: Cloud, tmp_path: Path) -> None:
    # GIVEN objects with more than one version, and a deleted one
    names = {name: deployed.names[name] for name in KEPT}
    for name in ("tickets/t/images/DOCUMENT/a.jpg", "tickets/t/manifests/v.json"):
        for body in (b"1", b"2"):
            deployed.s3.put_object(Bucket=names["Bucket"], Key=name, Body=body)
    deployed.s3.delete_object(Bucket=names["Bucket"], Key="tickets/t/images/DOCUMENT/a.jpg")

    # WHEN the stack is removed, THEN data, key and policies are there
    deployed.remove()
    kms, dynamodb = deployed.client("kms"), deployed.client("dynamodb")
    dynamodb.describe_table(TableName=names["Tickets"])
    assert "DenyOldSignatures" in deployed.s3.get_bucket_policy(Bucket=names["Bucket"])["Policy"]
    assert "AllowServerAccessLogs" in deployed.s3.get_bucket_policy(Bucket=names["AccessLogs"])["Policy"]
    assert kms.describe_key(KeyId=names["Key"])["KeyMetadata"]["KeyState"] == "Enabled"
    with pytest.raises(ClientError, match=r"[Dd]eletion ?[Pp]rotection"):
        dynamodb.delete_table(TableName=names["Tickets"])

    # AND the document's commands delete them
    [block] = [each for each in blocks("sh") if "put-bucket-logging" in each.text]
    outputs = {"TABLE": names["Tickets"], "BUCKET": names["Bucket"], "ACCESS_LOGS_BUCKET": names["AccessLogs"]}
    environment = {**deployed.user.settings(), **outputs, "KEY": names["Key"], "HOME": str(tmp_path)}
    environment["PATH"] = f"{AWS}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert names["Tickets"] not in dynamodb.list_tables()["TableNames"]
    assert {each["Name"] for each in deployed.s3.list_buckets()["Buckets"]} == {CODE}
    assert kms.describe_key(KeyId=names["Key"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
