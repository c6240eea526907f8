"""The deployer's example policy allows what CloudFormation calls for each resource, and no access to what is archived.

Each resource type's schema lists the actions of its handlers; cfn-lint ships the schemas:
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers
"""

import json
import re
from fnmatch import fnmatchcase

import pytest

from local import ROOT
from local.deploy import replace_parameters
from tests.support.template import SOURCE, resource_schema
from tools.scan import expand

pytestmark = pytest.mark.xdist_group("cfn-lint")  # one worker loads its schemas

POLICY = json.loads((ROOT / "examples" / "policies" / "deployment" / "deployer.json").read_text(encoding="utf-8"))
ALLOWED, DENIED = (
    [
        action
        for each in POLICY["Statement"]
        if each["Effect"] == effect
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    ]
    for effect in ("Allow", "Deny")
)
ACTIONS_OF_FEATURES_THAT_THE_TEMPLATE_LACKS = re.compile(
    r"""
    ^(elasticfilesystem|firehose|kinesis|s3files|s3tables):                    # file systems, streams, S3 Tables
    | Replica | DescribeImport | MetadataTable | MetadataAnnotation | MetadataInventory | MetadataJournal
    | (Enable|Disable|Update)KinesisStreaming | UpdateContributorInsights
    | dynamodb:(BatchWrite|Delete|Get|Put|Update)Item | dynamodb:(Query|Scan)  # imports
    | (Put|Delete)ResourcePolicy | RestApiPolicy | PutObjectAcl | s3:DeleteObject$
    | iam:(Attach|Detach)RolePolicy | CreateServiceLinkedRole                  # managed policies, auto scaling
    | kms:(Disable|Enable)Key$ | kms:DisableKeyRotation
    | logs:.*(LogDelivery|LogStream|LogEvents|IndexPolic[yi]|BearerToken|DeletionProtection)
    | logs:(Put|Delete)DataProtectionPolicy
    | s3:DeleteBucket(Analytics|Cors|Encryption|Lifecycle|Metrics|Website)     # no actions of IAM: Put… covers them
    | s3:GetObjectMetadata | s3:REST\.                                         # no actions of IAM
    | secretsmanager:GetSecretValue
    """,
    re.VERBOSE,
)


def allows(action: str) -> bool:
    allowed, denied = (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns) for patterns in (ALLOWED, DENIED)
    )
    return allowed and not denied


def test_deployer_may_create_update_and_delete_every_resource() -> None:
    """Those of CodeDeploy too."""
    gradual = replace_parameters(SOURCE, {"DeploymentPreference": "Canary10Percent5Minutes"})
    kinds = {each["Type"] for each in expand(gradual)[0]["Resources"].values()}
    assert len(kinds) > 20
    denied = {}
    for kind in kinds:
        handlers = resource_schema(kind)["handlers"]
        needed = {
            action
            for operation in ("create", "read", "update", "delete")
            for action in handlers.get(operation, {}).get("permissions", [])
            if not ACTIONS_OF_FEATURES_THAT_THE_TEMPLATE_LACKS.search(action)
        }
        assert needed, kind
        denied[kind] = [action for action in sorted(needed) if not allows(action)]
    assert {kind: actions for kind, actions in denied.items() if actions} == {}


def test_deployer_reads_no_ticket_and_no_secret() -> None:
    """The retrieval function answers everyone who may invoke it: API Gateway has checked the caller."""
    for action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "secretsmanager:GetSecretValue"):
        assert not allows(action)
    assert not allows("lambda:InvokeFunction")
    readable = [each["Resource"] for each in POLICY["Statement"] if "s3:GetObject" in each["Action"]]
    assert readable == ["arn:aws:s3:::aws-sam-cli-managed-default-*/*"]


def test_deployer_creates_and_passes_roles_of_its_stack_only() -> None:
    for each in POLICY["Statement"]:
        if "iam:" in json.dumps(each["Action"]):
            assert each["Resource"] == "arn:aws:iam::ACCOUNT:role/STACK-*"
