"""A stack is found on this machine by a file, on AWS by its outputs."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from ops import stack
from ops.commands.rollback import OUTPUTS
from ops.errors import Exit, Failure
from ops.stack import Stack
from tests.support.stubbing import client, stubbed

LOCAL = {
    "endpoint_url": "https://127.0.0.1:4566",
    "region": "eu-central-1",
    "access_key_id": "AKIA",
    "secret_access_key": "CANARY-KEY",
    "webhook_url": "https://127.0.0.1:4566/_aws/execute-api/x/v1/webhooks/tickets",
    "webhook_secret": "CANARY-SECRET",
    "ca_bundle": "/ca.pem",
}

SESSION: Any = SimpleNamespace(client=lambda *_, **__: client("cloudformation"), region_name="eu-central-1")
"""A session whose only client is stubbed."""
cloudformation = stubbed("cloudformation")


def described(**outputs: str) -> dict[str, Any]:
    found = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    parameters = [{"ParameterKey": "WebhookCredentialsSecretArn", "ParameterValue": "arn"}]
    stack = {"StackName": "s", "StackStatus": "CREATE_COMPLETE", "Outputs": found, "Parameters": parameters}
    return {"Stacks": [{**stack, "CreationTime": "2026-01-01T00:00:00Z"}]}


def test_a_local_stack_ignores_the_developers_own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[unreadable")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "production")
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "http://production")
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(LOCAL))
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", lambda *_: described(WebhookUrl="of AWS"))

    found = stack.local(file, "s")

    credentials = found.session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key) == ("AKIA", "CANARY-KEY")
    s3 = found.client("s3")
    assert (s3.meta.endpoint_url, s3.meta.region_name) == ("https://127.0.0.1:4566", "eu-central-1")
    assert s3._endpoint.http_session._verify == "/ca.pem"
    used = found.http().merge_environment_settings(LOCAL["webhook_url"], {}, None, None, None)
    assert (used["proxies"], used["verify"]) == ({}, "/ca.pem")
    assert found.output("WebhookUrl") == LOCAL["webhook_url"], "the emulator's"
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"endpoint_url": "x"}'])
def test_a_missing_or_unreadable_stack_file_says_how_to_start_one(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "stack.json").write_text(text)
    with pytest.raises(Failure, match="make up") as failed:
        stack.local(tmp_path / "stack.json", "s")
    assert failed.value.exit_code is (Exit.UNREACHABLE if text is None else Exit.FAILED)


def test_outputs_and_parameters_are_the_stacks_own(cloudformation: Stubber) -> None:
    arn = "arn:aws:cloudformation:eu-central-1:000000000000:stack/s/1"
    cloudformation.add_response("describe_stacks", described(WebhookUrl="https://w"), {"StackName": arn})
    found = Stack(SESSION, arn)
    assert found.name == "s", "alarms are found by it"
    assert found.output("WebhookUrl") == "https://w"
    assert found.parameters == {"WebhookCredentialsSecretArn": "arn"}
    with pytest.raises(Failure, match="no output TableName"):
        found.output("TableName")


def test_an_unknown_stack_names_the_options_to_use(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
    with pytest.raises(Failure, match="no stack s in eu-central-1"):
        Stack(SESSION, "s")


def test_every_output_that_is_used_is_in_the_template() -> None:
    root = Path(__file__).parents[3]
    resources, _, outputs = (root / "template.yaml").read_text().partition("\nOutputs:\n")
    sources = "".join(path.read_text() for path in (root / "ops").rglob("*.py"))
    used = set(re.findall(r'(?:output|queue)\("(\w+)"\)', sources)) | {"DeadLetterQueueUrl", "QuarantineQueueUrl"}
    used |= set(OUTPUTS.values())
    assert len(used) > 6
    assert [name for name in used if f"\n  {name}:\n" not in f"\n{outputs}"] == []
    assert "\n  WebhookCredentialsSecretArn:\n" in resources
