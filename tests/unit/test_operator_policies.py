"""The example policies of operators allow what the commands read. tests/e2e/test_operator_roles.py tries them."""

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local import ROOT
from ops import table
from tests.support.template import SOURCE

FOLDER = ROOT / "examples" / "policies" / "operators"


def statements(name: str) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads((FOLDER / f"{name}.json").read_text())["Statement"]}


@pytest.mark.parametrize("name", ["on-call", "auditor"])
def test_on_call_and_auditor_name_the_attributes_that_they_read(name: str) -> None:
    """A request that names no attributes reads all of them, and `ForAllValues` is true of no values:

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    condition = statements(name)["ReadTicketsWithoutContent"]["Condition"]
    assert set(condition["ForAllValues:StringEquals"]["dynamodb:Attributes"]) == {*table.STATUS, *table.EVENT}
    assert condition["Null"] == {"dynamodb:Attributes": "false"}
    assert condition["StringEqualsIfExists"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
    assert not {"customer", "details", "details_packed"} & {*table.STATUS, *table.EVENT}


def test_on_call_may_run_the_runbooks_commands() -> None:
    """Those of the AWS command line that read, or stop and start deliveries. Secrets are for others to write."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    alarms = page.partition("\n## Alarms\n")[2].partition("\n## Rate of vendor calls\n")[0]
    commands = set(re.findall(r"^ +aws ([a-z]+) ([a-z-]+)", alarms, re.MULTILINE))
    actions = {f"{service}:{name.title().replace('-', '')}" for service, name in commands}

    allowed = [
        action for each in statements("on-call").values() if each["Effect"] == "Allow" for action in each["Action"]
    ]
    assert len(actions) > 4
    assert actions - {*allowed} == set()
    assert statements("on-call")["ReadDashboard"]["Resource"].endswith("dashboard/STACK-REGION")
    dashboard = SOURCE["Resources"]["Dashboard"]["Properties"]
    assert dashboard["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_no_operator_changes_the_record_of_actions(file: Any) -> None:
    """S3 refuses to overwrite an object under `operations/`, by the bucket's policy."""
    for statement in statements(file.stem).values():
        assert not [action for action in statement["Action"] if "*" in action]
        if "operations/" in json.dumps(statement["Resource"]):
            assert set(statement["Action"]) <= {"s3:PutObject", "s3:GetObject"}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_no_role_of_a_stack_matches_a_stack_whose_name_begins_alike(file: Any) -> None:
    """What cannot be limited to one stack only reads, and no content. `StopDeliveries` has a condition instead."""

    def filled(stack: str) -> list[str]:
        names = {"STACK": stack, "REGION": "eu-central-1", "ACCOUNT": "111122223333"}
        pattern, text = r"\b[A-Z]+(_[A-Z]+)*\b", file.read_text()
        text = re.sub(pattern, lambda found: names.get(found[0], f"{stack}-{found[0]}"), text)
        every = [each for each in json.loads(text)["Statement"] if each["Effect"] == "Allow"]
        unlimited = ("ReadAlarms", "ReadLimitsAndMetrics", "ReadQueryResults")
        resources = [
            each["Condition"]["ArnLike"]["lambda:FunctionArn"] if each["Sid"] == "StopDeliveries" else each["Resource"]
            for each in every
            if each["Sid"] not in unlimited
        ]
        return [arn for each in resources for arn in ([each] if isinstance(each, str) else each)]

    others = filled("archive-sandbox")
    assert [pattern for pattern in filled("archive") for arn in others if fnmatchcase(arn, pattern)] == []


@pytest.mark.parametrize("file", sorted(FOLDER.parent.rglob("*.json")), ids=lambda file: file.stem)
def test_placeholders_can_be_replaced_in_any_order(file: Any) -> None:
    """No placeholder is part of another, because sed replaces parts of words too."""
    names = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)*\b", file.read_text(encoding="utf-8")))
    assert {"ACCOUNT", "REGION"} <= names
    assert [(one, other) for one in names for other in names if one != other and one in other] == []
