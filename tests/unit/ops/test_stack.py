"""Finding a stack: on this machine by a file, on AWS by its outputs."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops import stack
from ops.errors import Exit, Failure
from ops.stack import Account, Stack

LOCAL = {
    "endpoint_url": "https://127.0.0.1:4566",
    "region": "eu-central-1",
    "access_key_id": "AKIA",
    "secret_access_key": "CANARY-KEY",
    "webhook_url": "https://127.0.0.1:4566/_aws/execute-api/x/v1/webhooks/tickets",
    "webhook_secret": "CANARY-SECRET",
    "ca_bundle": "/ca.pem",
}


class OneClient(Account):
    """An account whose only client is stubbed."""

    def client(self, service: Any) -> Any:
        return _client


_client = boto3.client("cloudformation", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")


def described(**outputs: str) -> dict[str, Any]:
    found = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    parameters = [{"ParameterKey": "WebhookCredentialsSecretArn", "ParameterValue": "arn"}]
    stack = {"StackName": "s", "StackStatus": "CREATE_COMPLETE", "Outputs": found, "Parameters": parameters}
    return {"Stacks": [{**stack, "CreationTime": "2026-01-01T00:00:00Z"}]}


def account() -> OneClient:
    return OneClient(boto3.Session(region_name="eu-central-1"))


def test_a_local_stack_takes_all_from_its_file_and_nothing_of_the_developers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[unreadable")
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(LOCAL))

    found = stack.local(file)

    credentials = found.session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key) == ("AKIA", "CANARY-KEY")
    client = found.client("sqs")
    assert client.meta.endpoint_url == "https://127.0.0.1:4566"
    assert "CANARY" not in repr(found)


def test_without_a_local_stack_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="make up") as failed:
        stack.local(tmp_path / "stack.json")

    assert failed.value.exit_code is Exit.OUT_OF_REACH


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"endpoint_url": "x"}'])
def test_a_file_that_is_no_stack_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(text)

    with pytest.raises(Failure, match="make up"):
        stack.local(tmp_path / "stack.json")


def test_outputs_and_parameters_are_the_stacks_own() -> None:
    with Stubber(_client) as stubber:
        stubber.add_response("describe_stacks", described(WebhookUrl="https://w"), {"StackName": "s"})
        found = stack.find(account(), "s")

    assert found.webhook_url == "https://w"
    assert found.parameters == {"WebhookCredentialsSecretArn": "arn"}


def test_a_stack_of_another_kind_is_told() -> None:
    with pytest.raises(Failure, match="no output TableName"):
        _ = Stack(account(), {}, {}).output("TableName")


def test_an_unknown_stack_says_which_options_find_it() -> None:
    with Stubber(_client) as stubber:
        stubber.add_client_error("describe_stacks", "ValidationError", "Stack with id s does not exist")
        with pytest.raises(Failure, match="no stack s in eu-central-1"):
            stack.find(account(), "s")


def test_the_emulators_webhook_url_is_its_own() -> None:
    local = Account(boto3.Session(region_name="eu-central-1"), webhook_url="https://127.0.0.1/w")

    assert Stack(local, {"WebhookUrl": "https://w"}, {}).webhook_url == "https://127.0.0.1/w"


def test_every_output_that_is_asked_for_is_in_the_template() -> None:
    root = Path(__file__).parents[3]
    template = (root / "template.yaml").read_text()
    outputs = template.partition("\nOutputs:\n")[2]
    sources = "".join(path.read_text() for path in (root / "ops").glob("*.py"))

    for name in ("WebhookUrl", "TableName", "BucketName", "QueueUrl", "DeadLetterQueueUrl", "QuarantineQueueUrl"):
        assert f'"{name}"' in sources
        assert f"\n  {name}:\n" in f"\n{outputs}"
    assert "\n  WebhookSecretArn:\n" in outputs
    assert "\n  WebhookCredentialsSecretArn:\n" in template.partition("\nOutputs:\n")[0]
