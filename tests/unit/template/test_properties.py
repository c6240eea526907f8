"""Properties that the template must have, as tables: of named resources, of all resources of a type, of parameters."""

import re
from typing import Any

import pytest

from ingest.dependencies import MAX_CONCURRENT_TICKETS
from retrieval.settings import MAX_LIFETIME
from tests.support.template import SOURCE, expanded, look, of_type
from ticket_archive.retention import TAG_KEY, TAG_VALUE

DAY = 86_400
FUNCTIONS = ("IngestFunction", "RetrievalFunction")
ROLES = ("IngestRole", "RetrievalRole", "ScheduleRole", "DeploymentRole")
EVERY_CONDITION = tuple(SOURCE["Conditions"])


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def arn(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def sub(text: str) -> dict[str, str]:
    return {"Fn::Sub": text}


PROPERTIES: dict[str, Any] = {
    # Each condition is true. None: must not be there.
    "IngestFunctionQueue/EventSourceArn": arn("TicketQueue"),
    "IngestFunctionQueue/FunctionResponseTypes": ["ReportBatchItemFailures"],
    "IngestFunctionQueue/ScalingConfig": {"MaximumConcurrency": ref("VendorMaxConcurrency")},
    "IngestFunctionQueue/BatchSize": MAX_CONCURRENT_TICKETS,
    "IngestFunctionQueue/MaximumBatchingWindowInSeconds": None,
    "TicketQueue/RedrivePolicy": {"deadLetterTargetArn": arn("TicketDeadLetterQueue"), "maxReceiveCount": 9},
    "IngestFunction/Environment/Variables/MAX_RECEIVES": "9",
    "TicketQueuePolicy/AllowSenderRules/Principal": {"Service": "events.amazonaws.com"},
    "TicketQueuePolicy/AllowSenderRules/Action": "sqs:SendMessage",
    "TicketQueuePolicy/AllowSenderRules/Resource": arn("TicketQueue"),
    "TicketQueuePolicy/AllowSenderRules/Condition": {
        "StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")},
        "ArnEquals": {"aws:SourceArn": ref("TicketSenderRuleArns")},
    },
    # The scheduler invokes asynchronously, so Lambda itself retries a failed invocation twice by default:
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    "IngestFunctionSchedule/Target/RetryPolicy": {"MaximumRetryAttempts": 0},
    "IngestFunctionEventInvokeConfig/FunctionName": ref("IngestFunction"),
    "IngestFunctionEventInvokeConfig/Qualifier": "live",
    "IngestFunctionEventInvokeConfig/MaximumRetryAttempts": 0,
    "ScheduleRole/InvokeIngest/Resource": sub("${IngestFunction.Arn}:live"),
    # Lambda stops a function that gets its own messages, or such of one batch, more than 16 times in a chain. The
    # emulator does so for direct invocations only: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    "IngestFunction/RecursiveLoop": "Allow",
    "RetrievalFunction/RecursiveLoop": None,
    # API Gateway's traces hold URLs, and a path may contain a customer's code:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-understanding-xray-traces.html
    "Apiv1Stage/TracingEnabled": False,
    "Apiv1Stage/StageName": "v1",
    # Regional REST APIs accept TLS 1.0 by default, and an enhanced policy needs an endpoint access mode:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html
    "Api/SecurityPolicy": "SecurityPolicy_TLS13_1_2_2021_06",
    "Api/EndpointAccessMode": "STRICT",
    "Apiv1Stage/MethodSettings/0/ResourcePath": "/*",
    "Apiv1Stage/MethodSettings/0/HttpMethod": "*",
    "Apiv1Stage/MethodSettings/0/MetricsEnabled": True,
    "Apiv1Stage/MethodSettings/0/ThrottlingRateLimit": ref("ThrottlingRateLimit"),
    "Apiv1Stage/MethodSettings/0/ThrottlingBurstLimit": ref("ThrottlingBurstLimit"),
    "Apiv1Stage/MethodSettings/1": None,
    "Tickets/DeletionProtectionEnabled": True,
    "Bucket/BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/KMSMasterKeyID": arn(
        "Key"
    ),
    "Bucket/VersioningConfiguration": {"Status": "Enabled"},
    "Bucket/NotificationConfiguration/EventBridgeConfiguration": {"EventBridgeEnabled": True},
    "Bucket/LoggingConfiguration": {"DestinationBucketName": ref("AccessLogs"), "LogFilePrefix": "bucket/"},
    "AccessLogs/LifecycleConfiguration/Rules/retention/ExpirationInDays": ref("LogRetentionDays"),
    # Objects without the tag, such as held ones, stay.
    "Bucket/LifecycleConfiguration/Rules/retention/ExpirationInDays": ref("RetentionDays"),
    "Bucket/LifecycleConfiguration/Rules/retention/NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    "Bucket/LifecycleConfiguration/Rules/retention/TagFilters": [{"Key": TAG_KEY, "Value": TAG_VALUE}],
    "Bucket/LifecycleConfiguration/Rules/expired-delete-markers/ExpiredObjectDeleteMarker": True,
    "AccessLogsPolicy/AllowServerAccessLogs/Principal": {"Service": "logging.s3.amazonaws.com"},
    "AccessLogsPolicy/AllowServerAccessLogs/Action": "s3:PutObject",
    "AccessLogsPolicy/AllowServerAccessLogs/Resource": sub("${AccessLogs.Arn}/bucket/*"),
    "AccessLogsPolicy/AllowServerAccessLogs/Condition/StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")},
    "Key/EnableKeyRotation": True,
    # Service principals end in amazonaws.com.cn in China.
    "Key/AllowCloudWatchLogs/Principal": {"Service": sub("logs.${AWS::Region}.${AWS::URLSuffix}")},
    "BucketPolicy/DenyInsecureTransport/Condition": {"Bool": {"aws:SecureTransport": "false"}},
    "BucketPolicy/DenyOldTls/Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    "BucketPolicy/DenyOldSignatures/Condition": {"NumericGreaterThan": {"s3:signatureAge": MAX_LIFETIME * 1000}},
    # Requests without the header get the bucket's default.
    "BucketPolicy/DenyOtherEncryption/Condition/Null": {"s3:x-amz-server-side-encryption": "false"},
    "BucketPolicy/DenyOtherKeys/Condition/Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    "BucketPolicy/DenyOverwritingRecords/Condition": {"Null": {"s3:if-none-match": "true"}},
    "BucketPolicy/DenyOverwritingRecords/Resource": [
        sub("${Bucket.Arn}/tickets/*/manifests/*"),
        sub("${Bucket.Arn}/operations/*"),
    ],
    # Expiring objects are overwritten, so that their lifecycle age restarts, and carry the retention tag.
    "BucketPolicy/DenyOverwritingObjects/Condition": {
        "Null": {"s3:if-none-match": "true"},
        "StringNotEquals": {f"s3:RequestObjectTag/{TAG_KEY}": TAG_VALUE},
    },
    # UpdateItem cannot be narrowed by attribute: a condition on `legal_hold` names it as a change of it does.
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    "IngestRole/WriteTickets/Action": ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:GetItem"],
    "IngestRole/DenyReplacingTickets/Condition": {
        "ForAnyValue:StringEquals": {"dynamodb:Attributes": ["legal_hold", "state"]}
    },
    "IngestFunction/Environment/Variables/RETENTION_DAYS": ref("RetentionDays"),
    "IngestFunction/Environment/Variables/VENDOR_USER_AGENT": ref("VendorUserAgent"),
    "RetrievalFunction/Environment/Variables/ALLOWED_ORIGINS": ref("AllowedOrigins"),
    "Bucket/CorsConfiguration/CorsRules/0/AllowedOrigins": {"Fn::Split": [",", ref("AllowedOrigins")]},
    "Bucket/CorsConfiguration/CorsRules/0/AllowedMethods": ["GET", "HEAD"],
    "BucketPolicy/AllowConsumers/Principal": {"AWS": ref("ConsumerPrincipals")},
    "BucketPolicy/AllowConsumers/Action": "s3:GetObject",
    "Key/AllowConsumers/Principal": {"AWS": ref("ConsumerPrincipals")},
    "Key/AllowConsumers/Action": "kms:Decrypt",
    "Key/AllowConsumers/Condition": {"StringEquals": {"kms:ViaService": sub("s3.${AWS::Region}.${AWS::URLSuffix}")}},
}

OF_EVERY: dict[str, dict[str, Any]] = {
    "SQS::Queue": {"KmsMasterKeyId": ref("Key"), "MessageRetentionPeriod": 14 * DAY},
    "Lambda::Function": {
        "Architectures": [ref("Architecture")],
        "TracingConfig": {"Mode": ref("Tracing")},
        "SnapStart": {"ApplyOn": ref("SnapStart")},
        "EphemeralStorage": None,  # SnapStart excludes it and the next two
        "FileSystemConfigs": None,
        "ImageConfig": None,
        "FunctionName": None,  # two stacks in an account would share it
        # `sam local --env-vars` sets variables that the template names.
        "Environment/Variables/AWS_ENDPOINT_URL": None,
        "Environment/Variables/POWERTOOLS_SERVICE_NAME": ref("AWS::StackName"),
        "VpcConfig": {name: {"Fn::Split": [",", ref(name)]} for name in ("SubnetIds", "SecurityGroupIds")},
    },
    "Logs::LogGroup": {"RetentionInDays": ref("LogRetentionDays"), "KmsKeyId": arn("Key")},
    "DynamoDB::Table": {
        "SSESpecification/KMSMasterKeyId": arn("Key"),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    },
    "S3::Bucket": {
        f"PublicAccessBlockConfiguration/{name}": True
        for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    },
    "SecretsManager::Secret": {"KmsKeyId": ref("Key"), "SecretString": None},
    "IAM::Role": {"PermissionsBoundary": ref("PermissionsBoundaryArn"), "ManagedPolicyArns": None},
    # Without OpenApiVersion SAM adds a stage named Stage, which has neither throttling nor logs:
    # https://github.com/aws/serverless-application-model/issues/191
    "ApiGateway::Deployment": {"StageName": None},
}

CONDITIONAL: dict[str, list[str]] = {
    "HasSenderRules": ["TicketQueuePolicy/AllowSenderRules", "Key/AllowEventBridge"],
    "HasTracing": ["IngestRole/SendTraces", "RetrievalRole/SendTraces"],
    # An account without API Gateway's CloudWatch role cannot deploy a stage with access logs.
    "HasApiAccessLogs": ["Apiv1Stage/AccessLogSetting"],
    "HasWebhookCredentialsKey": ["IngestRole/UseWebhookCredentialsKey"],
    "HasPermissionsBoundary": [f"{role}/PermissionsBoundary" for role in ROLES],
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    "HasVpc": [f"{function}/VpcConfig" for function in FUNCTIONS],
    "HasNetworkInterfaces": [
        f"{role}/{sid}" for role in ("IngestRole", "RetrievalRole") for sid in ("AttachToVpc", "DenyVpcToCode")
    ],
    "HasConsumers": ["BucketPolicy/AllowConsumers", "Key/AllowConsumers"],
    "HasAllowedOrigins": ["Bucket/CorsConfiguration"],
    "HasRetention": ["Bucket/LifecycleConfiguration/Rules/retention"],
}

PARAMETERS: dict[str, dict[str, Any]] = {
    # Defaults are in docs/deploying.md: tests/unit/test_readme.py
    "VendorMaxConcurrency": {"MinValue": 2, "MaxValue": 1000},
    "SnapStart": {"AllowedValues": ["PublishedVersions", "None"]},
}


def test_properties_are_as_in_the_table() -> None:
    template = expanded()
    assert {path: look(template, path, *EVERY_CONDITION) for path in PROPERTIES} == PROPERTIES


@pytest.mark.parametrize("kind", OF_EVERY)
def test_properties_are_those_of_every_resource_of_their_type(kind: str) -> None:
    template = expanded()
    names = of_type(template, kind)
    assert names
    for name in names:
        assert {path: look(template, f"{name}/{path}", *EVERY_CONDITION) for path in OF_EVERY[kind]} == OF_EVERY[kind]


@pytest.mark.parametrize("condition", CONDITIONAL)
def test_properties_are_there_under_their_condition_only(condition: str) -> None:
    template, paths = expanded(), CONDITIONAL[condition]
    assert [path for path in paths if look(template, path, condition) is None] == []
    assert [path for path in paths if look(template, path) is not None] == []


def test_parameters_are_declared_as_in_the_table() -> None:
    for name, expected in PARAMETERS.items():
        assert expected.items() <= SOURCE["Parameters"][name].items()


@pytest.mark.parametrize(
    ("name", "text", "valid"),
    [
        ("WebhookCredentialsSecretArn", "", True),
        ("WebhookCredentialsSecretArn", "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:a/b-Ab12Cd", True),
        # IAM compares with the whole ARN: with a shorter one, each webhook would receive 503.
        ("WebhookCredentialsSecretArn", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:webhook", False),
        ("WebhookCredentialsSecretArn", "webhook-Ab12Cd", False),
    ],
)
def test_parameter_takes_only_what_works(name: str, text: str, valid: bool) -> None:
    assert bool(re.search(SOURCE["Parameters"][name]["AllowedPattern"], text)) == valid
