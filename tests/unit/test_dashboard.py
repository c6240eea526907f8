"""The dashboard shows what the code writes, of the resources that the template makes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from ticket_archive.metrics import Metric

TEMPLATE: dict[str, Any] = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())
BODY: str = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
OURS = ("service", "ticket-archive")

# By the user guides of the services: the metric, and the dimension under which it is kept.
OF_AWS = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): "QueueName",
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): "QueueName",
    ("AWS/ApiGateway", "5XXError"): "ApiName",
    ("AWS/Lambda", "Errors"): "FunctionName",
    ("AWS/Lambda", "Duration"): "FunctionName",
    ("AWS/Lambda", "Invocations"): "FunctionName",
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): "TableName",
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"): "TableName",
}
NAMED_BY = {
    "QueueName": r"\$\{(\w+)\.QueueName\}",
    "FunctionName": r"\$\{(\w+Function)\}",
    "TableName": r"\$\{(Tickets)\}",
    "ApiName": r"\$\{(AWS::StackName)\}",
}

Shown = tuple[str, str, str, str]


def whole(metrics: list[list[Any]]) -> list[Shown]:
    """Namespace, metric, dimension and value of each line; `.` is the field above, `...` all that come before.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    lines: list[Shown] = []
    for metric in metrics:
        fields = [field for field in metric if isinstance(field, str)]
        if fields[0] == "...":
            fields = [*lines[-1][: 5 - len(fields)], *fields[1:]]
        above = lines[-1] if lines else ("", "", "", "")
        namespace, name, dimension, value = (
            before if field == "." else field for field, before in zip(fields, above, strict=True)
        )
        lines.append((namespace, name, dimension, value))
    return lines


def widgets() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(BODY)["widgets"]
    return found


def graphs() -> dict[str, list[Shown]]:
    return {
        widget["properties"]["title"]: whole(widget["properties"]["metrics"])
        for widget in widgets()
        if widget["type"] == "metric"
    }


@pytest.mark.parametrize("title", sorted(graphs()))
def test_a_graph_shows_metrics_that_somebody_writes(title: str) -> None:
    for namespace, name, dimension, value in graphs()[title]:
        if namespace == "TicketArchive":
            assert name in set(Metric)
            assert (dimension, value) == OURS
        else:
            assert OF_AWS[namespace, name] == dimension
            assert re.fullmatch(NAMED_BY[dimension], value), value


def test_every_metric_of_the_catalogue_is_shown() -> None:
    assert {
        name for shown in graphs().values() for namespace, name, *_ in shown if namespace == "TicketArchive"
    } == set(Metric)


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Webhooks in", {"WebhooksAccepted", "WebhooksEnqueueFailed"}),
        ("Tickets archived", {"TicketsArchived", "DuplicatesSuppressed"}),
        ("From webhook to manifest", {"ArchiveLatency"}),
        ("Incomplete", {"TicketsIncompleteForAnHour", "MessagesRetried"}),
        ("Queues and dead letters", {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}),
        ("The vendor's answers, slowest 1 %", {"VendorDetailsTime", "VendorImagesTime"}),
        ("The vendor's errors by kind", {"VendorCallsUnavailable", "VendorCallsThrottled", "VendorCallsDenied"}),
        ("Retrieval", {"UrlsIssued"}),
        ("What is paid for: milliseconds of Lambda", {"Duration"}),
        ("What is paid for: calls", {"VendorCalls", "ObjectsPut", "ConsumedWriteCapacityUnits"}),
    ],
)
def test_what_an_operator_looks_for_has_its_graph(title: str, names: set[str]) -> None:
    assert names <= {name for _, name, *_ in graphs()[title]}


def test_every_alarm_is_on_top() -> None:
    (top,) = [widget for widget in widgets() if widget["type"] == "alarm"]
    alarms = {name for name, found in TEMPLATE["Resources"].items() if found["Type"] == "AWS::CloudWatch::Alarm"}
    assert (top["x"], top["y"]) == (0, 0)
    assert set(top["properties"]["alarms"]) == {f"${{{name}.Arn}}" for name in alarms}


def test_no_widget_lies_on_another() -> None:
    taken = [
        (x, y)
        for widget in widgets()
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
