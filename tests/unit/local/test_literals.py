"""The local stack's stand-in for AWS::LanguageExtensions."""

from typing import Any

from local.literals import put_in_place

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Level": {"Type": "String", "Default": "INFO"},
        "Days": {"Type": "Number", "Default": 7},
        "Arns": {"Type": "CommaDelimitedList", "Default": ""},
    },
    "Conditions": {"Loud": {"Fn::Equals": [{"Ref": "Level"}, "DEBUG"]}},
    "Globals": {"Function": {"Environment": {"Variables": {"LEVEL": {"Ref": "Level"}}}}},
    "Resources": {"A": {"Properties": [{"Ref": "Days"}, {"Ref": "Arns"}, {"Ref": "B"}, {"Fn::GetAtt": ["B", "Arn"]}]}},
}


def test_values_are_put_in_place_of_references_as_text() -> None:
    settled = put_in_place(TEMPLATE, {"Level": "DEBUG"})
    assert settled["Globals"] == {"Function": {"Environment": {"Variables": {"LEVEL": "DEBUG"}}}}
    assert settled["Resources"]["A"]["Properties"][0] == "7"


def test_lists_resources_and_conditions_stay_references() -> None:
    settled = put_in_place(TEMPLATE, {"Level": "DEBUG", "Arns": "arn:a,arn:b"})
    assert settled["Resources"]["A"]["Properties"][1:] == [{"Ref": "Arns"}, {"Ref": "B"}, {"Fn::GetAtt": ["B", "Arn"]}]
    assert settled["Conditions"] == TEMPLATE["Conditions"]
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"] == {"LEVEL": {"Ref": "Level"}}
