"""The examples' templates lose no event, and match what the archive's template allows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import ROOT
from tests.support.template import EXAMPLES, expanded, nodes, of_type, properties, statements

each_example = pytest.mark.parametrize("name", EXAMPLES)


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


@each_example
def test_undelivered_events_go_to_a_queue_that_their_rule_may_use(name: str) -> None:
    """Lambda accepts every event that it may be invoked with, and has a queue of its own for those that fail."""
    template = expanded(name)
    functions = [arn(each) for each in of_type(template, "Lambda::Function")]
    policies = list(of_type(template, "SQS::QueuePolicy"))
    for rule, found in of_type(template, "Events::Rule").items():
        for target in found["Targets"]:
            if target["Arn"] in functions:
                continue
            queue = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
            [policy] = [each for each in policies if {"Ref": queue} in properties(template, each)["Queues"]]
            [statement] = statements(template, policy).values()
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            assert statement["Action"] == "sqs:SendMessage"
            assert statement["Resource"] == arn(queue) or arn(queue) in statement["Resource"]
            assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": arn(rule)}}


@each_example
def test_events_that_a_function_fails_on_go_to_a_queue(name: str) -> None:
    template = expanded(name)
    targets = [target["Arn"] for rule in of_type(template, "Events::Rule").values() for target in rule["Targets"]]
    kept = [each["FunctionName"]["Ref"] for each in of_type(template, "Lambda::EventInvokeConfig").values()]
    assert kept == [each for each in of_type(template, "Lambda::Function") if arn(each) in targets]


@pytest.mark.parametrize("file", ["template.yaml", *(f"examples/{name}/template.yaml" for name in EXAMPLES)])
def test_template_names_no_partition(file: str) -> None:
    """In China, ARNs begin with arn:aws-cn and hosts end with amazonaws.com.cn, but not the principals of services."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "arn:aws:" in line] == [], "use ${AWS::Partition}"
    hosts = [line for line in lines if "amazonaws.com" in line and not re.search(r"Service: [a-z0-9.]+amazonaws", line)]
    assert [line for line in hosts if "ConsoleHost" not in line] == [], "use ${AWS::URLSuffix}"


def test_state_machine_is_valid_and_its_transitions_lead_somewhere(tmp_path: Path) -> None:
    """cfn-lint knows the Amazon States Language, but does not read what SAM makes of a definition."""
    template = expanded("step-functions")
    machine = properties(template, "Verification")
    [separator, lines] = machine.pop("DefinitionString")["Fn::Join"]
    machine["Definition"] = json.loads(separator.join(lines))
    (tmp_path / "expanded.json").write_text(json.dumps(template), encoding="utf-8")
    command = [Path(sys.executable).parent / "cfn-lint", tmp_path / "expanded.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    states = machine["Definition"]["States"]
    steps = [node for node in nodes(machine["Definition"]) if isinstance(node, dict)]
    assert {step[key] for step in steps for key in ("StartAt", "Next", "Default") if key in step} == set(states)


def test_every_subscription_has_a_dead_letter_queue() -> None:
    subscriptions = of_type(expanded("fan-out"), "SNS::Subscription").values()
    assert len(subscriptions) > 1
    for each in subscriptions:
        assert each["RedrivePolicy"] == {"deadLetterTargetArn": arn("Undelivered")}


@pytest.mark.parametrize(("granted", "taken"), [("BucketPolicy", "ReadManifests"), ("Key", "DecryptManifests")])
def test_consumer_asks_for_what_the_archive_allows_its_consumers(granted: str, taken: str) -> None:
    """An account's own policy and the resource's must both allow a call from another account."""
    allowed = next(
        each
        for each in statements(expanded(), granted, "HasConsumers", "ConsumersReadManifests").values()
        if each["Principal"] == {"AWS": {"Ref": "ConsumerPrincipals"}}
    )
    asked = statements(expanded("cross-account-consumer"), "Reader")[taken]
    assert asked["Action"] == allowed["Action"]
    assert asked.get("Condition") == allowed.get("Condition")
    if granted == "BucketPolicy":
        path = "/tickets/*/manifests/*"
        assert allowed["Resource"] == [{"Fn::Sub": f"${{Bucket.Arn}}{path}"}]
        assert asked["Resource"] == {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{ArchiveBucket}}{path}"}
