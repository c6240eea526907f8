"""What the template watches is what the code writes, under the same dimensions, and told in words for people."""

import ast
import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from ticket_archive.metrics import Metric, count
from ticket_archive.telemetry import metrics

Template = dict[str, Any]
Rule = Callable[[Template], None]

ROOT = Path(__file__).parents[2]
TEMPLATE: Template = yaml_parse((ROOT / "template.yaml").read_text())
CODE = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "ticket_archive").glob("*.py")]
OURS = "TicketArchive"

# What AWS writes by itself, and under which dimensions, by the user guide of each service ("metrics and dimensions").
OF_AWS = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ("QueueName", "AWS::SQS::Queue"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): ("QueueName", "AWS::SQS::Queue"),
    ("AWS/Lambda", "Errors"): ("FunctionName", "AWS::Serverless::Function"),
    ("AWS/ApiGateway", "5XXError"): ("ApiName", "AWS::Serverless::Api"),
    ("AWS/ApiGateway", "4XXError"): ("ApiName", "AWS::Serverless::Api"),
}


@pytest.fixture
def template() -> Template:
    return TEMPLATE


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def named_by(value: Any) -> str:
    """The resource that a dimension's value is the name of; the API has the stack's."""
    match value:
        case {"Fn::GetAtt": [str(resource), "QueueName"]}:
            return resource
        case {"Ref": "AWS::StackName"}:
            return "Api"
        case {"Ref": str(resource)} if resource.endswith("Function"):  # a queue's Ref is its URL
            return resource
    return ""


# ─── The catalogue is what the code writes ────────────────────────────────────────────────────────────────────────


def test_the_code_writes_every_metric_of_the_catalogue_and_knows_no_other_way() -> None:
    used: set[str] = set()
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id == "Metric":
                    used.add(node.attr)
                assert node.attr not in ("add_metric", "single_metric") or file.name == "metrics.py", file

    assert used == set(Metric.__members__)


def test_each_metric_has_the_one_dimension_that_alarms_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the variables that the template sets
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", variables["POWERTOOLS_METRICS_NAMESPACE"])

    # WHEN
    @metrics.log_metrics
    def handler(_event: Any, _context: Any) -> None:
        for metric in Metric:
            count(metric)

    handler({}, None)
    # THEN
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if text.startswith("{")]
    (written,) = line["_aws"]["CloudWatchMetrics"]
    assert (written["Namespace"], written["Dimensions"]) == (OURS, [["service"]])
    assert {metric["Name"] for metric in written["Metrics"]} == set(Metric)
    assert line["service"] == "ticket-archive"


# ─── Alarms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_alarm_can_fire(template: Template) -> None:
    for name, alarm in alarms(template).items():
        dimension, *more = alarm["Dimensions"]
        if alarm["Namespace"] == OURS:
            assert alarm["MetricName"] in set(Metric), name
            assert dimension == {"Name": "service", "Value": "ticket-archive"}, name
        else:
            expected, kind = OF_AWS[alarm["Namespace"], alarm["MetricName"]]
            assert dimension["Name"] == expected, name
            assert template["Resources"][named_by(dimension["Value"])]["Type"] == kind, name
        assert not more or name == "Webhook4xxAlarm", "whose dimensions have a test of their own"


def test_webhooks_that_are_turned_away_raise_an_alarm_whoever_does_it(template: Template) -> None:
    """API Gateway counts a throttled request as 4XXError too, by route where detailed metrics are on."""
    alarm = alarms(template)["Webhook4xxAlarm"]
    api, route = template["Resources"]["Api"]["Properties"], route_of(template, "Webhook")
    assert alarm["MetricName"] == "4XXError"
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "ApiName": {"Ref": "AWS::StackName"},
        "Stage": api["StageName"],
        "Method": route["Method"],
        "Resource": route["Path"],
    }
    assert api["MethodSettings"][0]["MetricsEnabled"] is True


def route_of(template: Template, event: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]["IngestFunction"]["Properties"]["Events"][event]["Properties"]
    return found


def test_the_api_is_called_as_its_alarm_calls_it(template: Template) -> None:
    assert template["Resources"]["Api"]["Properties"]["Name"] == {"Fn::Sub": "${AWS::StackName}"}


def test_every_alarm_is_heard_and_silence_is_no_alarm(template: Template) -> None:
    for name, alarm in alarms(template).items():
        assert alarm["AlarmActions"] == {
            "Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]
        }, name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold", name


def test_every_alarm_says_in_words_what_it_means(template: Template) -> None:
    for name, alarm in alarms(template).items():
        assert re.fullmatch(r"[A-Z].{30,}\.", alarm["AlarmDescription"]), name


def test_a_stuck_customer_raises_an_alarm(template: Template) -> None:
    alarm = alarms(template)["DeadLettersAlarm"]
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert named_by(alarm["Dimensions"][0]["Value"]) == "TicketDeadLetterQueue"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)


def test_junk_never_sets_off_the_alarm_of_stuck_customers(template: Template) -> None:
    watching = [
        name
        for name, alarm in alarms(template).items()
        if any(named_by(each["Value"]) == "WebhookQuarantineQueue" for each in alarm["Dimensions"])
    ]
    assert watching == [], "what waits in quarantine is looked at when a wave comes, not for as long as it lies there"
    assert alarms(template)["QuarantineAlarm"]["Threshold"] > 1


# ─── Each rule is seen to fail ────────────────────────────────────────────────────────────────────────────────────


def put(name: str, **values: Any) -> Callable[[Template], None]:
    def spoil(template: Template) -> None:
        template["Resources"][name]["Properties"].update(values)

    return spoil


def dimension(name: str, value: Any) -> dict[str, Any]:
    return {"Dimensions": [{"Name": name, "Value": value}]}


SPOILED: list[tuple[Rule, Callable[[Template], None]]] = [
    (test_every_alarm_can_fire, put("ConfigurationErrorsAlarm", MetricName="SettingsFaults")),
    (test_every_alarm_can_fire, put("QuarantineAlarm", **dimension("service", "TicketArchive"))),
    (test_every_alarm_can_fire, put("QuarantineAlarm", **dimension("Service", "ticket-archive"))),
    (test_every_alarm_can_fire, put("DeadLettersAlarm", MetricName="MessagesVisible")),
    (
        test_every_alarm_can_fire,
        put("DeadLettersAlarm", **dimension("Queue", {"Fn::GetAtt": ["TicketQueue", "QueueName"]})),
    ),
    (test_every_alarm_can_fire, put("DeadLettersAlarm", **dimension("QueueName", {"Ref": "TicketDeadLetterQueue"}))),
    (test_every_alarm_can_fire, put("IngestErrorsAlarm", **dimension("FunctionName", {"Ref": "Tickets"}))),
    (test_the_api_is_called_as_its_alarm_calls_it, put("Api", Name="tickets")),
    (test_webhooks_that_are_turned_away_raise_an_alarm_whoever_does_it, put("Api", StageName="v2")),
    (
        test_webhooks_that_are_turned_away_raise_an_alarm_whoever_does_it,
        put("Api", MethodSettings=[{"MetricsEnabled": False}]),
    ),
    (test_every_alarm_is_heard_and_silence_is_no_alarm, put("QuarantineAlarm", AlarmActions=[])),
    (test_every_alarm_is_heard_and_silence_is_no_alarm, put("QuarantineAlarm", TreatMissingData="breaching")),
    (test_every_alarm_says_in_words_what_it_means, put("QuarantineAlarm", AlarmDescription="WebhooksQuarantined")),
    (test_a_stuck_customer_raises_an_alarm, put("DeadLettersAlarm", Threshold=10)),
    (
        test_junk_never_sets_off_the_alarm_of_stuck_customers,
        put("StorageErrorsAlarm", **dimension("QueueName", {"Fn::GetAtt": ["WebhookQuarantineQueue", "QueueName"]})),
    ),
]


@pytest.mark.parametrize(("rule", "spoil"), SPOILED)
def test_a_template_that_breaks_a_rule_is_noticed(rule: Rule, spoil: Callable[[Template], None]) -> None:
    spoiled = copy.deepcopy(TEMPLATE)
    spoil(spoiled)
    with pytest.raises((AssertionError, KeyError)):
        rule(spoiled)
