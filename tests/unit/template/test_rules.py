"""Rules of the template that no linter checks, over many resources. Each is shown to fail (`BROKEN`)."""

import json
import re
import tomllib
from typing import Any

import pytest

from ingest.messaging.backoff import MAX_PAUSE
from local import ROOT
from tests.support.template import (
    NO_VALUE,
    SOURCE,
    Broken,
    Template,
    chosen,
    expanded,
    look,
    nodes,
    of_type,
    properties,
    statements,
)

FUNCTIONS = {"IngestFunction": "IngestLogs", "RetrievalFunction": "RetrievalLogs"}
ROLES = ("IngestRole", "RetrievalRole", "ScheduleRole", "DeploymentRole")
BROKEN = Broken()
INGEST = "IngestFunction/Properties"
INGEST_STATEMENT = "IngestRole/Properties/Policies/0/PolicyDocument/Statement"


@pytest.fixture
def template() -> Template:
    return expanded()


# ─── Queues and functions ─────────────────────────────────────────────────────────────────────────────────────────


@BROKEN.by(f"{INGEST}/Timeout", 61)
def test_visibility_timeout_is_six_function_timeouts(template: Template) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    assert (
        properties(template, "TicketQueue")["VisibilityTimeout"]
        >= 6 * properties(template, "IngestFunction")["Timeout"]
    )


@BROKEN.by("TicketQueue/Properties/MessageRetentionPeriod", 86_400)
def test_message_outlives_its_retries(template: Template) -> None:
    """A dead letter keeps the age of its first enqueue, so time must remain there too:

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    queue = properties(template, "TicketQueue")
    retries = queue["RedrivePolicy"]["maxReceiveCount"] * (MAX_PAUSE * 1.25 + queue["VisibilityTimeout"])
    assert retries < queue["MessageRetentionPeriod"] / 2


@BROKEN.by("FailureQueuesPolicy/Properties/Queues", [{"Ref": "WebhookQuarantineQueue"}])
@BROKEN.by("WebhookQuarantineQueue/Properties/MaximumMessageSize", 262_144)
def test_queues_take_whole_webhooks_and_require_tls(template: Template) -> None:
    queues = of_type(template, "SQS::Queue")
    for queue in queues.values():
        assert queue["MaximumMessageSize"] > 256 * 1024 * 4 / 3, "a webhook's body in base64"
    policies = of_type(template, "SQS::QueuePolicy")
    assert sorted(queue["Ref"] for policy in policies.values() for queue in policy["Queues"]) == sorted(queues)
    for name in policies:
        deny = statements(template, name)["DenyInsecureTransport"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@BROKEN.by(f"{INGEST}/LoggingConfig/LogGroup", {"Ref": "RetrievalLogs"})
def test_each_function_logs_to_its_own_group(template: Template) -> None:
    logging = {name: each["LoggingConfig"] for name, each in of_type(template, "Lambda::Function").items()}
    assert logging == {name: {"LogGroup": {"Ref": group}} for name, group in FUNCTIONS.items()}
    assert set(of_type(template, "Logs::LogGroup")) == {*FUNCTIONS.values(), "ApiLogs"}


@BROKEN.by("IngestFunctionQueue/Properties/FunctionName", {"Ref": "IngestFunction"})
def test_every_caller_invokes_the_alias(template: Template) -> None:
    aliases = of_type(template, "Lambda::Alias")
    assert {each["FunctionName"]["Ref"] for each in aliases.values()} == set(FUNCTIONS)
    assert {each["Name"] for each in aliases.values()} == {template["Outputs"]["FunctionAlias"]["Value"]} == {"live"}
    callers = [
        each["FunctionName"]
        for kind in ("Permission", "EventSourceMapping")
        for each in of_type(template, f"Lambda::{kind}").values()
    ]
    callers += [each["Target"]["Arn"] for each in of_type(template, "Scheduler::Schedule").values()]
    assert len(callers) == 8
    assert {each["Ref"] for each in callers} <= set(aliases)
    routes = [uri for each in operations(template).values() if (uri := each.get("uri"))]
    assert len(routes) == 6
    assert all(re.search(r"\$\{(\w+)\}", uri["Fn::Sub"])[1] in aliases for uri in routes)  # type: ignore[index]


@BROKEN.by(f"{INGEST}/Runtime", "python3.11")
@BROKEN.by(f"{INGEST}/SnapStart", {"ApplyOn": {"Ref": "SnapStart"}})
def test_snapstart_is_used_where_lambda_supports_it(template: Template) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes"""
    for name, function in of_type(template, "Lambda::Function").items():
        assert function["Runtime"] >= "python3.12"
        assert look(template, f"{name}/SnapStart/ApplyOn", "SupportsSnapStart") == {"Ref": "SnapStart"}
        assert look(template, f"{name}/SnapStart/ApplyOn") == "None"


@BROKEN.by(f"{INGEST}/Layers", [{"Ref": "SharedLayer"}])
def test_arm64_layer_is_unpacked_over_the_shared_one(template: Template) -> None:
    layers = {each["LayerName"]: name for name, each in of_type(template, "Lambda::LayerVersion").items()}
    for function in of_type(template, "Lambda::Function").values():
        assert chosen(function["Layers"], "IsArm64") == [{"Ref": layers["SharedLayer"]}, {"Ref": layers["Arm64Layer"]}]
        assert chosen(function["Layers"]) == [{"Ref": layers["SharedLayer"]}]


@BROKEN.by(f"{INGEST}/Environment/Variables/WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef")
@BROKEN.by(f"{INGEST}/Environment/Variables/AWS_ENDPOINT_URL", {"Ref": "VendorUrl"})
def test_environment_holds_no_secret_and_no_endpoint(template: Template) -> None:
    literal = {"POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", "MAX_RECEIVES": "9"}
    literal["MALLOC_MMAP_THRESHOLD_"] = "1000000"
    secrets = {*of_type(template, "SecretsManager::Secret"), "WebhookCredentialsSecretArn"}
    for function in of_type(template, "Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        assert variables["AWS_ENDPOINT_URL"] == NO_VALUE
        for name, value in variables.items():
            assert isinstance(value, dict) or literal.get(name) == value, name
            if "SECRET" in name:
                assert (value.get("Ref") or value["Fn::GetAtt"][0]) in secrets, name
    assert not [name for name in SOURCE["Parameters"] if re.search("(?i)(secret|password|token)(?!.*arn)", name)]


# ─── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def operations(template: Template) -> dict[tuple[str, str], dict[str, Any]]:
    """Method and path → the integration, and `security`."""
    paths = properties(template, "Api")["Body"]["paths"]
    return {
        (method, path): {**each["x-amazon-apigateway-integration"], "security": each.get("security")}
        for path, methods in paths.items()
        for method, each in methods.items()
    }


@BROKEN.by("Api/Properties/Body/paths/~1", {"get": {"x-amazon-apigateway-integration": {"uri": "x"}}})
def test_only_the_webhook_route_invokes_a_function_unsigned(template: Template) -> None:
    found = operations(template)
    assert {key: each["security"] for key, each in found.items() if key[0] != "options"} == {
        ("post", "/webhooks/tickets"): [{"NONE": []}],
        ("get", "/tickets/{ticket}"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/details"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/images"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/images/{sha256}"): [{"AWS_IAM": []}],
        ("get", "/customers/{customer}/tickets"): [{"AWS_IAM": []}],
    }
    assert {each["type"] for key, each in found.items() if key[0] == "options"} == {"mock"}, "CORS preflight"
    assert list(of_type(template, "ApiGateway::Stage")) == ["Apiv1Stage"]
    scheme = properties(template, "Api")["Body"]["components"]["securitySchemes"]["AWS_IAM"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"


@BROKEN.by("Api/Properties/FailOnWarnings", True)
@BROKEN.by("Api/Properties/Body/paths/~1tickets~1{ticket}/options/consumes", ["application/json"])
@BROKEN.by("Api/Properties/Body/paths/~1tickets~1{ticket}/options/responses/200/headers/Access-Control-Max-Age")
@BROKEN.by("Api/Properties/Body/paths/~1tickets~1{ticket}/options/security", [{"AWS_IAM": []}])
def test_preflight_requests_are_answered_by_the_api_itself(template: Template) -> None:
    """API Gateway maps only headers that the method response declares. With OpenAPI 3, Cors and Auth, SAM writes each
    header's schema within another schema (api_generator.py processes the document twice, and SAM's own expected output
    api_with_cors_and_apikey.json has it so): API Gateway reads the headers' names and warns of the
    rest ("Parse issue: attribute … is unexpected"), which matters only with FailOnWarnings.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-errors-warnings.html
    """
    api = properties(template, "Api")
    assert not api.get("FailOnWarnings")
    paths = api["Body"]["paths"]
    assert {"options" in each for each in paths.values()} == {True}
    for path, methods in paths.items():
        preflight = methods["options"]
        assert not {"consumes", "produces", "security"} & preflight.keys(), path
        mapped = preflight["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
        declared = preflight["responses"]["200"]["headers"]
        assert mapped.keys() == {f"method.response.header.{name}" for name in declared}, path
        assert mapped["method.response.header.Access-Control-Allow-Origin"] == "'*'"
        (method,) = {name.upper() for name in methods} - {"OPTIONS"}
        allowed = mapped["method.response.header.Access-Control-Allow-Methods"].strip("'").split(",")
        assert sorted(allowed) == sorted([method, "OPTIONS"]), path


@BROKEN.by("Apiv1Stage/Properties/AccessLogSetting/Fn::If/1/Format", '{"path": "$context.path"}')
def test_access_logs_hold_no_path(template: Template) -> None:
    logged = json.loads(look(template, "Apiv1Stage/AccessLogSetting/Format", "HasApiAccessLogs"))
    assert {"$context.requestId", "$context.resourcePath", "$context.status"} <= set(logged.values())
    assert not {"$context.path", "$context.identity.apiKey"} & set(logged.values())


# ─── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────────

KEPT = {
    "Tickets": "Retain",
    **dict.fromkeys(("Bucket", "BucketPolicy", "AccessLogs", "AccessLogsPolicy", "Key"), "RetainExceptOnCreate"),
}


@BROKEN.by("Key/DeletionPolicy", "Delete")
@BROKEN.by("BucketPolicy/DeletionPolicy")
@BROKEN.by("Bucket/UpdateReplacePolicy")
@BROKEN.by("Tickets/DeletionPolicy", "RetainExceptOnCreate")
def test_data_outlives_the_stack_and_a_failed_first_deployment_leaves_little(template: Template) -> None:
    """RetainExceptOnCreate deletes what a failed first deployment created. A table under deletion protection cannot be
    deleted, so there it would make the rollback fail:

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    assert {name: template["Resources"][name].get("DeletionPolicy") for name in KEPT} == KEPT
    assert {template["Resources"][name].get("UpdateReplacePolicy") for name in KEPT} == {"Retain"}
    stateful = [
        each
        for kind in ("DynamoDB::Table", "S3::Bucket", "S3::BucketPolicy", "KMS::Key")
        for each in of_type(template, kind)
    ]
    assert set(stateful) - {"Idempotency"} == set(KEPT)
    assert template["Outputs"]["AccessLogsBucketName"]["Value"] == {"Ref": "AccessLogs"}


@BROKEN.by("Key/Properties/KeyPolicy/Statement/1/Condition")
def test_services_use_the_key_for_this_account_only(template: Template) -> None:
    assert list(of_type(template, "KMS::Key")) == ["Key"]
    for statement in statements(template, "Key", "HasSenderRules", "HasConsumers").values():
        assert statement["Principal"] != "*"
        assert "Service" not in statement["Principal"] or statement["Condition"], statement["Sid"]


@BROKEN.by("BucketPolicy/Properties/PolicyDocument/Statement/0/Effect", "Allow")
def test_bucket_policy_only_denies(template: Template) -> None:
    assert {each["Effect"] for each in statements(template, "BucketPolicy").values()} == {"Deny"}


# ─── Permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


def actions(statement: dict[str, Any]) -> set[str]:
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


def allowed(template: Template, role: str, *conditions: str) -> set[str]:
    found = statements(template, role, *conditions).values()
    return {action for each in found if each["Effect"] == "Allow" for action in actions(each)}


def test_roles_may_delete_network_interfaces_after_the_functions_have_left_the_vpc() -> None:
    """Lambda deletes them with the function's role, from which the same update would take the permission:

    https://github.com/aws/serverless-application-model/issues/1169
    """
    parameters = {
        name: {each["Ref"] for each in nodes(SOURCE["Conditions"][name]) if isinstance(each, dict) and "Ref" in each}
        for name in ("HasVpc", "HasNetworkInterfaces")
    }
    assert parameters == {"HasVpc": {"SubnetIds"}, "HasNetworkInterfaces": {"SecurityGroupIds"}}


@BROKEN.by(f"{INGEST_STATEMENT}/0/Action", "sqs:*")
@BROKEN.by(f"{INGEST_STATEMENT}/0/Resource", "*")
def test_roles_allow_no_wildcard(template: Template) -> None:
    """X-Ray and VPC attachment have no resource-level permissions (Service Authorization Reference)."""
    assert set(of_type(template, "IAM::Role")) == set(ROLES)
    for role in ROLES:
        for sid, each in statements(
            template, role, "HasTracing", "HasNetworkInterfaces", "HasWebhookCredentialsKey"
        ).items():
            if each["Effect"] == "Allow":
                assert each["Resource"] != "*" or sid in ("SendTraces", "AttachToVpc"), sid
                assert not [action for action in actions(each) if "*" in action], sid


@BROKEN.by("RetrievalRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", "dynamodb:UpdateItem")
def test_retrieval_changes_nothing(template: Template) -> None:
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    reads = {"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "kms:Decrypt"}
    assert allowed(template, "RetrievalRole") == logs | reads


@BROKEN.by(f"{INGEST_STATEMENT}/6/Action", ["s3:PutObject", "s3:GetObject"])
def test_ingest_neither_reads_nor_deletes_objects(template: Template) -> None:
    """Objects are tagged with RetentionDays 0 too: tickets keep their end."""
    of_s3 = {each for each in allowed(template, "IngestRole") if each.startswith("s3:")}
    assert of_s3 == {"s3:PutObject", "s3:PutObjectTagging"}


@BROKEN.by(f"{INGEST_STATEMENT}/9/Condition")
def test_roles_use_the_key_through_services_only(template: Template) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service"""
    via = {"IngestRole": {"dynamodb", "s3", "secretsmanager", "sqs"}, "RetrievalRole": {"dynamodb", "s3"}}
    for role, services in via.items():
        for each in statements(template, role, "HasWebhookCredentialsKey").values():
            if any(action.startswith("kms:") for action in actions(each)):
                named = each["Condition"]["StringEquals"]["kms:ViaService"]
                hosts = {host["Fn::Sub"] for host in (named if isinstance(named, list) else [named])}
                assert hosts <= {f"{name}.${{AWS::Region}}.${{AWS::URLSuffix}}" for name in services}, each["Sid"]


@pytest.mark.parametrize("prefixes", [["manifests"], ["images"], ["manifests", "images"]])
def test_consumers_read_what_they_may(template: Template, prefixes: list[str]) -> None:
    conditions = [f"ConsumersRead{prefix.capitalize()}" for prefix in prefixes]
    allow = statements(template, "BucketPolicy", "HasConsumers", *conditions)["AllowConsumers"]
    assert allow["Resource"] == [{"Fn::Sub": f"${{Bucket.Arn}}/tickets/*/{prefix}/*"} for prefix in prefixes]


# ─── The whole ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_template_deploys_to_every_partition() -> None:
    """SnapStart is in no other partition."""
    assert set(SOURCE["Mappings"]["Partitions"]) == {"aws", "aws-us-gov", "aws-cn", "aws-eusc"}
    assert {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]} in SOURCE["Conditions"]["SupportsSnapStart"]["Fn::And"]


@BROKEN.by("KeyAlias/Properties/AliasName", "alias/tickets")
@BROKEN.by("IngestFunctionSchedule/Properties/Name", "requeue")
@BROKEN.by("Tickets/Properties/TableName", "tickets")
@BROKEN.by("Dashboard/Properties/DashboardName", {"Fn::Sub": "${AWS::StackName}"})
@BROKEN.by("IngestFunctionRole/Properties/RoleName", {"Ref": "AWS::StackName"})
def test_two_stacks_in_an_account_or_one_in_two_regions_share_no_name(template: Template) -> None:
    """Names of dashboards, roles and buckets are one account's, or everybody's, in all regions."""
    named = {
        "Name", "AliasName", "AlarmName", "BucketName", "DashboardName", "FunctionName", "LogGroupName", "PolicyName",
        "QueueName", "RoleName", "TableName",
    }  # fmt: skip
    for name, resource in template["Resources"].items():
        if resource["Type"].startswith("AWS::Lambda::"):
            continue
        for key in named & resource.get("Properties", {}).keys():
            value = json.dumps(resource["Properties"][key])
            assert "AWS::StackName" in value, f"{name}.{key}"
            assert "AWS::Region" in value or key not in ("BucketName", "DashboardName", "RoleName"), f"{name}.{key}"


def test_environments_of_samconfig_are_two_stacks() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for name, stack, host in (
        ("default", "idv-ticket-archive-sandbox", "api-sandbox"),
        ("production", "idv-ticket-archive", "api"),
    ):
        assert config[name]["global"]["parameters"]["stack_name"] == stack
        overrides = config[name]["deploy"]["parameters"]["parameter_overrides"]
        assert f"VendorUrl=https://{host}.preventor.com" in overrides.split()  # an installation adds its own


def test_every_parameter_is_described_and_in_one_group() -> None:
    groups = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(SOURCE["Parameters"])
    for name, declared in SOURCE["Parameters"].items():
        assert re.fullmatch(r"[A-Z'].{15,}\.", declared["Description"]), name
        assert "Default" in declared, name
    (organization,) = [group["Parameters"] for group in groups if group["Label"]["default"] == "Organization"]
    assert [SOURCE["Parameters"][name]["Default"] for name in organization if name != "ConsumerAccess"] == [""] * 5


@pytest.mark.parametrize(("rule", "path", "value"), BROKEN.cases)
def test_rule_fails_for_a_broken_template(rule: Any, path: str, value: Any) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError, TypeError)):
        rule(Broken.template(path, value))
