"""What the template promises, where no linter looks: each rule is a test, and each test is seen to fail."""

import copy
import importlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from samtranslator.yaml_helper import yaml_parse

from bench import memory
from ingest.dependencies import CALLS_AT_ONCE, TICKETS_AT_ONCE
from ingest.messaging.backoff import LONGEST_PAUSE
from ingest.messaging.idempotency import EventIdempotency
from ingest.settings import IngestSettings
from local.literals import put_in_place
from retrieval.models import customer_tickets
from retrieval.settings import LIFE_MAX, LIFE_MIN, RetrievalSettings
from ticket_archive.errors import SettingsError
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.models import ImageType
from ticket_archive.retention import TAG_KEY, TAG_VALUE
from ticket_archive.table import BY_CUSTOMER, INCOMPLETE, Page, TicketTable, read_item
from ticket_archive.webhook_credentials import VendorCredential
from ticket_archive.webhook_encryption import check_secret
from tools.scan import expand

Template = dict[str, Any]
Rule = Callable[[Template], None]

ROOT = Path(__file__).parents[2]
TEMPLATE: Template = yaml_parse((ROOT / "template.yaml").read_text())
DAY = 86_400
FUNCTIONS = {"IngestFunction": "IngestLogs", "RetrievalFunction": "RetrievalLogs"}


@pytest.fixture
def template() -> Template:
    return TEMPLATE


def resources(template: Template, kind: str) -> dict[str, Any]:
    """Properties by logical id of every resource of a type."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def nodes(node: Any) -> Iterator[Any]:
    """A node and everything in it."""
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def environment(template: Template, function: str) -> dict[str, Any]:
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    return {**shared, **properties(template, function)["Environment"]["Variables"]}


def code(package: str) -> str:
    return "\n".join(file.read_text() for file in sorted((ROOT / "functions" / package).glob("*.py")))


# ─── The queue ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_stays_invisible_for_six_times_the_functions_timeout(template: Template) -> None:
    timeout = properties(template, "IngestFunction")["Timeout"]
    assert properties(template, "TicketQueue")["VisibilityTimeout"] >= 6 * timeout


def test_only_the_messages_that_failed_come_back_and_the_vendor_is_not_overrun(template: Template) -> None:
    (mapping,) = resources(expand(template)[0], "AWS::Lambda::EventSourceMapping").values()
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["TicketQueue", "Arn"]}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "VendorMaxConcurrency"}}
    assert template["Parameters"]["VendorMaxConcurrency"]["MinValue"] >= 2  # Lambda's own bounds
    assert template["Parameters"]["VendorMaxConcurrency"]["MaxValue"] <= 1000


def test_all_tickets_of_a_batch_are_worked_on_at_once_and_none_waits_for_a_fuller_one(template: Template) -> None:
    (mapping,) = resources(expand(template)[0], "AWS::Lambda::EventSourceMapping").values()
    assert 1 < mapping["BatchSize"] <= TICKETS_AT_ONCE
    assert "MaximumBatchingWindowInSeconds" not in mapping


def test_a_message_has_several_chances_and_the_function_knows_how_many(template: Template) -> None:
    redrive = properties(template, "TicketQueue")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 5
    assert environment(template, "IngestFunction")["MAX_RECEIVES"] == str(redrive["maxReceiveCount"])
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["TicketDeadLetterQueue", "Arn"]}


def test_a_message_outlives_all_its_pauses(template: Template) -> None:
    queue = properties(template, "TicketQueue")
    pauses = queue["RedrivePolicy"]["maxReceiveCount"] * (LONGEST_PAUSE * 1.25 + queue["VisibilityTimeout"])
    assert pauses < queue["MessageRetentionPeriod"] / 2


def test_every_queue_is_encrypted_keeps_14_days_and_takes_tls_only(template: Template) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    for queue in queues.values():
        assert queue["KmsMasterKeyId"] == {"Ref": "Key"}
        assert queue["MessageRetentionPeriod"] == 14 * DAY
    policies = resources(template, "AWS::SQS::QueuePolicy").values()
    assert sorted(queue["Ref"] for policy in policies for queue in policy["Queues"]) == sorted(queues)
    for policy in policies:
        statement = policy["PolicyDocument"]["Statement"][0]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_eventbridge_sends_to_the_ticket_queue_for_the_named_rules_only(template: Template) -> None:
    allowed = [
        (policy["Queues"], statement)
        for policy in resources(template, "AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"][1:]
    ]
    ((queues, choice),) = allowed
    assert queues == [{"Ref": "TicketQueue"}]
    condition, statement, otherwise = choice["Fn::If"]
    assert (condition, otherwise) == ("HasSenderRules", {"Ref": "AWS::NoValue"})
    assert template["Conditions"][condition] == {
        "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "TicketSenderRuleArns"}]}, ""]}]
    }
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": ["TicketQueue", "Arn"]})
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Ref": "TicketSenderRuleArns"}},
    }
    assert template["Parameters"]["TicketSenderRuleArns"]["Default"] == ""


def test_the_schedule_sends_what_the_handler_knows_it_by(template: Template) -> None:
    schedule = properties(template, "IngestFunction")["Events"]["Schedule"]["Properties"]
    assert json.loads(schedule["Input"]) == {"source": SCHEDULE_SOURCE}


# ─── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_left_to_sams_transform(template: Template) -> None:
    kinds = {resource["Type"] for resource in expand(template)[0]["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith("AWS::Serverless")]


def test_every_function_logs_to_a_group_of_its_own_that_forgets(template: Template) -> None:
    functions = resources(expand(template)[0], "AWS::Lambda::Function")
    groups = resources(template, "AWS::Logs::LogGroup")
    assert {name: function["LoggingConfig"] for name, function in functions.items()} == {
        name: {"LogGroup": {"Ref": group}} for name, group in FUNCTIONS.items()
    }
    assert set(groups) == {*FUNCTIONS.values(), "ApiLogs"}
    for group in groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}


def test_all_that_calls_a_function_calls_its_alias(template: Template) -> None:
    # GIVEN
    expanded = expand(template)[0]["Resources"]
    aliases = {name: found for name, found in expanded.items() if found["Type"] == "AWS::Lambda::Alias"}
    assert {found["Properties"]["FunctionName"]["Ref"] for found in aliases.values()} == set(FUNCTIONS)
    assert {found["Properties"]["Name"] for found in aliases.values()} == {"live"}
    # WHEN
    called = [
        *(found["FunctionName"] for found in resources({"Resources": expanded}, "AWS::Lambda::Permission").values()),
        *(
            found["FunctionName"]
            for found in resources({"Resources": expanded}, "AWS::Lambda::EventSourceMapping").values()
        ),
        *(found["Target"]["Arn"] for found in resources({"Resources": expanded}, "AWS::Scheduler::Schedule").values()),
    ]
    paths = expanded["Api"]["Properties"]["Body"]["paths"].values()
    uris = [
        operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for methods in paths
        for operation in methods.values()
    ]
    # THEN
    assert len(called) == 8
    assert all(place["Ref"] in aliases for place in called)
    assert len(uris) == 6
    assert all(re.search(r"functions/\$\{(\w+)\}/invocations$", uri)[1] in aliases for uri in uris)  # type: ignore[index]
    assert granted(template, "ScheduleRole") == {
        json.dumps({"Fn::Sub": "${IngestFunction.Arn}:live"}): {"lambda:InvokeFunction"}
    }


def versions(template: Template, **parameters: str) -> dict[str, str]:
    """What each function's alias stands for: another logical id is another version."""
    aliases = resources(expand(put_in_place(template, parameters))[0], "AWS::Lambda::Alias").values()
    return {found["FunctionName"]["Ref"]: found["FunctionVersion"]["Fn::GetAtt"][0] for found in aliases}


@pytest.mark.parametrize(
    ("parameter", "value", "renewed"),
    [
        ("LogLevel", "DEBUG", set(FUNCTIONS)),
        ("Architecture", "arm64", set(FUNCTIONS)),
        ("UrlLifeSeconds", "120", {"RetrievalFunction"}),
        ("RetryDelaySeconds", "30", {"IngestFunction"}),
        ("VendorUrl", "https://api.preventor.com", {"IngestFunction"}),
        ("RequeueEveryMinutes", "7", set()),  # Lambda refuses a new version of a function that is as it was
        ("LogRetentionDays", "30", set()),
    ],
)
def test_the_alias_stands_for_a_new_version_when_a_setting_of_its_function_changes(
    parameter: str, value: str, renewed: set[str]
) -> None:
    before, after = versions(TEMPLATE), versions(TEMPLATE, **{parameter: value})
    assert {function for function in FUNCTIONS if before[function] != after[function]} == renewed


def test_every_parameter_that_a_function_gets_renews_its_version() -> None:
    before = versions(TEMPLATE)
    for parameter in (*parameters(), "SnapStart"):
        assert versions(TEMPLATE, **{parameter: "another"}) != before, parameter


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("Resources/IngestFunction/Properties/Timeout", 61),
        ("Resources/IngestFunction/Properties/MemorySize", 1025),
        ("Resources/IngestFunction/Properties/Environment/Variables/MAX_RECEIVES", "10"),
        ("Resources/SharedLayer/Properties/ContentUri", "other-layers/"),
        ("Globals/Function/CodeUri", "other-functions/"),
        ("Globals/Function/Runtime", "python3.14"),
    ],
)
def test_the_alias_stands_for_a_new_version_when_code_layer_or_configuration_change(place: str, value: Any) -> None:
    changed = copy.deepcopy(TEMPLATE)
    *way, last = place.split("/")
    node = changed
    for step in way:
        node = node[step]
    node[last] = value
    assert versions(changed)["IngestFunction"] != versions(TEMPLATE)["IngestFunction"]


def test_parameters_are_put_in_place_before_sam_looks_for_changes(template: Template) -> None:
    assert template["Transform"] == ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]


def test_versions_before_are_kept_to_go_back_to(template: Template) -> None:
    kept = [found for found in expand(template)[0]["Resources"].values() if found["Type"] == "AWS::Lambda::Version"]
    assert [found["DeletionPolicy"] for found in kept] == ["Retain"] * len(FUNCTIONS)


def test_every_function_starts_from_a_snapshot_unless_told_not_to(template: Template) -> None:
    functions = resources(expand(template)[0], "AWS::Lambda::Function")
    for function in functions.values():
        assert function["SnapStart"]["ApplyOn"] == {"Ref": "SnapStart"}
        # What SnapStart does not go with
        # (https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes)
        assert function["Runtime"] >= "python3.12"
        assert not function.keys() & {"EphemeralStorage", "FileSystemConfigs", "ImageConfig"}
    assert template["Parameters"]["SnapStart"]["Default"] == "PublishedVersions"
    assert template["Parameters"]["SnapStart"]["AllowedValues"] == ["PublishedVersions", "None"]
    assert not [node for node in nodes(template) if isinstance(node, dict) and "ProvisionedConcurrencyConfig" in node]


def test_the_processor_is_a_parameter_and_its_machine_code_lies_over_the_others(template: Template) -> None:
    functions = resources(expand(template)[0], "AWS::Lambda::Function").values()
    layers = {
        found["LayerName"]: name for name, found in resources(expand(template)[0], "AWS::Lambda::LayerVersion").items()
    }
    for function in functions:
        assert function["Architectures"] == [{"Ref": "Architecture"}]
        first, then = function["Layers"]  # of two files with one name the later layer's is there
        assert first == {"Ref": layers["SharedLayer"]}
        assert then == {"Fn::If": ["OnArm64", {"Ref": layers["Arm64Layer"]}, {"Ref": "AWS::NoValue"}]}
    assert template["Conditions"]["OnArm64"] == {"Fn::Equals": [{"Ref": "Architecture"}, "arm64"]}
    assert template["Parameters"]["Architecture"]["AllowedValues"] == ["x86_64", "arm64"]
    assert properties(template, "SharedLayer")["CompatibleArchitectures"] == ["x86_64", "arm64"]
    assert template["Resources"]["Arm64Layer"]["Condition"] == "OnArm64"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_handler_is_there(function: str) -> None:
    module, _, name = properties(TEMPLATE, function)["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_no_environment_holds_a_literal_beyond_the_harmless(template: Template) -> None:
    harmless = {"POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", "MAX_RECEIVES": "9"}
    secrets = {*resources(template, "AWS::SecretsManager::Secret"), "WebhookCredentialsSecretArn"}
    for function in FUNCTIONS:
        for name, value in environment(template, function).items():
            assert isinstance(value, dict) or harmless.get(name) == value, name
            if "SECRET" in name:
                assert (value.get("Ref") or value["Fn::GetAtt"][0]) in secrets, name


def test_no_secret_has_a_literal_value_and_no_parameter_takes_one(template: Template) -> None:
    for name, secret in resources(template, "AWS::SecretsManager::Secret").items():
        assert "SecretString" not in secret, name
        assert secret["KmsKeyId"] == {"Ref": "Key"}
        blank = json.loads(secret["GenerateSecretString"]["SecretStringTemplate"])
        assert not any(blank.values()), name
    assert not [name for name in template["Parameters"] if re.search("(?i)(secret|password|key|token)(?!.*arn)", name)]


READ_BY_THE_WEBHOOK_DOOR = {"QUEUE_URL", "WEBHOOK_CREDENTIALS_SECRET"}
SET_BY_SAM_LOCAL_ONLY = {"AWS_ENDPOINT_URL"}
LEFT_AT_ITS_DEFAULT = {"URL_LIFE_MAX_SECONDS"}


@pytest.mark.parametrize(
    ("function", "model"), [("IngestFunction", IngestSettings), ("RetrievalFunction", RetrievalSettings)]
)
def test_every_variable_is_read_and_every_setting_can_be_set(
    function: str, model: type[IngestSettings | RetrievalSettings]
) -> None:
    # GIVEN
    given = {name for name in environment(TEMPLATE, function) if not name.startswith("POWERTOOLS_")}
    fields = {name.upper() for name in model.model_fields}
    # WHEN / THEN
    assert given - fields - READ_BY_THE_WEBHOOK_DOOR - SET_BY_SAM_LOCAL_ONLY == set()
    assert fields - given - LEFT_AT_ITS_DEFAULT == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_deployed_function_has_another_endpoint(template: Template, function: str) -> None:
    for name in SET_BY_SAM_LOCAL_ONLY:
        assert environment(template, function)[name] == {"Ref": "AWS::NoValue"}


def test_the_webhook_door_reads_its_two_variables() -> None:
    door = (ROOT / "functions" / "ingest" / "webhook_handler.py").read_text()
    assert set(re.findall(r'os\.environ\.get\("(\w+)"\)', door)) == READ_BY_THE_WEBHOOK_DOOR
    assert set(environment(TEMPLATE, "IngestFunction")) >= READ_BY_THE_WEBHOOK_DOOR


def test_the_functions_are_traced_and_the_api_is_not(template: Template) -> None:
    """API Gateway's traces hold URLs, and a path may name a customer:

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-understanding-xray-traces.html
    """
    functions = resources(expand(template)[0], "AWS::Lambda::Function")
    assert {function["TracingConfig"]["Mode"] for function in functions.values()} == {"Active"}
    (stage,) = resources(expand(template)[0], "AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is False
    for role in ("IngestRole", "RetrievalRole"):
        assert granted(template, role)['"*"'] == OF_NO_RESOURCE


# ─── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_route_but_the_webhook_wants_a_signature(template: Template) -> None:
    body = properties(expand(template)[0], "Api")["Body"]
    routes = {
        (method, path): operation["security"]
        for path, methods in body["paths"].items()
        for method, operation in methods.items()
    }
    assert routes == {
        ("post", "/webhooks/tickets"): [{"NONE": []}],
        ("get", "/tickets/{ticket}"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/details"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/images"): [{"AWS_IAM": []}],
        ("get", "/tickets/{ticket}/images/{sha256}"): [{"AWS_IAM": []}],
        ("get", "/customers/{customer}/tickets"): [{"AWS_IAM": []}],
    }
    assert body["securityDefinitions"]["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"


def test_the_api_is_throttled(template: Template) -> None:
    (stage,) = resources(expand(template)[0], "AWS::ApiGateway::Stage").values()
    (settings,) = [found for found in stage["MethodSettings"] if found["ResourcePath"] == "/*"]
    assert settings["HttpMethod"] == "*"
    rate, burst = (
        template["Parameters"][settings[limit]["Ref"]]["Default"]
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit")
    )
    assert 0 < rate <= burst <= 1000


def test_the_apis_own_log_is_off_unless_asked_for_and_holds_no_path(template: Template) -> None:
    """An account without API Gateway's role for logs could not deploy with it; a path may name a customer."""
    assert template["Parameters"]["ApiAccessLogs"]["Default"] == "false"
    condition, setting, otherwise = properties(template, "Api")["AccessLogSetting"]["Fn::If"]
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "ApiAccessLogs"}, "true"]}
    assert template["Resources"]["ApiLogs"]["Condition"] == condition
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert set(json.loads(setting["Format"]).values()) == {
        "$context.requestId",
        "$context.extendedRequestId",
        "$context.requestTime",
        "$context.httpMethod",
        "$context.resourcePath",
        "$context.status",
        "$context.identity.userArn",
        "$context.identity.sourceIp",
        "$context.responseLatency",
        "$context.error.responseType",
    }


# ─── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_data_and_their_key_outlive_the_stack(template: Template) -> None:
    kept = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key")
    for name, resource in template["Resources"].items():
        if resource["Type"] in kept and name != "Idempotency":
            assert resource.get("DeletionPolicy") == resource.get("UpdateReplacePolicy") == "Retain", name


def test_the_tickets_cannot_be_deleted_by_mistake(template: Template) -> None:
    assert properties(template, "Tickets")["DeletionProtectionEnabled"] is True


def test_tables_are_encrypted_and_can_be_restored(template: Template) -> None:
    for name, table in resources(template, "AWS::DynamoDB::Table").items():
        assert table["SSESpecification"]["KMSMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}, name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name


class Recorder:
    """A DynamoDB client that notes what it is asked to write."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []

    def put_item(self, **params: Any) -> dict[str, Any]:
        self.written = params["Item"]
        return {}

    def update_item(self, **params: Any) -> dict[str, Any]:
        self.asked.append(params)
        return {"Attributes": {"ticket": {"S": "T-1"}, "state": {"S": "received"}}}

    def query(self, **params: Any) -> dict[str, Any]:
        self.asked.append(params)
        return {"Items": []}


def recorded() -> tuple[Recorder, TicketTable]:
    recorder: Any = Recorder()
    return recorder, TicketTable(recorder, "Tickets")


def time_to_live(template: Template, table: str) -> str:
    specification = properties(template, table)["TimeToLiveSpecification"]
    assert specification["Enabled"] is True
    return str(specification["AttributeName"])


def test_the_time_to_live_is_in_the_attribute_that_the_code_writes(template: Template) -> None:
    # GIVEN an event record, and a ticket's registration
    recorder, table = recorded()
    table.put_event("T-1", "e1", "2026", "x", 1_900_000_000)
    table.register("T-1", "2026", 1_900_000_000)
    # WHEN / THEN
    attribute = time_to_live(template, "Tickets")
    assert recorder.written[attribute] == {"N": "1900000000"}
    assert f"#{attribute}" in recorder.asked[0]["UpdateExpression"]


def test_the_idempotency_table_is_laid_out_as_powertools_writes(template: Template) -> None:
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    store = EventIdempotency(client, "Idempotency")._store
    assert time_to_live(template, "Idempotency") == store.expiry_attr
    assert properties(template, "Idempotency")["KeySchema"] == [{"AttributeName": store.key_attr, "KeyType": "HASH"}]
    assert store.sort_key_attr is None


def indexes(template: Template) -> dict[str, Any]:
    return {index["IndexName"]: index for index in properties(template, "Tickets")["GlobalSecondaryIndexes"]}


def keys(schema: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in sorted(schema, key=lambda key: key["KeyType"]))


def test_the_indexes_are_the_ones_that_the_code_asks(template: Template) -> None:
    # GIVEN
    recorder, table = recorded()
    table.incomplete(1)
    table.by_customer("C-1", 1, None)
    # WHEN / THEN
    found = indexes(template)
    assert set(found) == {params["IndexName"] for params in recorder.asked} == {BY_CUSTOMER, INCOMPLETE}
    for params in recorder.asked:
        partition, _ = keys(found[params["IndexName"]]["KeySchema"])
        assert params["KeyConditionExpression"].split(" = ")[0] == partition
    assert keys(found[BY_CUSTOMER]["KeySchema"]) == ("customer", "archived_at")
    assert keys(found[INCOMPLETE]["KeySchema"]) == ("incomplete", "retry_at")
    assert keys(properties(template, "Tickets")["KeySchema"]) == ("ticket", "record")


def projected(template: Template, index: str) -> set[str]:
    """What an item in the index has: the keys of both, and what is included."""
    found = indexes(template)[index]
    assert found["Projection"]["ProjectionType"] == "INCLUDE"
    schema = properties(template, "Tickets")["KeySchema"]
    return {*keys(schema), *keys(found["KeySchema"]), *found["Projection"]["NonKeyAttributes"]}


def test_a_customers_list_finds_all_that_it_shows_in_the_index(template: Template) -> None:
    # GIVEN an archived ticket as the index has it
    whole = {
        "ticket": "T-1",
        "record": "ticket",
        "state": "archived",
        "outcome": "ACCEPTED",
        "disposition": "PASSED",
        "version": "v1",
        "customer": "C-1",
        "archived_at": "2026",
        "details": {"fullname": "Jon Doe"},
    }
    seen = {name: TypeSerializer().serialize(whole[name]) for name in whole.keys() & projected(template, BY_CUSTOMER)}
    # WHEN it is shown in the list
    assert "state" in seen
    (shown,) = customer_tickets("C-1", Page([read_item(seen)], None))["tickets"]
    # THEN nothing is missing, and nothing personal is in the index
    assert [name for name, value in shown.items() if value is None] == []
    assert "details" not in seen


def test_the_schedule_finds_all_that_it_needs_in_the_index(template: Template) -> None:
    item = {"ticket": "T-1", "retry_at": "2026", "received_at": "2025", "requeues": 3}
    assert item.keys() <= projected(template, INCOMPLETE)


def test_the_bucket_is_private_encrypted_versioned_and_told_of(template: Template) -> None:
    bucket = properties(template, "Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": ["Key", "Arn"]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


def test_who_reads_the_bucket_is_written_down_where_only_s3_writes(template: Template) -> None:
    logging = properties(template, "Bucket")["LoggingConfiguration"]
    log = properties(template, logging["DestinationBucketName"]["Ref"])
    assert set(log["PublicAccessBlockConfiguration"].values()) == {True}
    retention, markers = log["LifecycleConfiguration"]["Rules"]
    assert (markers["Status"], markers["ExpiredObjectDeleteMarker"]) == ("Enabled", True)
    assert (retention["Status"], retention["ExpirationInDays"]) == ("Enabled", {"Ref": "LogRetentionDays"})
    write, plain = properties(template, "AccessLogsPolicy")["PolicyDocument"]["Statement"]
    assert (write["Principal"], write["Action"]) == ({"Service": "logging.s3.amazonaws.com"}, "s3:PutObject")
    assert write["Resource"] == {"Fn::Sub": "${AccessLogs.Arn}/" + logging["LogFilePrefix"] + "*"}
    assert write["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert "${Bucket}" in write["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"]
    assert (plain["Effect"], plain["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_one_key_with_rotation_is_everybodys(template: Template) -> None:
    assert len(resources(template, "AWS::KMS::Key")) == 1
    assert properties(template, "Key")["EnableKeyRotation"] is True
    for statement in properties(template, "Key")["KeyPolicy"]["Statement"]:
        assert statement["Principal"] != "*"
        assert "Service" not in statement["Principal"] or statement["Condition"], statement["Sid"]


def test_retention_ends_for_objects_as_it_does_for_items(template: Template) -> None:
    """The table's end is written by the code from RETENTION_DAYS, the bucket's by S3 from the same parameter."""
    assert environment(template, "IngestFunction")["RETENTION_DAYS"] == {"Ref": "RetentionDays"}
    rules = properties(template, "Bucket")["LifecycleConfiguration"]["Rules"]
    [(condition, rule, otherwise)] = [each["Fn::If"] for each in rules if "Fn::If" in each]
    assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "RetentionDays"}, 0]}]}
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "RetentionDays"})
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert rule["TagFilters"] == [{"Key": TAG_KEY, "Value": TAG_VALUE}], "objects without the tag, held ones, stay"
    markers = [each for each in rules if each.get("ExpiredObjectDeleteMarker")]
    assert [each["Status"] for each in markers] == ["Enabled"], "what hides nothing any more goes too"
    statements = properties(template, "IngestRole")["Policies"][0]["PolicyDocument"]["Statement"]
    [tagging] = [each for each in statements if each["Sid"] == "TagExpiringObjects"]
    assert tagging["Action"] == "s3:PutObjectTagging", "whatever the parameter is now: a ticket has its end from before"


def test_the_bucket_takes_tls_only_and_no_signature_older_than_the_longest_url(template: Template) -> None:
    statements = {found["Sid"]: found for found in properties(template, "BucketPolicy")["PolicyDocument"]["Statement"]}
    assert {found["Effect"] for found in statements.values()} == {"Deny"}
    assert statements["DenyPlainText"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statements["DenyPlainText"]["Action"] == "s3:*"
    assert statements["DenyOldTls"]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    assert statements["DenyOldTls"]["Action"] == "s3:*"
    for sid in ("DenyOtherEncryption", "DenyOtherKeys"):
        assert set(statements[sid]["Condition"]["Null"].values()) == {"false"}, (
            "what says nothing gets the bucket's own"
        )
    assert statements["DenyOldSignatures"]["Condition"] == {"NumericGreaterThan": {"s3:signatureAge": LIFE_MAX * 1000}}


def test_the_generated_webhook_secret_is_one_that_the_code_takes(template: Template) -> None:
    generated = properties(template, "WebhookSecret")["GenerateSecretString"]
    assert generated["GenerateStringKey"] == "secret"
    assert check_secret("x" * generated["PasswordLength"])
    assert generated["ExcludePunctuation"] is True


def test_the_vendors_secret_has_a_place_for_each_value(template: Template) -> None:
    generated = properties(template, "VendorCredential")["GenerateSecretString"]
    named = {*json.loads(generated["SecretStringTemplate"]), generated["GenerateStringKey"]}
    assert named == set(VendorCredential.model_fields)


# ─── Permissions ──────────────────────────────────────────────────────────────────────────────────────────────────


def granted(template: Template, role: str) -> dict[str, set[str]]:
    """Actions by the resource they are allowed on, as JSON text."""
    found: dict[str, set[str]] = {}
    for policy in properties(template, role)["Policies"]:
        for each in policy["PolicyDocument"]["Statement"]:
            statement = each["Fn::If"][1] if "Fn::If" in each else each
            assert statement["Effect"] == "Allow"
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            places = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for place in places:
                found.setdefault(json.dumps(place), set()).update(actions)
    return found


def arn(name: str) -> str:
    return json.dumps({"Fn::GetAtt": [name, "Arn"]})


OF_NO_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions that IAM allows on everything or on nothing (Service Authorization Reference, AWS X-Ray)."""


def test_no_role_has_a_wildcard(template: Template) -> None:
    for role, found in resources(template, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in found, role
        for place, actions in granted(template, role).items():
            assert place != '"*"' or actions == OF_NO_RESOURCE, role
            assert not [action for action in actions if "*" in action], role


def test_ingest_may_read_the_ticket_that_another_attempt_changed(template: Template) -> None:
    assert "self._table.get(" in code("ingest")
    assert "dynamodb:GetItem" in granted(template, "IngestRole")[arn("Tickets")]


def test_retrieval_can_change_nothing(template: Template) -> None:
    actions = set().union(*granted(template, "RetrievalRole").values())
    assert actions == {
        "dynamodb:GetItem",
        "dynamodb:Query",
        "s3:GetObject",
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        *OF_NO_RESOURCE,
    }


def test_ingest_cannot_delete_or_read_what_is_kept(template: Template) -> None:
    found = granted(template, "IngestRole")
    assert {"dynamodb:UpdateItem", "dynamodb:PutItem"} <= found[arn("Tickets")]
    assert found[json.dumps({"Fn::Sub": "${Bucket.Arn}/tickets/*"})] == {"s3:PutObject", "s3:PutObjectTagging"}
    assert "dynamodb:DeleteItem" not in found[arn("Tickets")]


# ─── Parameters, outputs ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_benchmark_holds_memory_against_what_the_function_has(template: Template) -> None:
    assert properties(template, "IngestFunction")["MemorySize"] == memory.MEMORY_MB


def test_the_readme_has_every_parameter_with_its_default(template: Template) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert rows.keys() == template["Parameters"].keys()
    for name, declared in template["Parameters"].items():
        words = {"": "none", template["Parameters"]["ImageTypes"]["Default"]: "all five"}
        default = str(declared["Default"])
        assert rows[name].strip("`") == words.get(default, default), name


def test_the_vendors_limit_gives_the_concurrency_that_operations_say(template: Template) -> None:
    declared = template["Parameters"]["VendorMaxConcurrency"]
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.partition("## How fast the vendor is asked")[2].partition("\n## ")[0]
    assert f"at most {CALLS_AT_ONCE} calls under way" in section
    assert f"{declared['Default']}, the default, is {declared['Default'] * CALLS_AT_ONCE} calls at once" in section
    heading, *rows = [line.strip("| ").split(" | ") for line in section.splitlines() if re.match(r"\| [\dt]", line)]
    seconds = [float(re.findall(r"[\d.]+", cell)[0]) for cell in heading[1:]]
    assert len(rows) == 4
    for row in rows:
        allowed = int(re.findall(r"\d+", row[0])[0])
        worked_out = [int(allowed * each / CALLS_AT_ONCE) for each in seconds]
        assert row[1:] == [str(each) if each >= declared["MinValue"] else "-" for each in worked_out]


def test_what_one_invocation_does_at_once_is_what_the_parameter_says(template: Template) -> None:
    description = template["Parameters"]["VendorMaxConcurrency"]["Description"]
    assert [int(number) for number in re.findall(r"\d+", description)] == [CALLS_AT_ONCE]


ENVIRONMENT = {
    "TABLE_NAME": "t",
    "BUCKET_NAME": "b",
    "VENDOR_URL": "https://api.preventor.com",
    "VENDOR_CREDENTIAL_SECRET": "arn:a",
    "WEBHOOK_SECRET": "arn:b",
}


def understood(name: str, value: object) -> bool:
    model = IngestSettings if name.lower() in IngestSettings.__slots__ else RetrievalSettings
    try:
        model.read({**ENVIRONMENT, name: str(value)})
    except SettingsError:
        return False
    return True


def parameters() -> dict[str, str]:
    """The variable that hands each parameter on."""
    return {
        value["Ref"]: name
        for function in FUNCTIONS
        for name, value in environment(TEMPLATE, function).items()
        if isinstance(value, dict) and value.get("Ref") in TEMPLATE["Parameters"] and not name.startswith("POWERTOOLS_")
    }


@pytest.mark.parametrize("parameter", sorted(parameters()))
def test_what_a_parameter_allows_is_what_its_setting_takes(parameter: str) -> None:
    declared = TEMPLATE["Parameters"][parameter]
    allowed = [declared["Default"], *(declared[bound] for bound in ("MinValue", "MaxValue") if bound in declared)]
    for value in [*allowed, *declared.get("AllowedValues", ())]:
        assert understood(parameters()[parameter], value), value


@pytest.mark.parametrize(
    ("parameter", "least", "most"), [("RetryDelaySeconds", 1, 900), ("UrlLifeSeconds", LIFE_MIN, LIFE_MAX)]
)
def test_a_parameter_has_its_settings_bounds(parameter: str, least: int, most: int) -> None:
    declared = TEMPLATE["Parameters"][parameter]
    assert (declared["MinValue"], declared["MaxValue"]) == (least, most)
    assert not understood(parameters()[parameter], least - 1)
    assert not understood(parameters()[parameter], most + 1)


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
        "",
    ],
)
def test_the_template_and_the_settings_agree_on_the_vendors_origin(url: str) -> None:
    allowed = re.search(TEMPLATE["Parameters"]["VendorUrl"]["AllowedPattern"], url) is not None
    assert understood("VENDOR_URL", url) is allowed


def test_every_image_type_is_archived_by_default(template: Template) -> None:
    assert template["Parameters"]["ImageTypes"]["Default"].split(",") == [kind.value for kind in ImageType]


def test_the_outputs_that_tools_and_people_rely_on_are_there(template: Template) -> None:
    assert set(template["Outputs"]) >= {
        "WebhookUrl",
        "ApiUrl",
        "DashboardUrl",
        "TableName",
        "BucketName",
        "QueueUrl",
        "QueueArn",
        "DeadLetterQueueUrl",
        "QuarantineQueueUrl",
        "VendorCredentialArn",
        "WebhookSecretArn",
        "KeyArn",
    }


def test_every_reference_leads_somewhere(template: Template) -> None:
    known = {*template["Resources"], *template["Parameters"]}
    for node in nodes([template["Resources"], template["Outputs"]]):
        match node:
            case {"Ref": str(name)} if not name.startswith("AWS::"):
                assert name in known
            case {"Fn::GetAtt": [name, *_]}:
                assert name in template["Resources"]
            case {"Fn::Sub": str(text)}:
                for name in re.findall(r"\$\{([A-Za-z]+)(?:\.[A-Za-z]+)?\}", text):
                    assert name in known
            case {"Fn::If": [condition, *_]}:
                assert condition in template["Conditions"]


# ─── Each rule is seen to fail ────────────────────────────────────────────────────────────────────────────────────


def put(path: str, value: Any) -> Callable[[Template], None]:
    """A spoiled template: one value in it is another. None takes it out."""

    def spoil(template: Template) -> None:
        *way, last = path.split("/")
        node: Any = template["Resources"]
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        key = int(last) if isinstance(node, list) else last
        if value is None:
            del node[key]
        else:
            node[key] = value

    return spoil


INGEST, TICKETS = "IngestFunction/Properties", "Tickets/Properties"
INGEST_QUEUE = f"{INGEST}/Events/Queue/Properties"
INGEST_STATEMENTS = "IngestRole/Properties/Policies/0/PolicyDocument/Statement"
SPOILED: list[tuple[Rule, Callable[[Template], None]]] = [
    (test_a_message_stays_invisible_for_six_times_the_functions_timeout, put(f"{INGEST}/Timeout", 61)),
    (
        test_only_the_messages_that_failed_come_back_and_the_vendor_is_not_overrun,
        put(f"{INGEST_QUEUE}/ScalingConfig", {}),
    ),
    (
        test_only_the_messages_that_failed_come_back_and_the_vendor_is_not_overrun,
        put(f"{INGEST_QUEUE}/FunctionResponseTypes", []),
    ),
    (
        test_a_message_has_several_chances_and_the_function_knows_how_many,
        put("TicketQueue/Properties/RedrivePolicy/maxReceiveCount", 8),
    ),
    (test_a_message_outlives_all_its_pauses, put("TicketQueue/Properties/MessageRetentionPeriod", DAY)),
    (
        test_every_queue_is_encrypted_keeps_14_days_and_takes_tls_only,
        put("QueuesTakeTlsOnly/Properties/Queues", [{"Ref": "WebhookQuarantineQueue"}]),
    ),
    (
        test_eventbridge_sends_to_the_ticket_queue_for_the_named_rules_only,
        put("TicketQueuePolicy/Properties/PolicyDocument/Statement/1/Fn::If/1/Condition/ArnEquals", None),
    ),
    (test_the_schedule_sends_what_the_handler_knows_it_by, put(f"{INGEST}/Events/Schedule/Properties/Input", "{}")),
    (test_every_function_logs_to_a_group_of_its_own_that_forgets, put("IngestLogs/Properties/RetentionInDays", 7)),
    (
        test_every_function_logs_to_a_group_of_its_own_that_forgets,
        put(f"{INGEST}/LoggingConfig/LogGroup", {"Ref": "RetrievalLogs"}),
    ),
    (test_all_that_calls_a_function_calls_its_alias, put(f"{INGEST}/AutoPublishAlias", "other")),
    (
        test_all_that_calls_a_function_calls_its_alias,
        put(
            "ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource",
            {"Fn::GetAtt": ["IngestFunction", "Arn"]},
        ),
    ),
    (
        test_all_tickets_of_a_batch_are_worked_on_at_once_and_none_waits_for_a_fuller_one,
        put(f"{INGEST_QUEUE}/BatchSize", 11),
    ),
    (
        test_every_function_starts_from_a_snapshot_unless_told_not_to,
        put(f"{INGEST}/SnapStart", {"ApplyOn": "None"}),
    ),
    (
        test_every_function_starts_from_a_snapshot_unless_told_not_to,
        put(f"{INGEST}/EphemeralStorage", {"Size": 1024}),
    ),
    (
        test_the_processor_is_a_parameter_and_its_machine_code_lies_over_the_others,
        put(f"{INGEST}/Architectures", ["x86_64"]),
    ),
    (test_versions_before_are_kept_to_go_back_to, put(f"{INGEST}/VersionDeletionPolicy", "Delete")),
    (
        test_no_environment_holds_a_literal_beyond_the_harmless,
        put(f"{INGEST}/Environment/Variables/WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef"),
    ),
    (
        test_no_secret_has_a_literal_value_and_no_parameter_takes_one,
        put("WebhookSecret/Properties/SecretString", "0123456789abcdef0123456789abcdef"),
    ),
    (
        test_every_route_but_the_webhook_wants_a_signature,
        put("RetrievalFunction/Properties/Events/Image/Properties/Auth", {"Authorizer": "NONE"}),
    ),
    (test_every_route_but_the_webhook_wants_a_signature, put("Api/Properties/Auth/DefaultAuthorizer", "NONE")),
    (test_the_api_is_throttled, put("Api/Properties/MethodSettings/0/HttpMethod", "GET")),
    (test_data_and_their_key_outlive_the_stack, put("Key/DeletionPolicy", "Delete")),
    (test_data_and_their_key_outlive_the_stack, put("Bucket/UpdateReplacePolicy", None)),
    (
        test_tables_are_encrypted_and_can_be_restored,
        put(f"{TICKETS}/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False),
    ),
    (
        test_the_time_to_live_is_in_the_attribute_that_the_code_writes,
        put(f"{TICKETS}/TimeToLiveSpecification/AttributeName", "expiry"),
    ),
    (
        test_the_idempotency_table_is_laid_out_as_powertools_writes,
        put("Idempotency/Properties/TimeToLiveSpecification/AttributeName", "expires_at"),
    ),
    (
        test_the_indexes_are_the_ones_that_the_code_asks,
        put(f"{TICKETS}/GlobalSecondaryIndexes/0/IndexName", "customers"),
    ),
    (
        test_a_customers_list_finds_all_that_it_shows_in_the_index,
        put(f"{TICKETS}/GlobalSecondaryIndexes/0/Projection/NonKeyAttributes", ["state", "outcome", "version"]),
    ),
    (
        test_the_schedule_finds_all_that_it_needs_in_the_index,
        put(f"{TICKETS}/GlobalSecondaryIndexes/1/Projection/NonKeyAttributes", ["received_at"]),
    ),
    (
        test_the_bucket_is_private_encrypted_versioned_and_told_of,
        put("Bucket/Properties/VersioningConfiguration/Status", "Suspended"),
    ),
    (
        test_the_bucket_takes_tls_only_and_no_signature_older_than_the_longest_url,
        put(
            "BucketPolicy/Properties/PolicyDocument/Statement/1/Condition/NumericGreaterThan/s3:signatureAge", 3_600_000
        ),
    ),
    (
        test_the_bucket_takes_tls_only_and_no_signature_older_than_the_longest_url,
        put("BucketPolicy/Properties/PolicyDocument/Statement/3/Condition/Null", {"x": "true"}),
    ),
    (
        test_who_reads_the_bucket_is_written_down_where_only_s3_writes,
        put("AccessLogsPolicy/Properties/PolicyDocument/Statement/0/Condition/StringEquals", {}),
    ),
    (test_one_key_with_rotation_is_everybodys, put("Key/Properties/EnableKeyRotation", False)),
    (
        test_one_key_with_rotation_is_everybodys,
        put("Key/Properties/KeyPolicy/Statement/1/Condition", None),
    ),
    (
        test_retention_ends_for_objects_as_it_does_for_items,
        put("Bucket/Properties/LifecycleConfiguration/Rules/2/Fn::If/1/ExpirationInDays", 30),
    ),
    (
        test_retention_ends_for_objects_as_it_does_for_items,
        put("Bucket/Properties/LifecycleConfiguration/Rules/2/Fn::If/1/TagFilters", []),
    ),
    (
        test_retention_ends_for_objects_as_it_does_for_items,
        put("Bucket/Properties/LifecycleConfiguration/Rules/1/ExpiredObjectDeleteMarker", False),
    ),
    (
        test_the_apis_own_log_is_off_unless_asked_for_and_holds_no_path,
        put("Api/Properties/AccessLogSetting/Fn::If/1/Format", '{"path": "$context.path"}'),
    ),
    (
        test_the_vendors_secret_has_a_place_for_each_value,
        put("VendorCredential/Properties/GenerateSecretString/GenerateStringKey", "password"),
    ),
    (test_the_functions_are_traced_and_the_api_is_not, put(f"{INGEST}/Tracing", "PassThrough")),
    (test_the_functions_are_traced_and_the_api_is_not, put("Api/Properties/TracingEnabled", True)),
    (test_no_role_has_a_wildcard, put(f"{INGEST_STATEMENTS}/0/Action", "sqs:*")),
    (test_no_role_has_a_wildcard, put(f"{INGEST_STATEMENTS}/0/Resource", "*")),
    (
        test_ingest_cannot_delete_or_read_what_is_kept,
        put(f"{INGEST_STATEMENTS}/5/Action", ["s3:PutObject", "s3:GetObject"]),
    ),
    (test_every_reference_leads_somewhere, put("KeyAlias/Properties/TargetKeyId/Ref", "Keys")),
]


@pytest.mark.parametrize(("rule", "spoil"), SPOILED)
def test_a_template_that_breaks_a_rule_is_noticed(rule: Rule, spoil: Callable[[Template], None]) -> None:
    spoiled = copy.deepcopy(TEMPLATE)
    spoil(spoiled)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        rule(spoiled)
