"""Commands and code in the documentation work.

Commands that AWS or the archive answers run on the local stack as they stand on the page, with the AWS command line, in
few shells that share one ticket. Commands of `make` and `sam` are only parsed; other tests run them.
"""

import ast
import json
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.deploy import SAM, build_folder, built_template
from tests.support import runbooks
from tests.support.documentation import ROOT, Block, blocks, inline
from tests.support.runbooks import AWS, Shell, run
from tests.support.stack import LocalStack

COMMANDS = blocks("sh")
RUN_ON_THE_STACK = {"./ticket-archive", "aws", "awscurl", "producer", "sed", "tr"}
PARSED = {"make", "sam"}
IN_CONTAINERS = {"curl"}  # docs/sam-local.md: tests/e2e/test_sam_local.py runs them

TICKET_NUMBER = 5200  # of the simulator's tickets: no other test uses it
AT_ONCE = 3
BLOCKS_PER_SHELL = 10

REMOVAL = "put-bucket-logging"
RESTORE = "_NAME"
NOT_RUNNABLE = {
    "aws xray": "the emulator has no traces",
    "aws schemas": "the emulator has no schema registry",
    "aws stepfunctions": "tests/e2e/test_step_functions.py does it",
    REMOVAL: "deletes what a removed stack left; tests/integration/test_deployments.py runs it",
    "--secret-id WEBHOOK_SECRET_ARN": "other tests use the stack's webhook secret",
    RESTORE: "restores what was deleted; tests/e2e/test_restore.py does it",
    "--table-name restored": "the same",
    "./ticket-archive [options]": "shows how commands are built",
    " doctor": "reports other tests' dead letters; tests/operations runs it",
    "./ticket-archive rollback": "the stack has one version; tests/unit/ops runs it",
    "./ticket-archive settle": "needs an incomplete ticket; tests/unit/ops runs it",
    "--customer": "other tests have tickets of the customer; tests/operations/test_day.py runs it",
    "--version 3f2a": "a made-up version; tests/unit/ops runs it",
}
ALARMS = runbooks.chapter("Alarms")


def is_of_a_runbook(block: Block) -> bool:
    """Whether the commands are those of an alarm, which tests/operations types."""
    return block.page.name == "operations.md" and all(line.strip() in ALARMS for line in block.text.splitlines())


NOT_RUN = [block for block in COMMANDS if any(each in block.text for each in NOT_RUNNABLE) or is_of_a_runbook(block)]
RUN = [block for block in COMMANDS if block.programs & RUN_ON_THE_STACK and block not in NOT_RUN]


def words(program: str, of: list[Block] = COMMANDS) -> list[list[str]]:
    """Return every command of the program in these blocks and within sentences, without duplicates."""
    found = [command for block in of for command in block.commands] + inline()
    return [list(each) for each in sorted({tuple(each) for each in found}) if each[0] == program]


def test_every_program_is_tested() -> None:
    assert {name for block in COMMANDS for name in block.programs} <= RUN_ON_THE_STACK | PARSED | IN_CONTAINERS
    assert {block.page.name for block in COMMANDS if block.programs & IN_CONTAINERS} == {"sam-local.md"}


# ─── Parsed ───────────────────────────────────────────────────────────────────────────────────────────────────────

RUN_MODULES = """
import json, runpy, sys
for arguments in json.load(sys.stdin):
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            print("rejected:", *arguments, flush=True)
"""
"""Runs command lines of Python modules in one process, because importing them takes seconds."""


def rejected(python: Path | str, commands: list[list[str]]) -> list[str]:
    """Return those command lines, each a module and its arguments, that fail."""
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0"}
    done = run([python, "-c", RUN_MODULES], input=json.dumps(commands), cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("rejected:")]


def test_make_has_the_targets_and_local_has_their_options() -> None:
    plain = [target for command in words("make") for target in command[1:] if len(command) == 2]
    with_variables = [command[1:] for command in words("make") if len(command) > 2]
    called = set[str]()
    for arguments in [plain, *with_variables]:
        planned = run(["make", "--dry-run", "ARGS=", "PYTHON=python", "LAMBDA_PYTHON=python", *arguments], cwd=ROOT)
        assert planned.returncode == 0, planned.stderr
        called |= set(re.findall(r"^\.venv/bin/python -m (local .*)", planned.stdout, re.MULTILINE))

    assert rejected(sys.executable, [[*each.split(), "--help"] for each in sorted(called)]) == []


def test_sam_has_the_commands_and_options() -> None:
    commands = [["samcli", *command[1:], "--help"] for command in words("sam")]
    assert rejected(SAM.parent / "python", commands) == []


def test_aws_has_the_commands_and_options_that_are_not_run() -> None:
    of = [block for block in NOT_RUN if REMOVAL not in block.text and RESTORE not in block.text]
    commands = [["awscli", *command[1:], "--generate-cli-skeleton"] for command in words("aws", of=of)]
    assert rejected(AWS / "python", commands) == []


def test_templates_have_the_parameters() -> None:
    templates = (ROOT / "template.yaml", *ROOT.glob("examples/*/template.yaml"))
    parameters = {name for each in templates for name in yaml_parse(each.read_text(encoding="utf-8"))["Parameters"]}
    for command in words("sam"):
        if "--parameter-overrides" in command:
            assert {name.partition("=")[0] for name in command if "=" in name} <= parameters


@pytest.mark.parametrize("block", blocks("yaml") + blocks("json") + blocks("python"), ids=str)
def test_examples_are_valid(block: Block) -> None:
    {"yaml": yaml_parse, "json": json.loads, "python": ast.parse}[block.language](block.text)


# ─── Run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ticket(stack: LocalStack) -> str:
    """An archived ticket."""
    return stack.archive(TICKET_NUMBER)


@pytest.fixture(scope="module")
def disposable(stack: LocalStack) -> dict[str, str]:
    """Resources that commands may change or delete, by the variables that name them."""
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


@pytest.fixture(scope="module")
def environment(stack: LocalStack, disposable: dict[str, str], ticket: str) -> dict[str, str]:
    """The shell's environment: the account, the tools, and the variables that the pages use."""
    return {
        **runbooks.environment(stack),
        "API_URL": stack.at.api_url,  # the output has AWS's own address
        "TICKET": ticket,
        "FUNCTION": stack.functions.list_functions()["Functions"][0]["FunctionName"],
        "VENDOR_CREDENTIAL_ARN": stack.outputs["VendorCredentialArn"],
        "WEBHOOK_SECRET_ARN": stack.outputs["WebhookSecretArn"],
        "REGION": stack.at.region,
        "ACCOUNT": "000000000000",
        "API": stack.outputs["ApiId"],
        **disposable,
    }


@pytest.fixture(scope="module")
def new_folder(stack: LocalStack, ticket: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Make a folder with what the commands need of the project, and with the files that the pages name."""
    credential = stack.secrets.get_secret_value(SecretId=stack.outputs["VendorCredentialArn"])["SecretString"]

    def make() -> Path:
        folder = tmp_path_factory.mktemp("documented")
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / "tickets.txt").write_text(f"{ticket}\n")
        (folder / "credential.json").write_text(credential)
        return folder

    return make


@pytest.mark.stack
def test_commands_run_as_they_stand(
    stack: LocalStack, environment: dict[str, str], new_folder: Callable[[], Path]
) -> None:
    versions = stack.functions.list_versions_by_function(FunctionName=environment["FUNCTION"])["Versions"]
    ticket, version = environment["TICKET"], versions[-1]["Version"]

    def shell(group: list[Block]) -> None:
        script = f"producer() {{ echo {ticket}; }}\n"
        script += "".join(f"echo '── {block}' >&2\n{block.text}\n" for block in group)
        Shell(stack, new_folder(), environment).type(script, TICKET=ticket, VERSION=version)

    groups = [RUN[start : start + BLOCKS_PER_SHELL] for start in range(0, len(RUN), BLOCKS_PER_SHELL)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(shell, groups))


@pytest.mark.stack
def test_deployments_reach_their_change_set(environment: dict[str, str], new_folder: Callable[[], Path]) -> None:
    given = ["--no-execute-changeset", "--no-confirm-changeset", "--config-file", str(ROOT / "samconfig.toml")]
    own = [block for block in COMMANDS if block.page.parts[0] != "examples"]
    commands = {tuple(each) for block in own for each in block.commands if each[:2] == ["sam", "deploy"]}
    assert commands

    def deploy(command: tuple[str, ...], built: Path) -> str | None:
        folder = new_folder()
        done = run(
            [*command, *given, "--template-file", str(built)], cwd=folder, env={**environment, "HOME": str(folder)}
        )
        return None if "arn:aws:cloudformation" in done.stdout else f"{' '.join(command)}\n{done.stderr}"

    # One after the other: sam names change sets by the second, and two commands may be for one stack.
    with build_folder() as cache, NamedTemporaryFile("w", dir=cache / "build", suffix=".json") as file:
        json.dump(built_template(cache), file)
        file.flush()
        built = Path(file.name)
        assert [failure for command in sorted(commands) if (failure := deploy(command, built))] == []


@pytest.mark.stack
def test_python_code_fetches_images(environment: dict[str, str], stack: LocalStack) -> None:
    # GIVEN the README's code, and then the check of docs/consuming.md
    [fetch] = [block.text for block in blocks("python") if "TicketArchive(" in block.text]
    [check] = [block.text for block in blocks("python") if "requests.get(" in block.text]
    names = f"api_url, ticket_id = {environment['API_URL']!r}, {environment['TICKET']!r}\n"
    between = "import hashlib, requests\nurl, image = image.url, image.model_dump()\n"
    script = names + fetch + between + check + "print(image['sha256'])\n"

    done = run([sys.executable, "-c", script], env={**environment, "PYTHONPATH": str(ROOT / "clients" / "python")})

    assert done.returncode == 0, done.stderr
    known = [image["sha256"] for image in stack.api.get(f"/tickets/{environment['TICKET']}").json()["images"]]
    assert done.stdout.strip() in known
