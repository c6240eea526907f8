"""Every command and every piece of code that the documentation tells to type is typed, or at least understood.

What AWS and the archive answer runs on the local stack, as it stands on the page, with the AWS command line itself.
`make` and `sam` are asked whether they know what is wanted of them; other tests run them.
"""

import ast
import json
import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.deploy import CACHE, SAM, tool_environment
from tests.support.documentation import ROOT, Block, blocks, inline
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

COMMANDS = blocks("sh")
RUN_ON_THE_STACK = {"./ticket-archive", "aws", "awscurl", "export", "producer", "sed", "tr"}
UNDERSTOOD = {"make", "sam"}
IN_CONTAINERS = {"curl"}  # docs/sam-local.md: tests/e2e/test_sam_local.py runs them

AWS = ROOT / ".venv-aws" / "bin"
NUMBERS = count(5200)  # of the simulator's tickets: those of these tests

BEYOND = {
    "aws xray": "the emulator has no traces",
    "aws scheduler": "the emulator has no schedules",
    "aws lambda get-account-settings": "the emulator has no limits",
    "--secret-id WEBHOOK_SECRET_ARN": "other tests use the stack's webhook secret",
    "./ticket-archive [options]": "shows how commands are built",
    "./ticket-archive doctor": "reports other tests' dead letters; tests/e2e/test_ops.py runs it",
    "./ticket-archive rollback": "the stack has one version; tests/unit/ops runs it",
    "./ticket-archive settle": "needs an incomplete ticket; tests/unit/ops runs it",
    "--customer": "other tests have tickets of the customer; tests/e2e/test_ops.py runs it",
    "--version 3f2a": "a made-up version; tests/unit/ops runs it",
}
NOT_RUN = [block for block in COMMANDS if any(each in block.text for each in BEYOND)]
RUN = [block for block in COMMANDS if block.programs & (RUN_ON_THE_STACK - {"export"}) and block not in NOT_RUN]


def words(program: str, of: list[Block] = COMMANDS) -> list[list[str]]:
    """Every command of the program in these blocks and within sentences, once."""
    told = [command for block in of for command in block.commands] + inline()
    return [list(each) for each in sorted({tuple(each) for each in told}) if each[0] == program]


def test_no_command_is_of_a_program_that_is_not_tried() -> None:
    assert {name for block in COMMANDS for name in block.programs} <= RUN_ON_THE_STACK | UNDERSTOOD | IN_CONTAINERS
    assert {block.page.name for block in COMMANDS if block.programs & IN_CONTAINERS} == {"sam-local.md"}


# ─── Understood ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", words("make"), ids=" ".join)
def test_make_has_the_target_and_what_it_calls_the_options(command: list[str]) -> None:
    planned = subprocess.run(
        [command[0], "--dry-run", *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert planned.returncode == 0, planned.stderr

    for called in re.findall(r"^\.venv/bin/python (-m local .*)", planned.stdout, re.MULTILINE):
        known = subprocess.run([sys.executable, *called.split(), "--help"], cwd=ROOT, capture_output=True, check=False)
        assert known.returncode == 0, known.stderr


@pytest.mark.parametrize("command", words("sam"), ids=" ".join)
def test_sam_has_the_command_and_its_options(command: list[str], tmp_path: Path) -> None:
    known = subprocess.run(
        [SAM, *command[1:], "--help"], cwd=tmp_path, env=tool_environment({}), capture_output=True, check=False
    )
    assert known.returncode == 0, known.stderr


PARAMETERS = {
    name
    for template in (ROOT / "template.yaml", *ROOT.glob("examples/*/template.yaml"))
    for name in yaml_parse(template.read_text(encoding="utf-8"))["Parameters"]
}


@pytest.mark.parametrize("command", [each for each in words("sam") if "--parameter-overrides" in each], ids=" ".join)
def test_the_templates_have_the_parameters(command: list[str]) -> None:
    assert {name.partition("=")[0] for name in command if "=" in name} <= PARAMETERS


@pytest.mark.parametrize("command", words("aws", of=NOT_RUN), ids=" ".join)
def test_aws_has_the_command_and_its_options_where_it_is_not_run(command: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1"}
    known = subprocess.run(
        [AWS / "aws", *command[1:], "--generate-cli-skeleton"], env=environment, capture_output=True, check=False
    )
    assert known.returncode == 0, known.stderr


@pytest.mark.parametrize("block", blocks("yaml") + blocks("json") + blocks("python"), ids=str)
def test_what_is_shown_is_of_its_language(block: Block) -> None:
    {"yaml": yaml_parse, "json": json.loads, "python": ast.parse}[block.language](block.text)


@pytest.mark.stack
def test_the_variables_are_those_of_the_stack(stack: LocalStack) -> None:
    named = {name for command in words("export") for name in re.findall(r"(\w+)=", " ".join(command))}
    assert named <= set(stack.at.account.settings())


# ─── Run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def outputs(stack: LocalStack) -> dict[str, str]:
    [described] = stack.cloudformation.describe_stacks(StackName=stack.at.stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


@pytest.fixture
def archived(stack: LocalStack) -> str:
    """An archived ticket, another one each time."""
    ticket = str(stack.vendor("tickets", count=1, start=next(NUMBERS))[0]["ticket"])
    assert stack.post(ticket) == 202
    there = f"/tickets/{ticket}"
    eventually(lambda: True if stack.api.get(there).status_code == 200 else None, f"{ticket} archived", 60)
    return ticket


@pytest.fixture(scope="module")
def one_of_each(stack: LocalStack) -> dict[str, str]:
    """What the commands change or take away, by the variables that name it: nothing that another test needs."""
    name = f"documented-{uuid4().hex[:8]}"
    stack.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    stack.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "ticket", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "ticket", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stack.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"}))
    key = stack.kms.create_key()["KeyMetadata"]["KeyId"]
    return {"BUCKET": name, "TABLE": name, "ROLE": name, "KEY": key}


@pytest.fixture
def environment(
    stack: LocalStack, outputs: dict[str, str], one_of_each: dict[str, str], archived: str, tmp_path: Path
) -> dict[str, str]:
    """The shell's: the account, the tools, and a variable for each that the pages use."""
    assert (AWS / "aws").exists(), "`make test` installs the AWS command line"
    return {
        **stack.at.account.settings(),
        "PATH": f"{AWS}:{SAM.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "REQUESTS_CA_BUNDLE": stack.at.ca_bundle,
        "SAM_CLI_TELEMETRY": "0",
        "API_URL": stack.at.api_url,  # the output has AWS's own address
        "TICKET": archived,
        "FUNCTION": stack.functions.list_functions()["Functions"][0]["FunctionName"],
        "VENDOR_CREDENTIAL_ARN": outputs["VendorCredentialArn"],
        "WEBHOOK_SECRET_ARN": outputs["WebhookSecretArn"],
        "REGION": stack.at.region,
        "ACCOUNT": "000000000000",
        "API": outputs["ApiId"],
        **one_of_each,
    }


@pytest.fixture
def folder(stack: LocalStack, outputs: dict[str, str], archived: str, tmp_path: Path) -> Path:
    """The project as the commands need it, with the files that the pages speak of."""
    for name in ("ticket-archive", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tickets.txt").write_text(f"{archived}\n")
    credential = stack.secrets.get_secret_value(SecretId=outputs["VendorCredentialArn"])["SecretString"]
    (tmp_path / "credential.json").write_text(credential)
    return tmp_path


def as_typed(text: str, filled_in: dict[str, str], stack_file: Path) -> str:
    """The block with its capital words filled in, and without what would open a window or take a minute."""
    shorter = {
        " …": "",
        "erase TICKET --yes": "erase TICKET --yes --drain-seconds 2",
        "hold TICKET": "hold TICKET --drain-seconds 2",
        "release TICKET": "release TICKET --drain-seconds 2",
        "view TICKET": "view TICKET --no-open --keep-seconds 1",
        "send-test-webhook": f"send-test-webhook --stack-file {stack_file}",  # which has the emulator's URL
    }
    text = re.sub(r"^export .*\n", "", text, flags=re.MULTILINE)  # the environment has them
    for told, typed in shorter.items():
        text = text.replace(told, typed)
    return re.sub(r"(?<![\w$.])[A-Z_]{3,}(?!\w)", lambda word: filled_in.get(word[0], word[0]), text)


@pytest.mark.stack
@pytest.mark.parametrize("block", RUN, ids=str)
def test_commands_do_what_they_are_told_as_they_stand(
    block: Block, stack: LocalStack, outputs: dict[str, str], environment: dict[str, str], folder: Path
) -> None:
    mappings = stack.functions.list_event_source_mappings(EventSourceArn=outputs["QueueArn"])["EventSourceMappings"]
    versions = stack.functions.list_versions_by_function(FunctionName=environment["FUNCTION"])["Versions"]
    filled_in = {
        "TICKET": environment["TICKET"],
        "STACK": stack.at.stack_name,
        "QUEUE_ARN": outputs["QueueArn"],
        "UUID": mappings[0]["UUID"],
        "VERSION": versions[-1]["Version"],
        "DIR": "fetched",
    }
    script = as_typed(block.text, filled_in, stack.state / "stack.json")
    producer = f"producer() {{ echo {environment['TICKET']}; }}\n"

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", producer + script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


DEPLOYMENTS = [
    command
    for block in COMMANDS
    if block.page.parts[0] != "examples"
    for command in block.commands
    if command[:2] == ["sam", "deploy"]
]


@pytest.mark.stack
@pytest.mark.parametrize("command", DEPLOYMENTS, ids=" ".join)
def test_a_deployment_comes_as_far_as_its_change_set(
    command: list[str], environment: dict[str, str], folder: Path
) -> None:
    built = CACHE / f"{sys.version_info.major}.{sys.version_info.minor}" / "build" / "template.yaml"
    given = [*command, "--no-execute-changeset", "--no-confirm-changeset"]
    given += ["--template-file", str(built), "--config-file", str(ROOT / "samconfig.toml")]

    done = subprocess.run(given, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode == 0, done.stderr
    assert "arn:aws:cloudformation" in done.stdout


@pytest.mark.stack
def test_the_code_that_fetches_pictures_fetches_them(environment: dict[str, str], stack: LocalStack) -> None:
    # GIVEN the README's code, and then the check of docs/consuming.md
    fetch, check = (block.text for block in blocks("python") if "requests.get" in block.text)
    names = f"api_url, ticket = {environment['API_URL']!r}, {environment['TICKET']!r}\n"
    script = names + fetch + "url = image['url']\nimport hashlib\n" + check + "print(image['sha256'])\n"

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    known = [image["sha256"] for image in stack.api.get(f"/tickets/{environment['TICKET']}").json()["images"]]
    assert done.stdout.strip() in known
