"""Every scan finds its kind of fault in a bad template or a bad module."""

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import ROOT
from tests.support.template import SOURCE, properties
from tools import scan

pytestmark = pytest.mark.skipif(not scan.SCANNERS.exists(), reason="no scanners here: `make scan` installs them")

BAD_MODULE = """
import pickle
import subprocess


def run(command, stored):
    print(command)
    subprocess.run(command, shell=True)
    return pickle.loads(stored)
"""
KEYS = "key = 'AKIA" + "QWERTYUIOPASDFGH'\n"  # put together here, so that this file does not hold one


@pytest.fixture
def bad_template(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """A function that writes the template, changed by its argument, to a file."""

    def spoiled(spoil: Callable[[dict[str, Any]], None]) -> Path:
        template = copy.deepcopy(SOURCE)
        spoil(template)
        file = tmp_path / "template.yaml"
        file.write_text(yaml.safe_dump(template), encoding="utf-8")
        return file

    return spoiled


def test_checkov_finds_missing_protection_and_wildcards(bad_template: Any) -> None:
    def spoil(template: dict[str, Any]) -> None:
        del properties(template, "Bucket")["PublicAccessBlockConfiguration"]
        del properties(template, "TicketQueue")["KmsMasterKeyId"]
        del properties(template, "Tickets")["PointInTimeRecoverySpecification"]
        del template["Resources"]["AccessLogs"]["Metadata"]
        properties(template, "Key")["EnableKeyRotation"] = False
        statements = properties(template, "IngestRole")["Policies"][0]["PolicyDocument"]["Statement"]
        statements.append({"Effect": "Allow", "Action": "*", "Resource": "*"})

    found = scan.checkov(bad_template(spoil))
    failed = dict(re.findall(r"Check: (\w+): .*\n\s+FAILED for resource: [\w:]+\.(\w+)", found))
    expected = {"CKV_AWS_53": "Bucket", "CKV_AWS_27": "TicketQueue", "CKV_AWS_28": "Tickets", "CKV_AWS_7": "Key"}
    assert expected.items() <= failed.items()
    assert "IngestRole" in failed.values()
    assert failed["CKV_AWS_18"] == "AccessLogs", "accepted in Metadata only"


def test_policies_finds_actions_and_condition_keys_that_aws_does_not_know(bad_template: Any, tmp_path: Path) -> None:
    def spoil(template: dict[str, Any]) -> None:
        statements = properties(template, "IngestRole")["Policies"][0]["PolicyDocument"]["Statement"]
        statements[0]["Action"] = "sqs:SendMessages"
        statements[1]["Condition"] = {"StringEquals": {"sqs:QueueColour": "red"}}

    example = tmp_path / "example.json"
    example.write_text(
        '{"Statement": [{"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObjects"], "Resource": "*"},'
        '{"Sid": "List", "Effect": "Allow", "Action": "sqs:ListQueues", "Resource": ["arn:aws:sqs:r:a:q"]}]}'
    )
    found = scan.policies(bad_template(spoil), example)
    assert "example.json Read: s3:GetObjects does not exist" in found
    assert "example.json List: sqs:ListQueues has no resources, only *" in found
    assert "sqs:SendMessages does not exist" in found
    assert "sqs:QueueColour is supported by none of" in found


def test_accepted_findings_have_a_reason_in_words() -> None:
    for name, resource in SOURCE["Resources"].items():
        for accepted in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(accepted["comment"].split()) >= 5, (name, accepted["id"])
    for line in (ROOT / ".checkov.yaml").read_text().splitlines():
        assert not line.startswith("  - ") or len(line.partition("#")[2].split()) >= 5, line


def test_cfn_lint_finds_invalid_values_and_unknown_properties(
    bad_template: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "REGIONS", scan.REGIONS[:1])  # each takes seconds

    def spoil(template: dict[str, Any]) -> None:
        properties(template, "IngestFunction")["Timeout"] = 1000
        properties(template, "TicketQueue")["VisibilityTimeOut"] = 1

    found = scan.cfn_lint(bad_template(spoil))
    assert "1000 is greater than the maximum of 900" in found, "seconds that Lambda does not give"
    assert "VisibilityTimeOut" in found


def test_expansion_finds_resources_that_sam_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "expand", lambda *templates: list(templates))
    assert "Api is still AWS::Serverless::Api" in scan.expansion(ROOT / "template.yaml")


def test_bandit_finds_shells_and_pickles_and_reports_files_that_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD_MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def (")
    found = scan.bandit(tmp_path)
    for each in ("B602", "B301", "broken.py"):
        assert each in found


def test_detect_secrets_finds_keys(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(KEYS + "password = 'correct-horse-battery'\n")
    found = scan.detect_secrets([file])
    for kind in ("AWS Access Key", "Secret Keyword"):
        assert kind in found


@pytest.mark.parametrize("scanner", [lambda: scan.bandit("ops"), lambda: scan.checkov(ROOT / "template.yaml")])
def test_scanner_without_a_report_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scanner: Callable[[], str]
) -> None:
    for name in ("bandit", "checkov"):
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setattr(scan, "SCANNERS", tmp_path)
    assert "no report" in scanner()


def make(target: str, *given: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user does, without variables of an outer make."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--silent", target, *given]
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False)


def test_bill_of_materials_lists_every_pin(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    done = make("sbom", f"SBOM={file}")
    assert done.returncode == 0, done.stderr
    bill = json.loads(file.read_text())
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "layers" / "requirements.txt").read_text(), re.MULTILINE)
    assert bill["bomFormat"] == "CycloneDX"
    assert {(each["name"], each["version"]) for each in bill["components"]} == set(pins)
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])


def test_audit_without_network_fails() -> None:
    done = make("audit-deps", HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    assert done.returncode != 0
    assert "No known vulnerabilities" not in done.stdout + done.stderr
