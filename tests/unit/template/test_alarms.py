"""Every alarm and every graph names a metric that is written, under the dimensions that it is written with."""

import json
import re
from typing import Any

import pytest

from local import ROOT
from tests.support.interpreter import run
from tests.support.template import SOURCE, Broken, Template, chosen, expanded, of_type, properties
from ticket_archive.metrics import Metric

BROKEN = Broken()
OURS = "TicketArchive"
SERVICE = {"service": "Stack"}
QUEUE, FUNCTION = {"QueueName": "SQS::Queue"}, {"FunctionName": "Lambda::Function"}

# AWS's metrics and the resource that their dimension names, by the services' pages "metrics and dimensions".
OF_AWS = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): QUEUE,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): QUEUE,
    **{("AWS/Lambda", name): FUNCTION for name in ("Errors", "Throttles", "Duration", "Invocations")},
    **{("AWS/ApiGateway", name): {"ApiName": "Stack"} for name in ("4XXError", "5XXError")},
    **{
        ("AWS/DynamoDB", f"Consumed{name}CapacityUnits"): {"TableName": "DynamoDB::Table"} for name in ("Read", "Write")
    },
}
WEBHOOK_ROUTE = {"Stage": "v1", "Method": "POST", "Resource": "/webhooks/tickets"}


@pytest.fixture
def template() -> Template:
    return expanded()


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    return of_type(template, "CloudWatch::Alarm")


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in alarm["Dimensions"]}


def kind_named(template: Template, value: Any) -> str:
    """Return the type of the resource that a dimension's value names; a queue's Ref is its URL, not its name."""
    match value:
        case {"Ref": "AWS::StackName"} | "${AWS::StackName}":
            return "Stack"
        case {"Fn::GetAtt": [str(name), "QueueName"]}:
            pass
        case {"Ref": str(name)} if "Queue" not in name:
            pass
        case str(text) if found := re.fullmatch(r"\$\{(\w+)(\.QueueName)?\}", text):
            name = found[1]
        case _:
            return ""
    return str(template["Resources"][name]["Type"].removeprefix("AWS::"))


def check_metric(template: Template, namespace: str, metric: str, named: dict[str, Any]) -> None:
    expected = SERVICE if namespace == OURS else OF_AWS[namespace, metric]
    assert {key: kind_named(template, value) for key, value in named.items()} == expected, metric
    assert namespace != OURS or metric in set(Metric)


def test_code_writes_every_metric_of_the_catalogue() -> None:
    files = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "ticket_archive").glob("*.py")]
    used = {name for file in files for name in re.findall(r"\bMetric\.(\w+)", file.read_text())}
    assert used == set(Metric.__members__)


def test_metrics_have_the_stacks_name_as_service() -> None:
    """The template sets POWERTOOLS_SERVICE_NAME to the stack's name, the dimension that the alarms name."""
    program = "from ticket_archive.telemetry import metrics; print(metrics.service)"
    assert run(program, POWERTOOLS_SERVICE_NAME="stack-2").stdout.strip() == "stack-2"


@BROKEN.by("ConfigurationErrorsAlarm/Properties/MetricName", "SettingsFaults")
@BROKEN.by("QuarantineAlarm/Properties/Dimensions/0/Value", "ticket-archive")
@BROKEN.by("DeadLettersAlarm/Properties/Dimensions/0/Value", {"Ref": "TicketDeadLetterQueue"})
@BROKEN.by("IngestErrorsAlarm/Properties/Dimensions/0/Value", {"Ref": "Tickets"})
@BROKEN.by("Webhook5xxAlarm/Properties/Dimensions/3/Value", "/webhooks")
def test_every_alarm_watches_a_metric_that_is_written(template: Template) -> None:
    """API Gateway counts by method where detailed metrics are on, and throttled requests as 4XXError:

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    """
    for name, alarm in alarms(template).items():
        named = dimensions(alarm)
        if name in ("Webhook4xxAlarm", "Webhook5xxAlarm"):
            assert {key: named.pop(key) for key in WEBHOOK_ROUTE} == WEBHOOK_ROUTE
        check_metric(template, alarm["Namespace"], alarm["MetricName"], named)
    (stage,) = of_type(template, "ApiGateway::Stage").values()
    assert (stage["StageName"], stage["MethodSettings"][0]["MetricsEnabled"]) == (WEBHOOK_ROUTE["Stage"], True)
    assert "post" in properties(template, "Api")["Body"]["paths"][WEBHOOK_ROUTE["Resource"]]
    assert properties(template, "Api")["Name"] == {"Fn::Sub": "${AWS::StackName}"}


@BROKEN.by("QuarantineAlarm/Properties/AlarmActions", [])
@BROKEN.by("QuarantineAlarm/Properties/TreatMissingData", "breaching")
@BROKEN.by("QuarantineAlarm/Properties/AlarmDescription", "WebhooksQuarantined")
def test_every_alarm_is_described_and_goes_to_the_topic(template: Template) -> None:
    for name, alarm in alarms(template).items():
        assert chosen(alarm, "HasAlarmTopic")["AlarmActions"] == [{"Ref": "AlarmTopicArn"}], name
        assert "AlarmActions" not in chosen(alarm), name
        assert re.fullmatch(r"[A-Z].{30,}\.", alarm["AlarmDescription"]), name
        silence = name.endswith("SilenceAlarm")
        assert (alarm["TreatMissingData"], alarm["ComparisonOperator"]) == (
            ("breaching", "LessThanThreshold") if silence else ("notBreaching", "GreaterThanOrEqualToThreshold")
        ), name


WANTED = {
    # what must raise an alarm: namespace, metric, statistic, threshold, seconds until it is raised
    "DeadLettersAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", 1, 60),
    "Webhook5xxAlarm": ("AWS/ApiGateway", "5XXError", "Sum", 1, 60),
    "Webhook4xxAlarm": ("AWS/ApiGateway", "4XXError", "Sum", 10, 900),
    "WebhookEnqueueFailedAlarm": (OURS, "WebhooksEnqueueFailed", "Sum", 1, 60),
    "QuarantineAlarm": (OURS, "WebhooksQuarantined", "Sum", 10, 300),
    "UnrecognizedEventsAlarm": (OURS, "UnrecognizedEvents", "Sum", 1, 300),
    "QueueAgeAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", 3600, 300),
    "RetriedMessagesAlarm": (OURS, "MessagesRetriedOften", "Sum", 1, 7200),
    "IncompleteTicketsAlarm": (OURS, "TicketsIncompleteForAnHour", "Maximum", 1, 900),
    "ArchivedIncompleteAlarm": (OURS, "ArchivedIncomplete", "Sum", 1, 300),
    "ArchivedWithoutOutcomeAlarm": (OURS, "ArchivedWithoutOutcome", "Sum", 1, 300),
    "VendorAuthErrorsAlarm": (OURS, "VendorAuthErrors", "Sum", 1, 300),
    "VendorUnavailableAlarm": (OURS, "VendorCallsUnavailable", "Sum", 10, 900),
    "UnrecognizedResponsesAlarm": (OURS, "UnrecognizedResponses", "Sum", 1, 300),
    "ConfigurationErrorsAlarm": (OURS, "ConfigurationErrors", "Sum", 1, 300),
    "StorageErrorsAlarm": (OURS, "StorageErrors", "Sum", 1, 300),
    "Api5xxAlarm": ("AWS/ApiGateway", "5XXError", "Sum", 1, 300),
    **{
        f"{name}{metric}Alarm": ("AWS/Lambda", metric, "Sum", 1, 300)
        for name in ("Ingest", "Retrieval")
        for metric in ("Errors", "Throttles")
    },
}


@BROKEN.by("DeadLettersAlarm/Properties/Threshold", 10)
@BROKEN.by("RetriedMessagesAlarm/Properties/EvaluationPeriods", 24)
@BROKEN.by("IngestThrottlesAlarm/Properties/MetricName", "Errors")
def test_alarms_fire_at_their_thresholds(template: Template) -> None:
    """SQS leaves messages that were received more than three times out of ApproximateAgeOfOldestMessage, so that
    retried ones need an alarm of their own:

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    found = {
        name: (
            *(each[key] for key in ("Namespace", "MetricName", "Statistic", "Threshold")),
            each["Period"] * each["EvaluationPeriods"],
        )
        for name, each in alarms(template).items()
        if not name.endswith("SilenceAlarm")
    }
    assert found == WANTED


@BROKEN.by("DeadLettersAlarm/Properties/Dimensions/0/Value/Fn::GetAtt/0", "WebhookQuarantineQueue")
def test_junk_webhooks_do_not_raise_the_alarm_for_dead_letters(template: Template) -> None:
    queues = [value for alarm in alarms(template).values() if (value := dimensions(alarm).get("QueueName"))]
    assert sorted(each["Fn::GetAtt"][0] for each in queues) == ["TicketDeadLetterQueue", "TicketQueue"]
    assert dimensions(alarms(template)["DeadLettersAlarm"])["QueueName"]["Fn::GetAtt"][0] == "TicketDeadLetterQueue"


@BROKEN.by("ScheduleSilenceAlarm/Properties/Statistic", "Sum")
@BROKEN.by("WebhookSilenceAlarm/Condition")
def test_silence_raises_an_alarm_if_wanted(template: Template) -> None:
    """The schedule writes its metric with every run, mostly as 0, so its samples are counted. CloudWatch evaluates at
    most seven days: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    declared = SOURCE["Parameters"]["SilenceAlarmHours"]
    assert (declared["Default"], declared["MinValue"], declared["MaxValue"]) == (0, 0, 168)
    for name, metric, statistic in (
        ("WebhookSilenceAlarm", "WebhooksAccepted", "Sum"),
        ("ScheduleSilenceAlarm", "TicketsIncompleteForAnHour", "SampleCount"),
    ):
        alarm = properties(template, name)
        assert template["Resources"][name]["Condition"] == "HasSilenceAlarms"
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == (metric, statistic, 1)
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, {"Ref": "SilenceAlarmHours"})


WIDGETS: list[dict[str, Any]] = json.loads(SOURCE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])[
    "widgets"
]


def lines(metrics: list[list[Any]]) -> list[list[str]]:
    """Return namespace, metric, dimension and value of each line; `.` repeats the field above, `...` all before.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    found: list[list[str]] = []
    for metric in metrics:
        fields = [each for each in metric if isinstance(each, str)]
        if fields[0] == "...":
            fields = [*found[-1][: 5 - len(fields)], *fields[1:]]
        found.append([found[-1][place] if each == "." else each for place, each in enumerate(fields)])
    return found


GRAPHS = {
    each["properties"]["title"]: lines(each["properties"]["metrics"]) for each in WIDGETS if each["type"] == "metric"
}


def test_dashboard_shows_every_metric_of_the_catalogue_and_only_written_ones(template: Template) -> None:
    every = [line for graph in GRAPHS.values() for line in graph]
    for namespace, metric, dimension, value in every:
        check_metric(template, namespace, metric, {dimension: value})
    assert {metric for namespace, metric, *_ in every if namespace == OURS} == set(Metric)


def test_dashboard_shows_every_alarm_that_always_exists(template: Template) -> None:
    """A widget cannot name an alarm whose condition may be false."""
    (top,) = [each for each in WIDGETS if each["type"] == "alarm"]
    always = [name for name in alarms(template) if "Condition" not in template["Resources"][name]]
    assert sorted(top["properties"]["alarms"]) == sorted(f"${{{name}.Arn}}" for name in always)


def test_no_widget_overlaps_another() -> None:
    taken = [
        (x, y)
        for each in WIDGETS
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize(("rule", "path", "value"), BROKEN.cases)
def test_rule_fails_for_a_broken_template(rule: Any, path: str, value: Any) -> None:
    with pytest.raises((AssertionError, KeyError)):
        rule(Broken.template(path, value))
