"""The deployer's example policy allows what CloudFormation calls for each resource, and no access to what is archived.

Each resource type's schema lists the actions of its handlers; cfn-lint ships the schemas:
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers
"""

import json
import re
from fnmatch import fnmatchcase

import pytest

from local import ROOT
from tests.support.template import SOURCE, expanded, resource_schema

pytestmark = pytest.mark.xdist_group("cfn-lint")  # one worker loads its schemas

POLICY = json.loads((ROOT / "examples" / "policies" / "deployment" / "deployer.json").read_text(encoding="utf-8"))
STATEMENTS = {each["Sid"]: each for each in POLICY["Statement"]}
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


def values(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allows(action: str, resource: str | None = None) -> bool:
    """Tell whether the policy allows an action on a resource, or on any."""
    effects = {
        each["Effect"]
        for each in POLICY["Statement"]
        if any(fnmatchcase(action.lower(), pattern.lower()) for pattern in values(each["Action"]))
        and (
            any(fnmatchcase(resource, pattern) for pattern in values(each["Resource"]))
            if resource is not None
            else each["Effect"] == "Allow" or each["Resource"] == "*"
        )
    }
    return effects == {"Allow"}


def kinds_of_resources() -> set[str]:
    """Return the types of the template's resources, those of a gradual deployment included."""
    return {each["Type"] for each in expanded("gradual")["Resources"].values()}


def test_deployer_may_create_update_and_delete_every_resource() -> None:
    kinds = kinds_of_resources()
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


IN_REGION = "REGION:ACCOUNT"
TAGGED = {
    "AWS::ApiGateway::RestApi": "arn:aws:apigateway:REGION::/tags/x",
    "AWS::ApiGateway::Stage": "arn:aws:apigateway:REGION::/tags/x",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{IN_REGION}:alarm:STACK-QueueAgeAlarm-x",
    "AWS::CloudWatch::Dashboard": "arn:aws:cloudwatch::ACCOUNT:dashboard/STACK-REGION",
    "AWS::CodeDeploy::Application": f"arn:aws:codedeploy:{IN_REGION}:application:STACK-x",
    "AWS::CodeDeploy::DeploymentGroup": f"arn:aws:codedeploy:{IN_REGION}:deploymentgroup:STACK-x/STACK-y",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{IN_REGION}:table/STACK-Tickets-x",
    "AWS::IAM::Role": "arn:aws:iam::ACCOUNT:role/STACK-IngestRole-x",
    "AWS::KMS::Key": f"arn:aws:kms:{IN_REGION}:key/x",
    "AWS::Lambda::EventSourceMapping": f"arn:aws:lambda:{IN_REGION}:event-source-mapping:x",
    "AWS::Lambda::Function": f"arn:aws:lambda:{IN_REGION}:function:STACK-ingest",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{IN_REGION}:log-group:/aws/lambda/STACK-ingest",
    "AWS::S3::Bucket": "arn:aws:s3:::STACK-bucket-x",
    "AWS::SQS::Queue": f"arn:aws:sqs:{IN_REGION}:STACK-TicketQueue-x",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{IN_REGION}:secret:WebhookSecret-x-y",
}
"""A resource of each type, by its ARN."""


def test_deployer_may_tag_every_resource_that_has_tags() -> None:
    """CloudFormation tags resources with the stack's name and tags, event source mappings included."""
    schemas = {kind: resource_schema(kind).get("tagging", {}) for kind in kinds_of_resources()}
    assert {kind for kind, tagging in schemas.items() if tagging.get("taggable")} == TAGGED.keys()
    for kind, arn in TAGGED.items():
        for action in schemas[kind]["permissions"]:
            assert action == "s3:DeleteBucketTagging" or allows(action, arn), action  # PutBucketTagging covers it


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        (
            "codedeploy:GetDeploymentConfig",
            f"arn:aws:codedeploy:{IN_REGION}:deploymentconfig:CodeDeployDefault.LambdaCanary10Percent5Minutes",
        ),
        ("codedeploy:StopDeployment", "*"),  # has no resources; an update that is cancelled stops its deployment
        # its resource is `alarm:*`, whichever alarms it names: aws-samples/amazon-cloudwatch-auto-alarms, issue 1
        ("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{IN_REGION}:alarm:*"),
        ("logs:DescribeIndexPolicies", "*"),  # has no resources
        # says why CloudFormation refuses a change set: aws/aws-sam-cli, issue 9154
        ("cloudformation:DescribeEvents", f"arn:aws:cloudformation:{IN_REGION}:changeSet/samcli-deploy1785624984/x"),
        # the stack's tags: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
        ("cloudformation:TagResource", f"arn:aws:cloudformation:{IN_REGION}:stack/STACK/x"),
        ("cloudformation:TagResource", f"arn:aws:cloudformation:{IN_REGION}:stack/aws-sam-cli-managed-default/x"),
    ],
)
def test_deployer_may_do_what_no_name_of_the_stack_limits(action: str, resource: str) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""
    assert allows(action, resource)


def test_deployers_policy_fits_into_a_managed_policy() -> None:
    """IAM allows 6,144 characters without white space, and docs/deploying.md stack names of 32 characters:

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    text = json.dumps(POLICY, separators=(",", ":"))
    for name, longest in (("ACCOUNT", 12), ("REGION", 14), ("STACK", 32)):
        text = text.replace(name, "x" * longest)
    assert len(text) <= 6144


def test_deployer_may_delete_the_stack_with_sam() -> None:
    """`sam delete` looks for two stacks of its own first, and deletes what was uploaded."""
    for kind in ("CompanionStack", "WebFunctionCode"):
        name = f"STACK-0123abcd-{kind}"
        assert allows("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{IN_REGION}:stack/{name}/*")
    assert allows("s3:DeleteObject", "arn:aws:s3:::aws-sam-cli-managed-default-x/0123abcd")
    assert not allows("s3:DeleteObject", "arn:aws:s3:::STACK-bucket-x/tickets/x")


WITH_BOUNDARY_KEY = {
    "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
}  # fmt: skip
"""The actions on roles that have the condition key iam:PermissionsBoundary:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""


def test_one_statement_takes_the_condition_for_a_permissions_boundary() -> None:
    """Any other action in it would be denied, since its requests have no such key."""
    conditional = set(STATEMENTS["GiveRolesPermissions"]["Action"])
    assert conditional <= WITH_BOUNDARY_KEY
    others = [each for name, each in STATEMENTS.items() if name != "GiveRolesPermissions"]
    unconditional = {action for each in others for action in values(each["Action"])}
    assert WITH_BOUNDARY_KEY & unconditional == {"iam:DeleteRolePermissionsBoundary"}


def test_deployer_reads_no_ticket_and_no_secret() -> None:
    """The retrieval function answers everyone who may invoke it: API Gateway has checked the caller.

    The test of a method (TestInvokeMethod) is a POST on it, which nobody checks. CloudFormation imports the whole API.
    """
    for action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "secretsmanager:GetSecretValue"):
        assert not allows(action)
    assert not allows("lambda:InvokeFunction")
    apis = "arn:aws:apigateway:REGION::/restapis"
    assert not allows("apigateway:POST", f"{apis}/a1b2c3/resources/d4e5f6/methods/GET")
    assert allows("apigateway:POST", apis)
    assert allows("apigateway:POST", f"{apis}/a1b2c3/deployments")
    readable = [each["Resource"] for each in POLICY["Statement"] if "s3:GetObject" in each["Action"]]
    assert readable == ["arn:aws:s3:::aws-sam-cli-managed-default-*/*"]


def test_deployer_changes_no_secret_and_no_layer_of_others() -> None:
    """CloudFormation begins a secret's generated name with its logical ID, and SAM names a layer by it:

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/cfn-example_secret.html
    """
    for kind, action, arn in (
        (
            "AWS::SecretsManager::Secret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:{}:secret:{}-a1b2c3d4e5f6-Ab12Cd",
        ),
        ("AWS::Serverless::LayerVersion", "lambda:DeleteLayerVersion", "lambda:{}:layer:{}:1"),
    ):
        own = [name for name, each in SOURCE["Resources"].items() if each["Type"] == kind]
        allowed = {name for name in [*own, "Other"] if allows(action, f"arn:aws:{arn.format(IN_REGION, name)}")}
        assert allowed == set(own)


def test_deployer_creates_and_passes_roles_of_its_stack_only() -> None:
    of_iam = {each["Resource"] for each in POLICY["Statement"] if "iam:" in json.dumps(each["Action"])}
    assert of_iam == {"arn:aws:iam::ACCOUNT:role/STACK-*"}
