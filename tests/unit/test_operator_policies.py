"""The example policies of operators: who may see content, erase, and change what runs."""

import json
from typing import Any

import pytest

from local import ROOT
from ops import table

FOLDER = ROOT / "examples" / "policies" / "operators"
CONTENT = "arn:aws:s3:::BUCKET/tickets/*"


def statements(name: str) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads((FOLDER / f"{name}.json").read_text())["Statement"]}


def allowed(name: str) -> set[str]:
    return {action for each in statements(name).values() if each["Effect"] == "Allow" for action in each["Action"]}


@pytest.mark.parametrize("name", ["on-call", "auditor"])
def test_on_call_and_auditor_see_no_content(name: str) -> None:
    """Details are an attribute of the item, so only the projected attributes may be read, and no item as a whole."""
    deny = statements(name)["NoContent"]
    assert deny["Effect"] == "Deny"
    assert "s3:GetObject" in deny["Action"]
    assert CONTENT in deny["Resource"]
    listing = statements(name)["ListTickets"]["Condition"]
    assert set(listing["ForAllValues:StringEquals"]["dynamodb:Attributes"]) == set(table._NAMES.values())
    assert listing["StringEqualsIfExists"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
    assert "dynamodb:GetItem" not in allowed(name)
    assert not {"details", "details_gz"} & set(table._NAMES.values())


def test_only_the_privacy_officer_erases() -> None:
    erasing = {"dynamodb:DeleteItem", "dynamodb:UpdateItem", "s3:DeleteObjectVersion", "s3:PutObjectTagging"}
    assert erasing <= allowed("privacy-officer")
    for name in ("on-call", "auditor"):
        assert not erasing & allowed(name)


def test_only_the_operator_on_call_changes_what_runs() -> None:
    assert {"lambda:UpdateAlias", "sqs:SendMessage", "sqs:DeleteMessage"} <= allowed("on-call")
    for name in ("privacy-officer", "auditor"):
        assert not [action for action in allowed(name) if action.startswith(("lambda:", "sqs:"))]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_no_operator_changes_the_record_of_actions(file: Any) -> None:
    for statement in statements(file.stem).values():
        if "operations/" in json.dumps(statement["Resource"]):
            assert set(statement["Action"]) <= {"s3:PutObject", "s3:GetObject"}, "S3 refuses to overwrite an object"
    assert not [action for action in allowed(file.stem) if "*" in action]
