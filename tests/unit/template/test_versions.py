"""Which changes publish versions of the functions, how versions are released, and what their code needs to start."""

import copy
import json
from typing import Any

import pytest

from local.deploy import replace_parameters
from tests.support.template import SOURCE, Template, chosen, expanded, of_type
from tools.scan import expand

FUNCTIONS = {"IngestFunction", "RetrievalFunction"}
INGEST, RETRIEVAL, NONE = {"IngestFunction"}, {"RetrievalFunction"}, set[str]()
RENEWED = {
    # parameter: another value, and the functions that it reaches
    "LogLevel": ("DEBUG", FUNCTIONS),
    "Architecture": ("arm64", FUNCTIONS),
    "SnapStart": ("None", FUNCTIONS),
    "Tracing": ("Active", FUNCTIONS),
    "SubnetIds": ("subnet-0", FUNCTIONS),
    "SecurityGroupIds": ("sg-0", FUNCTIONS),
    "AllowedOrigins": ("https://review.example.com", RETRIEVAL),
    "UrlLifeSeconds": ("120", RETRIEVAL),
    "RetryDelaySeconds": ("30", INGEST),
    "SettleMinutes": ("5", INGEST),
    "VendorUrl": ("https://api.preventor.com", INGEST),
    "VendorUserAgent": ("x", INGEST),
    "RequeueEveryMinutes": ("7", NONE),  # Lambda refuses to publish a version of an unchanged function
    "RetentionDays": ("30", INGEST),
    "PermissionsBoundaryArn": ("arn:aws:iam::111122223333:policy/boundary", NONE),
    "LogRetentionDays": ("30", NONE),
    "SilenceAlarmHours": ("4", NONE),
}
CODE_CHANGES = {
    "Resources/IngestFunction/Properties/Timeout": 59,
    "Resources/IngestFunction/Properties/Environment/Variables/MAX_RECEIVES": "10",
    "Resources/SharedLayer/Properties/ContentUri": "other-layers/",
    "Globals/Function/CodeUri": "other-functions/",
    "Globals/Function/Runtime": "python3.14",
}


SERVERLESS: Template = {
    **SOURCE,
    "Resources": {name: each for name, each in SOURCE["Resources"].items() if "Serverless" in each["Type"]},
}
"""The part of the template that versions are made of."""


def changed(path: str, value: Any) -> Template:
    template = copy.deepcopy(SERVERLESS)
    *way, last = path.split("/")
    node = template
    for step in way:
        node = node[step]
    node[last] = value
    return template


@pytest.fixture(scope="module")
def versions() -> dict[str, dict[str, str]]:
    """The version that each function's alias points at, by what was changed; another logical id is another version."""
    every = {
        "unchanged": SERVERLESS,
        "resolved": replace_parameters(SERVERLESS, {}),
        **{name: replace_parameters(SERVERLESS, {name: value}) for name, (value, _) in RENEWED.items()},
        **{path: changed(path, value) for path, value in CODE_CHANGES.items()},
    }
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


def test_earlier_versions_are_kept_for_rollback() -> None:
    template = expanded()
    kept = [each["DeletionPolicy"] for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Version"]
    assert kept == ["Retain"] * len(FUNCTIONS)
    for name in FUNCTIONS:
        assert template["Outputs"][f"{name}Name"]["Value"] == {"Ref": name}


def test_gradual_deployment_uses_codedeploy_and_the_default_does_not() -> None:
    default, canary = expanded(), expanded("gradual")
    kinds = {each["Type"] for each in default["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith("AWS::CodeDeploy")]
    groups = of_type(canary, "CodeDeploy::DeploymentGroup")
    assert len(groups) == len(FUNCTIONS)
    for group in groups.values():
        assert "Canary10Percent5Minutes" in json.dumps(group["DeploymentConfigName"])
        assert group["AlarmConfiguration"]["Alarms"]
        assert chosen(group["ServiceRoleArn"], "HasCodeDeploy") == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
    enabled = {key: each["Enabled"] for key, each in SOURCE["Mappings"]["CodeDeploy"].items()}
    assert enabled.keys() == set(SOURCE["Parameters"]["DeploymentPreference"]["AllowedValues"])
    assert [key for key, each in enabled.items() if each == "false"] == ["AllAtOnce"]


def test_layers_build_on_a_host_of_either_architecture() -> None:
    """With `sam build --use-container`, a BuildArchitecture other than the host's needs emulation."""
    for name in ("SharedLayer", "Arm64Layer"):
        assert SOURCE["Resources"][name]["Metadata"] == {"BuildMethod": "makefile"}
