"""Rules of the template that no linter checks. Each rule that reads resources is shown to fail (`BROKEN`)."""

import copy
import importlib
import json
import re
import tomllib
from typing import Any

import boto3
import pytest

from bench import memory
from ingest.dependencies import MAX_CONCURRENT_CALLS, MAX_CONCURRENT_TICKETS
from ingest.messaging.backoff import LONGEST_PAUSE
from ingest.messaging.idempotency import EventIdempotency
from ingest.settings import IngestSettings
from local import ROOT
from local.literals import replace_parameters
from retrieval.settings import LIFE_MAX, LIFE_MIN, RetrievalSettings
from tests.support.template import (
    NO_VALUE,
    SOURCE,
    Broken,
    Template,
    chosen,
    expanded,
    nodes,
    of_type,
    properties,
    statements,
)
from ticket_archive.errors import SettingsError
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.models import ImageType
from ticket_archive.retention import TAG_KEY, TAG_VALUE
from ticket_archive.table import BY_CUSTOMER, INCOMPLETE, TicketTable
from ticket_archive.webhook_credentials import VendorCredential
from ticket_archive.webhook_encryption import check_secret
from tools.scan import expand

DAY = 86_400
FUNCTIONS = {"IngestFunction": "IngestLogs", "RetrievalFunction": "RetrievalLogs"}
ROLES = ("IngestRole", "RetrievalRole", "ScheduleRole", "DeploymentRole")
BROKEN = Broken()
INGEST = "IngestFunction/Properties"
BUCKET = "Bucket/Properties"
INGEST_STATEMENT = "IngestRole/Properties/Policies/0/PolicyDocument/Statement"


@pytest.fixture
def template() -> Template:
    return expanded()


def parameter(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SOURCE["Parameters"][name]
    return found


def environment(template: Template, function: str) -> dict[str, Any]:
    found: dict[str, Any] = properties(template, function)["Environment"]["Variables"]
    return found


# ─── Queues ───────────────────────────────────────────────────────────────────────────────────────────────────────


@BROKEN.by(f"{INGEST}/Timeout", 61)
def test_visibility_timeout_is_six_function_timeouts(template: Template) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    assert (
        properties(template, "TicketQueue")["VisibilityTimeout"]
        >= 6 * properties(template, "IngestFunction")["Timeout"]
    )


@BROKEN.by("IngestFunctionQueue/Properties/ScalingConfig", {})
@BROKEN.by("IngestFunctionQueue/Properties/FunctionResponseTypes", [])
@BROKEN.by("IngestFunctionQueue/Properties/BatchSize", 11)
def test_event_source_has_bounded_concurrency_and_reports_failed_messages(template: Template) -> None:
    (mapping,) = of_type(template, "Lambda::EventSourceMapping").values()
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["TicketQueue", "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "VendorMaxConcurrency"}}
    assert mapping["BatchSize"] == MAX_CONCURRENT_TICKETS == 10
    assert "MaximumBatchingWindowInSeconds" not in mapping
    assert [int(each) for each in re.findall(r"\d+", parameter("VendorMaxConcurrency")["Description"])] == [
        MAX_CONCURRENT_CALLS
    ]
    assert (parameter("VendorMaxConcurrency")["MinValue"], parameter("VendorMaxConcurrency")["MaxValue"]) == (2, 1000)


@BROKEN.by("TicketQueue/Properties/RedrivePolicy/maxReceiveCount", 8)
def test_function_knows_how_often_a_message_is_received(template: Template) -> None:
    redrive = properties(template, "TicketQueue")["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["TicketDeadLetterQueue", "Arn"]}
    assert environment(template, "IngestFunction")["MAX_RECEIVES"] == str(redrive["maxReceiveCount"]) == "9"


@BROKEN.by("TicketQueue/Properties/MessageRetentionPeriod", DAY)
def test_message_outlives_its_retries(template: Template) -> None:
    """A dead letter keeps the age of its first enqueue, so time must remain there too:

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    queue = properties(template, "TicketQueue")
    retries = queue["RedrivePolicy"]["maxReceiveCount"] * (LONGEST_PAUSE * 1.25 + queue["VisibilityTimeout"])
    assert retries < queue["MessageRetentionPeriod"] / 2


@BROKEN.by("FailureQueuesPolicy/Properties/Queues", [{"Ref": "WebhookQuarantineQueue"}])
@BROKEN.by("WebhookQuarantineQueue/Properties/MaximumMessageSize", 262_144)
def test_queues_are_encrypted_and_require_tls(template: Template) -> None:
    queues = of_type(template, "SQS::Queue")
    for queue in queues.values():
        assert queue["KmsMasterKeyId"] == {"Ref": "Key"}
        assert queue["MessageRetentionPeriod"] == 14 * DAY
        assert queue["MaximumMessageSize"] > 256 * 1024 * 4 / 3, "a webhook's body in base64"
    policies = of_type(template, "SQS::QueuePolicy")
    assert sorted(queue["Ref"] for policy in policies.values() for queue in policy["Queues"]) == sorted(queues)
    for name in policies:
        deny = statements(template, name)["DenyInsecureTransport"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@BROKEN.by("TicketQueuePolicy/Properties/PolicyDocument/Statement/1/Fn::If/1/Condition/ArnEquals")
def test_only_named_rules_send_to_the_ticket_queue(template: Template) -> None:
    allow = statements(template, "TicketQueuePolicy", "HasSenderRules")["AllowSenderRules"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert (allow["Action"], allow["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": ["TicketQueue", "Arn"]})
    assert allow["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Ref": "TicketSenderRuleArns"}},
    }
    for name, sid in (("TicketQueuePolicy", "AllowSenderRules"), ("Key", "AllowEventBridge")):
        assert sid in statements(template, name, "HasSenderRules")
        assert sid not in statements(template, name)


@BROKEN.by("IngestFunctionSchedule/Properties/Target/Input", "{}")
@BROKEN.by("IngestFunctionEventInvokeConfig/Properties/MaximumRetryAttempts", 2)
def test_schedule_sends_its_event_without_retries(template: Template) -> None:
    """The scheduler invokes asynchronously, so Lambda itself retries a failed invocation twice by default:

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    (schedule,) = of_type(template, "Scheduler::Schedule").values()
    assert json.loads(schedule["Target"]["Input"]) == {"source": SCHEDULE_SOURCE}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    (invocations,) = of_type(template, "Lambda::EventInvokeConfig").values()
    assert (invocations["FunctionName"], invocations["Qualifier"]) == ({"Ref": "IngestFunction"}, "live")
    assert invocations["MaximumRetryAttempts"] == 0


# ─── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────


@BROKEN.by("IngestLogs/Properties/RetentionInDays", 7)
@BROKEN.by(f"{INGEST}/LoggingConfig/LogGroup", {"Ref": "RetrievalLogs"})
def test_each_function_logs_to_its_own_encrypted_group(template: Template) -> None:
    groups = of_type(template, "Logs::LogGroup")
    assert {name: each["LoggingConfig"] for name, each in of_type(template, "Lambda::Function").items()} == {
        name: {"LogGroup": {"Ref": group}} for name, group in FUNCTIONS.items()
    }
    assert set(groups) == {*FUNCTIONS.values(), "ApiLogs"}
    for group in groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
        assert "${AWS::StackName}" in group["LogGroupName"]["Fn::Sub"]


@BROKEN.by("IngestFunctionQueue/Properties/FunctionName", {"Ref": "IngestFunction"})
@BROKEN.by(
    "ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", {"Fn::GetAtt": ["IngestFunction", "Arn"]}
)
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
    assert statements(template, "ScheduleRole")["InvokeIngest"]["Resource"] == {"Fn::Sub": "${IngestFunction.Arn}:live"}


BOTH, INGEST_ONLY, RETRIEVAL_ONLY, NEITHER = set(FUNCTIONS), {"IngestFunction"}, {"RetrievalFunction"}, set[str]()
RENEWED = {
    # parameter: another value, and the functions that it reaches
    "LogLevel": ("DEBUG", BOTH),
    "Architecture": ("arm64", BOTH),
    "SnapStart": ("None", BOTH),
    "Tracing": ("Active", BOTH),
    "SubnetIds": ("subnet-0", BOTH),
    "SecurityGroupIds": ("sg-0", BOTH),
    "AllowedOrigins": ("https://review.example.com", RETRIEVAL_ONLY),
    "UrlLifeSeconds": ("120", RETRIEVAL_ONLY),
    "RetryDelaySeconds": ("30", INGEST_ONLY),
    "SettleMinutes": ("5", INGEST_ONLY),
    "VendorUrl": ("https://api.preventor.com", INGEST_ONLY),
    "VendorUserAgent": ("x", INGEST_ONLY),
    "RequeueEveryMinutes": ("7", NEITHER),  # Lambda refuses to publish a version of an unchanged function
    "LogRetentionDays": ("30", NEITHER),
    "SilenceAlarmHours": ("4", NEITHER),
}
VARIANTS: dict[str, Template] = {
    "unchanged": SOURCE,
    "resolved": replace_parameters(SOURCE, {}),
    **{name: replace_parameters(SOURCE, {name: value}) for name, (value, _) in RENEWED.items()},
}


def changed(path: str, value: Any) -> Template:
    template = copy.deepcopy(SOURCE)
    *way, last = path.split("/")
    node = template
    for step in way:
        node = node[step]
    node[last] = value
    return template


CODE_CHANGES = {
    path: changed(path, value)
    for path, value in {
        "Resources/IngestFunction/Properties/Timeout": 59,
        "Resources/IngestFunction/Properties/Environment/Variables/MAX_RECEIVES": "10",
        "Resources/SharedLayer/Properties/ContentUri": "other-layers/",
        "Globals/Function/CodeUri": "other-functions/",
        "Globals/Function/Runtime": "python3.14",
    }.items()
}


@pytest.fixture(scope="module")
def versions() -> dict[str, dict[str, str]]:
    """The version that each function's alias points at, by what was changed; another logical id is another version."""
    every = {**VARIANTS, **CODE_CHANGES}
    return {
        name: {
            each["FunctionName"]["Ref"]: each["FunctionVersion"]["Fn::GetAtt"][0]
            for each in of_type(template, "Lambda::Alias").values()
        }
        for name, template in zip(every, expand(*every.values()), strict=True)
    }


@pytest.mark.parametrize("name", RENEWED)
def test_parameter_change_publishes_versions_of_the_functions_that_it_reaches(name: str, versions: Any) -> None:
    before, after = versions["resolved"], versions[name]
    assert {function for function in FUNCTIONS if before[function] != after[function]} == RENEWED[name][1]


@pytest.mark.parametrize("path", CODE_CHANGES)
def test_change_of_code_or_configuration_publishes_a_version(path: str, versions: Any) -> None:
    assert versions[path]["IngestFunction"] != versions["unchanged"]["IngestFunction"]


def test_language_extensions_resolve_parameters_before_sam_compares_versions() -> None:
    assert SOURCE["Transform"] == ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]


def test_earlier_versions_are_kept_for_rollback(template: Template) -> None:
    kept = [each["DeletionPolicy"] for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Version"]
    assert kept == ["Retain"] * len(FUNCTIONS)
    assert template["Outputs"]["IngestFunctionName"]["Value"] == {"Ref": "IngestFunction"}
    assert template["Outputs"]["RetrievalFunctionName"]["Value"] == {"Ref": "RetrievalFunction"}


@BROKEN.by(f"{INGEST}/SnapStart", {"ApplyOn": "None"})
@BROKEN.by(f"{INGEST}/EphemeralStorage", {"Size": 1024})
def test_snapstart_is_used_where_lambda_supports_it(template: Template) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes"""
    for function in of_type(template, "Lambda::Function").values():
        assert function["SnapStart"] == {"ApplyOn": {"Fn::If": ["SupportsSnapStart", {"Ref": "SnapStart"}, "None"]}}
        assert function["Runtime"] >= "python3.12"
        assert not function.keys() & {"EphemeralStorage", "FileSystemConfigs", "ImageConfig"}
    assert parameter("SnapStart")["AllowedValues"] == ["PublishedVersions", "None"]
    assert parameter("SnapStart")["Default"] == "PublishedVersions"


@BROKEN.by(f"{INGEST}/Architectures", ["x86_64"])
def test_arm64_layer_is_unpacked_over_the_shared_one(template: Template) -> None:
    layers = {each["LayerName"]: name for name, each in of_type(template, "Lambda::LayerVersion").items()}
    for function in of_type(template, "Lambda::Function").values():
        assert function["Architectures"] == [{"Ref": "Architecture"}]
        assert chosen(function["Layers"], "IsArm64") == [{"Ref": layers["SharedLayer"]}, {"Ref": layers["Arm64Layer"]}]
        assert chosen(function["Layers"]) == [{"Ref": layers["SharedLayer"]}]


def test_layers_build_on_a_host_of_either_architecture() -> None:
    """With `sam build --use-container`, a BuildArchitecture other than the host's needs emulation."""
    for name in ("SharedLayer", "Arm64Layer"):
        assert SOURCE["Resources"][name]["Metadata"] == {"BuildMethod": "makefile"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_can_be_imported(function: str) -> None:
    module, _, name = properties(SOURCE, function)["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


@BROKEN.by(f"{INGEST}/Environment/Variables/WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef")
def test_environment_holds_no_secret(template: Template) -> None:
    literal = {"POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", "MAX_RECEIVES": "9"}
    literal["MALLOC_MMAP_THRESHOLD_"] = "1000000"
    secrets = {*of_type(template, "SecretsManager::Secret"), "WebhookCredentialsSecretArn"}
    for function in FUNCTIONS:
        for name, value in environment(template, function).items():
            assert isinstance(value, dict) or literal.get(name) == value, name
            if "SECRET" in name:
                assert (value.get("Ref") or value["Fn::GetAtt"][0]) in secrets, name


def test_deployed_functions_use_aws_endpoints(template: Template) -> None:
    for function in FUNCTIONS:
        assert environment(template, function)["AWS_ENDPOINT_URL"] == NO_VALUE


@BROKEN.by(f"{INGEST}/TracingConfig/Mode", "Active")
@BROKEN.by("Apiv1Stage/Properties/TracingEnabled", True)
def test_functions_are_traced_on_request_and_the_api_never(template: Template) -> None:
    """API Gateway's traces hold URLs, and a path may contain a customer's code:

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-understanding-xray-traces.html
    """
    for function in of_type(template, "Lambda::Function").values():
        assert function["TracingConfig"] == {"Mode": {"Ref": "Tracing"}}
    assert parameter("Tracing")["Default"] == "PassThrough"
    (stage,) = of_type(template, "ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is False
    for role in ("IngestRole", "RetrievalRole"):
        assert "SendTraces" in statements(template, role, "HasTracing")
        assert "SendTraces" not in statements(template, role)


def test_gradual_deployment_uses_codedeploy_and_the_default_does_not() -> None:
    gradual = replace_parameters(SOURCE, {"DeploymentPreference": "Canary10Percent5Minutes"})
    default, canary = expand(SOURCE, gradual)
    kinds = {each["Type"] for each in default["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith("AWS::CodeDeploy")]
    groups = of_type(canary, "CodeDeploy::DeploymentGroup")
    assert len(groups) == len(FUNCTIONS)
    for group in groups.values():
        assert "Canary10Percent5Minutes" in json.dumps(group["DeploymentConfigName"])
        assert group["AlarmConfiguration"]["Alarms"]
        assert chosen(group["ServiceRoleArn"], "HasCodeDeploy") == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
    assert parameter("DeploymentPreference")["Default"] == "AllAtOnce"
    assert set(SOURCE["Mappings"]["CodeDeploy"]) == set(parameter("DeploymentPreference")["AllowedValues"])
    assert [key for key, each in SOURCE["Mappings"]["CodeDeploy"].items() if each["Enabled"] == "false"] == [
        "AllAtOnce"
    ]


# ─── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def operations(template: Template) -> dict[tuple[str, str], dict[str, Any]]:
    """Method and path → the integration, and `security`."""
    paths = properties(template, "Api")["Body"]["paths"]
    return {
        (method, path): {**each["x-amazon-apigateway-integration"], "security": each.get("security")}
        for path, methods in paths.items()
        for method, each in methods.items()
    }


@BROKEN.by("Apiv1Stage/Properties/StageName", "v2")
def test_the_api_has_one_stage(template: Template) -> None:
    """Without OpenApiVersion SAM adds a stage named Stage, which has neither throttling nor logs:

    https://github.com/aws/serverless-application-model/issues/191
    """
    assert SOURCE["Resources"]["Api"]["Properties"]["OpenApiVersion"].startswith("3.")
    for deployment in of_type(template, "ApiGateway::Deployment").values():
        assert "StageName" not in deployment
    assert [each["StageName"] for each in of_type(template, "ApiGateway::Stage").values()] == ["v1"]


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


@BROKEN.by("Api/Properties/SecurityPolicy")
def test_the_api_requires_tls_1_2(template: Template) -> None:
    """Regional REST APIs accept TLS 1.0 by default, and an enhanced policy needs an endpoint access mode:

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html
    """
    api = properties(template, "Api")
    assert (api["SecurityPolicy"], api["EndpointAccessMode"]) == ("SecurityPolicy_TLS13_1_2_2021_06", "STRICT")


@BROKEN.by("Apiv1Stage/Properties/MethodSettings/0/HttpMethod", "GET")
def test_every_route_is_throttled(template: Template) -> None:
    (stage,) = of_type(template, "ApiGateway::Stage").values()
    (settings,) = stage["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"], settings["MetricsEnabled"]) == ("/*", "*", True)
    limits = [parameter(settings[f"Throttling{each}Limit"]["Ref"])["Default"] for each in ("Rate", "Burst")]
    assert limits == [500, 1000]


@BROKEN.by("Apiv1Stage/Properties/AccessLogSetting/Fn::If/1/Format", '{"path": "$context.path"}')
def test_access_logs_are_optional_and_hold_no_path(template: Template) -> None:
    """An account without API Gateway's CloudWatch role cannot deploy a stage with access logs."""
    (stage,) = of_type(template, "ApiGateway::Stage").values()
    assert parameter("ApiAccessLogs")["Default"] == "false"
    assert "AccessLogSetting" not in chosen(stage)
    logged = json.loads(chosen(stage, "HasApiAccessLogs")["AccessLogSetting"]["Format"])
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
    assert properties(template, "Tickets")["DeletionProtectionEnabled"] is True


@BROKEN.by("Tickets/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False)
def test_tables_are_encrypted_and_restorable(template: Template) -> None:
    for name, table in of_type(template, "DynamoDB::Table").items():
        assert table["SSESpecification"]["KMSMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}, name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name


class Recorder:
    """A DynamoDB client that records its calls."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def put_item(self, **params: Any) -> dict[str, Any]:
        self.calls.append(params)
        return {}

    def query(self, **params: Any) -> dict[str, Any]:
        self.calls.append(params)
        return {"Items": []}


@pytest.fixture
def recorded() -> list[dict[str, Any]]:
    """What the table's queries and event records send to DynamoDB."""
    client: Any = Recorder()
    table = TicketTable(client, "Tickets")
    table.put_event("T-1", "e1", "2026", "x", 1_900_000_000)
    table.incomplete(1)
    table.by_customer("C-1", 1, None)
    calls: list[dict[str, Any]] = client.calls
    return calls


@BROKEN.by("Tickets/Properties/TimeToLiveSpecification/AttributeName", "expiry")
def test_time_to_live_uses_the_attributes_that_the_code_writes(template: Template) -> None:
    def attribute(name: str) -> str:
        found = properties(template, name)["TimeToLiveSpecification"]
        return found["AttributeName"] if found["Enabled"] else ""

    assert attribute("Tickets") == "expires_at"
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    store = EventIdempotency(client, "Idempotency")._store
    assert attribute("Idempotency") == store.expiry_attr
    assert properties(template, "Idempotency")["KeySchema"] == [{"AttributeName": store.key_attr, "KeyType": "HASH"}]


def keys(schema: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(each["AttributeName"] for each in sorted(schema, key=lambda each: each["KeyType"]))


def test_indexes_and_time_to_live_match_the_codes_calls(template: Template, recorded: list[dict[str, Any]]) -> None:
    put, *queries = recorded
    assert put["Item"]["expires_at"] == {"N": "1900000000"}
    indexes = {each["IndexName"]: each for each in properties(template, "Tickets")["GlobalSecondaryIndexes"]}
    assert set(indexes) == {each["IndexName"] for each in queries} == {BY_CUSTOMER, INCOMPLETE}
    assert keys(indexes[BY_CUSTOMER]["KeySchema"]) == ("customer", "archived_at")
    assert keys(indexes[INCOMPLETE]["KeySchema"]) == ("incomplete", "retry_at")
    assert keys(properties(template, "Tickets")["KeySchema"]) == ("ticket", "record")


@BROKEN.by("Tickets/Properties/GlobalSecondaryIndexes/0/Projection/NonKeyAttributes", ["state", "outcome", "details"])
def test_customer_index_projects_what_its_list_shows_and_nothing_personal(template: Template) -> None:
    indexes = {each["IndexName"]: each for each in properties(template, "Tickets")["GlobalSecondaryIndexes"]}
    assert set(indexes[BY_CUSTOMER]["Projection"]["NonKeyAttributes"]) == {"state", "outcome", "version", "disposition"}
    assert {"received_at", "requeues"} <= set(indexes[INCOMPLETE]["Projection"]["NonKeyAttributes"])


@BROKEN.by(f"{BUCKET}/VersioningConfiguration/Status", "Suspended")
@BROKEN.by(f"{BUCKET}/PublicAccessBlockConfiguration/BlockPublicAcls", False)
def test_bucket_is_private_encrypted_versioned_and_sends_events(template: Template) -> None:
    for name in ("Bucket", "AccessLogs"):
        assert list(properties(template, name)["PublicAccessBlockConfiguration"].values()) == [True] * 4
    bucket = properties(template, "Bucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": ["Key", "Arn"]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


@BROKEN.by("AccessLogsPolicy/Properties/PolicyDocument/Statement/0/Condition/StringEquals", {})
def test_only_s3_writes_the_access_log(template: Template) -> None:
    logging = properties(template, "Bucket")["LoggingConfiguration"]
    assert logging["DestinationBucketName"] == {"Ref": "AccessLogs"}
    rules = {each["Id"]: each for each in properties(template, "AccessLogs")["LifecycleConfiguration"]["Rules"]}
    assert rules["retention"]["ExpirationInDays"] == {"Ref": "LogRetentionDays"}
    allow = statements(template, "AccessLogsPolicy")["AllowServerAccessLogs"]
    assert (allow["Principal"], allow["Action"]) == ({"Service": "logging.s3.amazonaws.com"}, "s3:PutObject")
    assert allow["Resource"] == {"Fn::Sub": "${AccessLogs.Arn}/" + logging["LogFilePrefix"] + "*"}
    assert allow["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert template["Outputs"]["AccessLogsBucketName"]["Value"] == {"Ref": "AccessLogs"}


@BROKEN.by("Key/Properties/EnableKeyRotation", False)
@BROKEN.by("Key/Properties/KeyPolicy/Statement/1/Condition")
def test_the_key_rotates_and_services_use_it_for_this_account_only(template: Template) -> None:
    assert list(of_type(template, "KMS::Key")) == ["Key"]
    assert properties(template, "Key")["EnableKeyRotation"] is True
    for statement in statements(template, "Key", "HasSenderRules", "HasConsumers").values():
        assert statement["Principal"] != "*"
        assert "Service" not in statement["Principal"] or statement["Condition"], statement["Sid"]


@BROKEN.by(f"{BUCKET}/LifecycleConfiguration/Rules/2/Fn::If/1/ExpirationInDays", 30)
@BROKEN.by(f"{BUCKET}/LifecycleConfiguration/Rules/2/Fn::If/1/TagFilters", [])
@BROKEN.by(f"{BUCKET}/LifecycleConfiguration/Rules/1/ExpiredObjectDeleteMarker", False)
def test_objects_expire_after_as_many_days_as_items(template: Template) -> None:
    """The code sets the items' `expires_at` from RETENTION_DAYS; objects without the tag, such as held ones, stay."""
    assert environment(template, "IngestFunction")["RETENTION_DAYS"] == {"Ref": "RetentionDays"}
    rules = {
        each["Id"]: each
        for each in chosen(properties(template, "Bucket"), "HasRetention")["LifecycleConfiguration"]["Rules"]
    }
    assert rules["retention"]["ExpirationInDays"] == {"Ref": "RetentionDays"}
    assert rules["retention"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rules["retention"]["TagFilters"] == [{"Key": TAG_KEY, "Value": TAG_VALUE}]
    assert rules["expired-delete-markers"]["ExpiredObjectDeleteMarker"] is True
    assert "retention" not in {
        each["Id"] for each in chosen(properties(template, "Bucket"))["LifecycleConfiguration"]["Rules"]
    }
    assert "TagExpiringObjects" in statements(template, "IngestRole"), (
        "also with RetentionDays 0: tickets keep their end"
    )


@BROKEN.by("BucketPolicy/Properties/PolicyDocument/Statement/1/Condition/NumericGreaterThan/s3:signatureAge", 3_600_000)
@BROKEN.by("BucketPolicy/Properties/PolicyDocument/Statement/3/Condition/Null", {"x": "true"})
@BROKEN.by("BucketPolicy/Properties/PolicyDocument/Statement/5/Condition/Null", {"s3:if-none-match": "false"})
def test_bucket_policy_denies_old_tls_old_signatures_other_keys_and_overwrites(template: Template) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

    Expiring objects are overwritten, so that their lifecycle age restarts, and carry the retention tag.
    """
    found = statements(template, "BucketPolicy")
    assert {each["Effect"] for each in found.values()} == {"Deny"}
    conditions = {sid: each["Condition"] for sid, each in found.items()}
    assert conditions["DenyInsecureTransport"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert conditions["DenyOldTls"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    assert conditions["DenyOldSignatures"] == {"NumericGreaterThan": {"s3:signatureAge": LIFE_MAX * 1000}}
    for sid in ("DenyOtherEncryption", "DenyOtherKeys"):
        assert set(conditions[sid]["Null"].values()) == {"false"}, (
            "requests without the header get the bucket's default"
        )
    unconditional = {"Null": {"s3:if-none-match": "true"}}
    assert conditions["DenyOverwritingRecords"] == unconditional
    assert found["DenyOverwritingRecords"]["Resource"] == [
        {"Fn::Sub": "${Bucket.Arn}/tickets/*/manifests/*"},
        {"Fn::Sub": "${Bucket.Arn}/operations/*"},
    ]
    assert conditions["DenyOverwritingObjects"] == {
        **unconditional,
        "StringNotEquals": {f"s3:RequestObjectTag/{TAG_KEY}": TAG_VALUE},
    }


@BROKEN.by("VendorCredential/Properties/GenerateSecretString/GenerateStringKey", "password")
@BROKEN.by("WebhookSecret/Properties/SecretString", "0123456789abcdef0123456789abcdef")
def test_secrets_are_generated_in_the_form_that_the_code_reads(template: Template) -> None:
    secrets = of_type(template, "SecretsManager::Secret")
    for name, secret in secrets.items():
        assert "SecretString" not in secret, name
        assert secret["KmsKeyId"] == {"Ref": "Key"}
    generated = secrets["WebhookSecret"]["GenerateSecretString"]
    assert generated["GenerateStringKey"] == "secret"
    assert check_secret("x" * generated["PasswordLength"])
    assert generated["ExcludePunctuation"] is True
    credential = secrets["VendorCredential"]["GenerateSecretString"]
    blank = json.loads(credential["SecretStringTemplate"])
    assert {*blank, credential["GenerateStringKey"]} == set(VendorCredential.model_fields)
    assert not any(blank.values())
    assert not [name for name in SOURCE["Parameters"] if re.search("(?i)(secret|password|token)(?!.*arn)", name)]


# ─── Permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


def actions(statement: dict[str, Any]) -> set[str]:
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


def allowed(template: Template, role: str, *conditions: str) -> set[str]:
    found = statements(template, role, *conditions).values()
    return {action for each in found if each["Effect"] == "Allow" for action in actions(each)}


@BROKEN.by(f"{INGEST_STATEMENT}/0/Action", "sqs:*")
@BROKEN.by(f"{INGEST_STATEMENT}/0/Resource", "*")
def test_roles_allow_no_wildcard(template: Template) -> None:
    """X-Ray and VPC attachment have no resource-level permissions (Service Authorization Reference)."""
    assert set(of_type(template, "IAM::Role")) == set(ROLES)
    for role in ROLES:
        assert "ManagedPolicyArns" not in properties(template, role), role
        for sid, each in statements(template, role, "HasTracing", "HasVpc", "HasWebhookCredentialsKey").items():
            if each["Effect"] == "Allow":
                assert each["Resource"] != "*" or sid in ("SendTraces", "AttachToVpc"), sid
                assert not [action for action in actions(each) if "*" in action], sid


@BROKEN.by("RetrievalRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", "dynamodb:UpdateItem")
def test_retrieval_changes_nothing(template: Template) -> None:
    assert allowed(template, "RetrievalRole") == {
        "dynamodb:GetItem",
        "dynamodb:Query",
        "s3:GetObject",
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


@BROKEN.by(f"{INGEST_STATEMENT}/6/Action", ["s3:PutObject", "s3:GetObject"])
@BROKEN.by(f"{INGEST_STATEMENT}/3/Condition")
def test_ingest_neither_reads_nor_deletes_objects_nor_replaces_tickets(template: Template) -> None:
    """UpdateItem cannot be narrowed by attribute: a condition on `legal_hold` names it as a change of it does.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    assert {each for each in allowed(template, "IngestRole") if each.startswith("s3:")} == {
        "s3:PutObject",
        "s3:PutObjectTagging",
    }
    write, deny = (statements(template, "IngestRole")[sid] for sid in ("WriteTickets", "DenyReplacingTickets"))
    assert actions(write) == {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
    assert deny["Condition"] == {"ForAnyValue:StringEquals": {"dynamodb:Attributes": ["legal_hold", "state"]}}


def test_event_records_are_within_what_ingest_may_put(template: Template, recorded: list[dict[str, Any]]) -> None:
    deny = statements(template, "IngestRole")["DenyReplacingTickets"]
    (denied,) = deny["Condition"]["ForAnyValue:StringEquals"].values()
    assert not recorded[0]["Item"].keys() & set(denied)


@BROKEN.by(f"{INGEST_STATEMENT}/9/Condition")
def test_roles_use_the_key_through_services_only(template: Template) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service"""
    via = {
        "IngestRole": {"dynamodb", "s3", "secretsmanager", "sqs"},
        "RetrievalRole": {"dynamodb", "s3"},
    }
    for role, services in via.items():
        for each in statements(template, role, "HasWebhookCredentialsKey").values():
            if any(action.startswith("kms:") for action in actions(each)):
                named = each["Condition"]["StringEquals"]["kms:ViaService"]
                hosts = {host["Fn::Sub"] for host in (named if isinstance(named, list) else [named])}
                assert hosts <= {f"{name}.${{AWS::Region}}.${{AWS::URLSuffix}}" for name in services}, each["Sid"]
    assert "UseWebhookCredentialsKey" in statements(template, "IngestRole", "HasWebhookCredentialsKey")
    assert "UseWebhookCredentialsKey" not in statements(template, "IngestRole")


# ─── Organizations, partitions ────────────────────────────────────────────────────────────────────────────────────


@BROKEN.by("ScheduleRole/Properties/PermissionsBoundary")
def test_every_role_has_the_permissions_boundary(template: Template) -> None:
    for name, role in of_type(template, "IAM::Role").items():
        assert chosen(role, "HasPermissionsBoundary")["PermissionsBoundary"] == {"Ref": "PermissionsBoundaryArn"}, name
        assert "PermissionsBoundary" not in chosen(role), name


@BROKEN.by("RetrievalFunction/Properties/VpcConfig")
def test_functions_run_in_the_given_subnets_and_their_code_cannot_use_ec2(template: Template) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions"""
    for function in of_type(template, "Lambda::Function").values():
        assert chosen(function, "HasVpc")["VpcConfig"] == {
            name: {"Fn::Split": [",", {"Ref": name}]} for name in ("SubnetIds", "SecurityGroupIds")
        }
        assert "VpcConfig" not in chosen(function)
    for role in ("IngestRole", "RetrievalRole"):
        assert {"AttachToVpc", "DenyVpcToCode"} <= set(statements(template, role, "HasVpc"))
        assert not {"AttachToVpc", "DenyVpcToCode"} & set(statements(template, role))


@pytest.mark.parametrize(
    ("conditions", "prefixes"),
    [
        (("ConsumersReadManifests",), ["manifests"]),
        (("ConsumersReadImages",), ["images"]),
        (("ConsumersReadManifests", "ConsumersReadImages"), ["manifests", "images"]),
    ],
)
def test_consumers_read_what_they_may_and_decrypt_it(
    template: Template, conditions: tuple[str, ...], prefixes: list[str]
) -> None:
    allow = statements(template, "BucketPolicy", "HasConsumers", *conditions)["AllowConsumers"]
    assert (allow["Principal"], allow["Action"]) == ({"AWS": {"Ref": "ConsumerPrincipals"}}, "s3:GetObject")
    assert allow["Resource"] == [{"Fn::Sub": f"${{Bucket.Arn}}/tickets/*/{prefix}/*"} for prefix in prefixes]
    key = statements(template, "Key", "HasConsumers")["AllowConsumers"]
    assert (key["Principal"], key["Action"]) == (allow["Principal"], "kms:Decrypt")
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}}
    for name in ("BucketPolicy", "Key"):
        assert "AllowConsumers" not in statements(template, name)


def test_allowed_origins_reach_the_bucket_and_the_function(template: Template) -> None:
    bucket = properties(template, "Bucket")
    (rule,) = chosen(bucket, "HasAllowedOrigins")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == {"Fn::Split": [",", {"Ref": "AllowedOrigins"}]}
    assert rule["AllowedMethods"] == ["GET", "HEAD"]
    assert "CorsConfiguration" not in chosen(bucket)
    assert environment(template, "RetrievalFunction")["ALLOWED_ORIGINS"] == {"Ref": "AllowedOrigins"}


def test_template_deploys_to_every_partition(template: Template) -> None:
    """Service principals and `kms:ViaService` end in amazonaws.com.cn in China; SnapStart is in no other partition."""
    assert "arn:aws:" not in json.dumps(SOURCE["Resources"]), "use ${AWS::Partition}"
    assert set(SOURCE["Mappings"]["Partitions"]) == {"aws", "aws-us-gov", "aws-cn"}
    assert statements(template, "Key")["AllowCloudWatchLogs"]["Principal"] == {
        "Service": {"Fn::Sub": "logs.${AWS::Region}.${AWS::URLSuffix}"}
    }
    assert {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]} in SOURCE["Conditions"]["SupportsSnapStart"]["Fn::And"]


@BROKEN.by("KeyAlias/Properties/AliasName", "alias/tickets")
@BROKEN.by("IngestFunctionSchedule/Properties/Name", "requeue")
@BROKEN.by("Tickets/Properties/TableName", "tickets")
def test_two_stacks_in_an_account_share_no_name(template: Template) -> None:
    named = {
        "Name", "AliasName", "AlarmName", "BucketName", "DashboardName", "FunctionName", "LogGroupName", "PolicyName",
        "QueueName", "RoleName", "TableName",
    }  # fmt: skip
    for name, resource in template["Resources"].items():
        if resource["Type"].startswith("AWS::Lambda::"):
            continue
        for key in named & resource.get("Properties", {}).keys():
            assert "AWS::StackName" in json.dumps(resource["Properties"][key]), f"{name}.{key}"
    for function in FUNCTIONS:
        assert environment(template, function)["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
        assert "FunctionName" not in properties(template, function)


def test_environments_of_samconfig_are_two_stacks() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    found = {
        name: (
            config[name]["global"]["parameters"]["stack_name"],
            config[name]["deploy"]["parameters"]["parameter_overrides"],
        )
        for name in ("default", "production")
    }
    assert found == {
        "default": ("idv-ticket-archive-sandbox", "VendorUrl=https://api-sandbox.preventor.com"),
        "production": ("idv-ticket-archive", "VendorUrl=https://api.preventor.com"),
    }


# ─── Parameters ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_parameter_is_described_and_in_one_group() -> None:
    groups = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(SOURCE["Parameters"])
    for name, declared in SOURCE["Parameters"].items():
        assert re.fullmatch(r"[A-Z'].{15,}\.", declared["Description"]), name
        assert "Default" in declared, name
    (organization,) = [group["Parameters"] for group in groups if group["Label"]["default"] == "Organization"]
    assert [parameter(name)["Default"] for name in organization if name != "ConsumerAccess"] == [""] * 5


ENVIRONMENT = {
    **dict.fromkeys(("TABLE_NAME", "BUCKET_NAME", "QUEUE_URL", "QUARANTINE_QUEUE_URL", "IDEMPOTENCY_TABLE_NAME"), "x"),
    **dict.fromkeys(("VENDOR_CREDENTIAL_SECRET", "WEBHOOK_SECRET"), "arn:x"),
    "VENDOR_URL": "https://api.preventor.com",
}
MODELS: dict[str, Any] = {"IngestFunction": IngestSettings, "RetrievalFunction": RetrievalSettings}


def accepts(function: str, name: str, value: object) -> bool:
    """Whether the function's settings accept a variable's value."""
    try:
        MODELS[function].read({**ENVIRONMENT, name: str(value)})
    except SettingsError:
        return False
    return True


PASSED = [
    (function, name, value["Ref"])
    for function in FUNCTIONS
    for name, value in environment(expanded(), function).items()
    if isinstance(value, dict) and value.get("Ref") in SOURCE["Parameters"] and not name.startswith("POWERTOOLS_")
]


@pytest.mark.parametrize(("function", "variable", "name"), PASSED)
def test_settings_accept_what_the_parameter_allows(function: str, variable: str, name: str) -> None:
    declared = parameter(name)
    values = [declared["Default"], *(declared[bound] for bound in ("MinValue", "MaxValue") if bound in declared)]
    for value in [*values, *declared.get("AllowedValues", ())]:
        assert accepts(function, variable, value), value


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_setting_has_a_variable_and_every_variable_a_setting(function: str) -> None:
    variables = {name for name in environment(expanded(), function) if not name.startswith(("POWERTOOLS_", "MALLOC_"))}
    settings = {name.upper() for name in MODELS[function].model_fields}
    read_elsewhere = {"IngestFunction": "WEBHOOK_CREDENTIALS_SECRET", "RetrievalFunction": "ALLOWED_ORIGINS"}
    assert variables - settings == {"AWS_ENDPOINT_URL", read_elsewhere[function]}
    assert settings - variables <= {"URL_LIFE_MAX_SECONDS"}


@pytest.mark.parametrize(
    ("name", "function", "variable", "least", "most"),
    [
        ("RetryDelaySeconds", "IngestFunction", "RETRY_DELAY_SECONDS", 1, 900),
        ("UrlLifeSeconds", "RetrievalFunction", "URL_LIFE_SECONDS", LIFE_MIN, LIFE_MAX),
    ],
)
def test_parameter_has_its_settings_bounds(name: str, function: str, variable: str, least: int, most: int) -> None:
    assert (parameter(name)["MinValue"], parameter(name)["MaxValue"]) == (least, most)
    assert not accepts(function, variable, least - 1)
    assert not accepts(function, variable, most + 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.preventor.com",
        "https://api.preventor.com:8443",
        "http://127.0.0.1:8080",
        "http://192.168.1.1",
        "http://172.16.3.4:1",
        "http://172.32.3.4",
        "http://api.preventor.com",
        "https://api.preventor.com/",
        "https://user@api.preventor.com",
    ],
)
def test_template_and_settings_agree_on_the_vendors_origin(url: str) -> None:
    allowed_by_template = re.search(parameter("VendorUrl")["AllowedPattern"], url) is not None
    assert accepts("IngestFunction", "VENDOR_URL", url) is allowed_by_template


def test_every_image_type_is_archived_by_default() -> None:
    assert parameter("ImageTypes")["Default"].split(",") == [each.value for each in ImageType]


def test_ingest_has_twice_the_memory_that_the_benchmark_allows(template: Template) -> None:
    assert properties(template, "IngestFunction")["MemorySize"] >= 2 * memory.BATCH_MB


@BROKEN.by("KeyAlias/Properties/TargetKeyId/Ref", "Keys")
def test_every_reference_resolves(template: Template) -> None:
    known = {*template["Resources"], *template["Parameters"]}
    for node in nodes([template["Resources"], template["Outputs"]]):
        match node:
            case {"Ref": str(name)} if not name.startswith("AWS::"):
                assert name in known
            case {"Fn::GetAtt": [name, *_]}:
                assert name in template["Resources"]
            case {"Fn::Sub": str(text)}:
                assert set(re.findall(r"\$\{([A-Za-z]+)(?:\.[A-Za-z]+)?\}", text)) <= known
            case {"Fn::If": [condition, *_]}:
                assert condition in template["Conditions"]


@pytest.mark.parametrize(("rule", "path", "value"), BROKEN.cases)
def test_rule_fails_for_a_broken_template(rule: Any, path: str, value: Any) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError, TypeError)):
        rule(Broken.template(path, value))
