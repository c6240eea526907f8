from typing import Any

from local.literals import replace_parameters

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


def test_values_are_replace_parameters_of_references_as_text() -> None:
    replaced = replace_parameters(TEMPLATE, {"Level": "DEBUG"})
    assert replaced["Globals"] == {"Function": {"Environment": {"Variables": {"LEVEL": "DEBUG"}}}}
    assert replaced["Resources"]["A"]["Properties"][0] == "7"


def test_lists_resources_and_conditions_stay_references() -> None:
    replaced = replace_parameters(TEMPLATE, {"Level": "DEBUG", "Arns": "arn:a,arn:b"})
    assert replaced["Resources"]["A"]["Properties"][1:] == [{"Ref": "Arns"}, {"Ref": "B"}, {"Fn::GetAtt": ["B", "Arn"]}]
    assert replaced["Conditions"] == TEMPLATE["Conditions"]
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"] == {"LEVEL": {"Ref": "Level"}}
