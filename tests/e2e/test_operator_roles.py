"""The example policies of operators on the stack, with IAM enforced: every command, and AWS's calls, as every role."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from local import ROOT
from ops.commands import app
from ops.errors import Exit
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.stack,
    # The command line leaves its connections to the end of its process, which is this one.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

FOLDER = ROOT / "examples" / "policies" / "operators"
ON_CALL, OFFICER, AUDITOR = ROLES = ("on-call", "privacy-officer", "auditor")
FIRST = 4700  # of the simulator's tickets: those of these tests

ASKED_BY_THE_EMULATOR = {
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "lambda:GetAlias": "lambda:ListAliases",
}
"""Actions that MiniStack 1.5.33 asks for where AWS asks for others."""

COMMANDS: dict[str, set[str]] = {
    # command line → the roles that may run it; INCOMPLETE and the others are tickets
    "list --state archived": {*ROLES},
    "list --state incomplete": {*ROLES},
    "status ARCHIVED": {*ROLES},
    "redrive dead-letters --dry-run": {ON_CALL},
    "redrive quarantine --dry-run": {ON_CALL},
    "backfill ARCHIVED": {ON_CALL},
    "settle INCOMPLETE": {ON_CALL},
    "rollback": {ON_CALL},
    "audit ARCHIVED": {OFFICER, AUDITOR},
    "fetch ARCHIVED -o FOLDER": {OFFICER},
    "hold ARCHIVED --case C-1 --drain-seconds 0": {OFFICER},
    "release ARCHIVED --drain-seconds 0": {OFFICER},
    "export --customer CUSTOMER -o FOLDER.zip": {OFFICER},
    "list --customer CUSTOMER": {OFFICER},
    "erase ERASED --yes --drain-seconds 0": {OFFICER},
    "send-test-webhook": set(),
}

CALLS: dict[str, tuple[Callable[[LocalStack, dict[str, str]], Any], set[str]]] = {
    # what could get around the commands → the roles that may
    "an image": (lambda at, it: at.s3.get_object(Bucket=at.at.bucket, Key=it["image"]), {OFFICER}),
    "a manifest": (lambda at, it: at.s3.get_object(Bucket=at.at.bucket, Key=it["manifest"]), {*ROLES}),
    "a whole item": (lambda at, it: at.dynamodb.get_item(TableName=at.at.table, Key=key(it)), {OFFICER}),
    "the details": (
        lambda at, it: at.dynamodb.get_item(TableName=at.at.table, Key=key(it), ProjectionExpression="details"),
        {OFFICER},
    ),
    "a scan of whole items": (lambda at, it: at.dynamodb.scan(TableName=at.at.table), {OFFICER}),
    "the webhook secret": (lambda at, it: at.secrets.get_secret_value(SecretId=it["WebhookSecretArn"]), set()),
    "the role's policy": (lambda at, it: at.iam.list_roles(), set()),
    "other code": (
        lambda at, it: at.functions.update_function_configuration(FunctionName=it["IngestFunctionName"], Timeout=60),
        set(),
    ),
    "the queue's consumers": (
        lambda at, it: at.functions.list_event_source_mappings(EventSourceArn=it["QueueArn"]),
        {ON_CALL},
    ),
    "the schedule": (lambda at, it: at.scheduler.get_schedule(Name=f"{at.at.stack_name}-requeue"), {ON_CALL}),
    "a record of an action": (
        lambda at, it: at.s3.put_object(Bucket=at.at.bucket, Key="operations/t/x", Body=b"{}", IfNoneMatch="*"),
        {ON_CALL, OFFICER},
    ),
    "deleting a record": (lambda at, it: at.s3.delete_object(Bucket=at.at.bucket, Key="operations/t/x"), set()),
}


def key(it: dict[str, str]) -> dict[str, Any]:
    return {"ticket": {"S": it["ARCHIVED"]}, "record": {"S": "ticket"}}


@pytest.fixture(scope="module")
def it(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tickets and resources that commands and calls name."""
    made = stack.vendor("tickets", count=3, start=FIRST)
    archived, erased, incomplete = (str(each["ticket"]) for each in made)
    stack.vendor("script", fault="unavailable", endpoint="images", ticket=incomplete, type="DOCUMENT", times=None)
    for ticket in (archived, erased, incomplete):
        assert stack.post(ticket) == 202
    for ticket in (archived, erased):
        stack.archived(ticket)
    eventually(lambda: stack.api.get(f"/tickets/{incomplete}").status_code == 202, "received")
    keys = {key.split("/")[2]: key for key in stack.keys(archived)}
    return {
        "ARCHIVED": archived,
        "ERASED": erased,
        "INCOMPLETE": incomplete,
        "CUSTOMER": stack.vendor("expected", ticket=archived)["customer"],
        "FOLDER": str(tmp_path_factory.mktemp("fetched") / "t"),
        "image": keys["images"],
        "manifest": keys["manifests"],
        **stack.outputs,
    }


@pytest.fixture(scope="module")
def operators(stack: LocalStack, it: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A user for each role, with the example policy; by role."""
    places = {
        "REGION": stack.at.region,
        "ACCOUNT": "000000000000",
        "STACK": stack.at.stack_name,
        "INGEST_FUNCTION": it["IngestFunctionName"],
        "RETRIEVAL_FUNCTION": it["RetrievalFunctionName"],
        "TICKET_QUEUE": it["QueueUrl"].rpartition("/")[2],
        "DEAD_LETTER_QUEUE": it["DeadLetterQueueUrl"].rpartition("/")[2],
        "QUARANTINE_QUEUE": it["QuarantineQueueUrl"].rpartition("/")[2],
        "TABLE": it["TableName"],
        "BUCKET": it["BucketName"],
        "ACCESS_LOGS": it["AccessLogsBucketName"],
        "KEY": it["KeyArn"].rpartition("/")[2],
    }
    made: dict[str, LocalStack] = {}
    with ExitStack() as users:
        for role in ROLES:
            policy = (FOLDER / f"{role}.json").read_text(encoding="utf-8")
            filled = re.sub(r"\b(" + "|".join(places) + r")\b", lambda match: places[match[0]], policy)
            for action, asked in ASKED_BY_THE_EMULATOR.items():
                filled = filled.replace(f'"{action}"', f'"{action}", "{asked}"')
            made[role] = users.enter_context(stack.user(role, filled))
            made[role].state = tmp_path_factory.mktemp(role)  # with a stack.json that commands read
            made[role].at.save(made[role].state)
        yield made


@pytest.mark.parametrize("command", COMMANDS)
def test_role_runs_its_commands_only(operators: dict[str, LocalStack], it: dict[str, str], command: str) -> None:
    words = [re.sub(r"^[A-Z]{4,}", lambda match: it.get(match[0], match[0]), word) for word in command.split()]
    may = set[str]()
    for role in sorted(operators, key=COMMANDS[command].__contains__):  # those first that change nothing
        operator = operators[role]
        given = ["--stack-file", str(operator.state / "stack.json"), "--json", *words]
        if "FOLDER" in command:
            Path(it["FOLDER"]).parent.mkdir(exist_ok=True)
        result = CliRunner().invoke(app, given)
        denied = result.exit_code == Exit.UNREACHABLE
        assert denied == ("denied" in result.stderr), (role, result.stderr)
        assert denied or result.exit_code == 0 or "no version before" in result.stderr, (role, result.stderr)
        may |= set() if denied else {role}
    assert may == COMMANDS[command], result.stderr


@pytest.mark.parametrize("name", CALLS)
def test_role_cannot_get_around_its_commands(operators: dict[str, LocalStack], it: dict[str, str], name: str) -> None:
    call, allowed = CALLS[name]
    may = set[str]()
    for role, operator in operators.items():
        try:
            call(operator, it)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code != "PreconditionFailed":
                assert code.startswith("AccessDenied"), (role, code)
                continue
        may.add(role)
    assert may == allowed


def test_doctor_follows_a_ticket_to_its_image_and_an_audit_names_its_readers(
    stack: LocalStack, it: dict[str, str], tmp_path: Path
) -> None:
    done = stack.ops_result("--json", "doctor", "--ticket", it["ARCHIVED"])
    failed = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"] if not check["ok"]}
    # Other tests leave dead letters, junk and alarms; the local stack has no topic.
    assert failed.keys() <= {"dead letters", "quarantine", "alarms", "alarm topic"}, failed

    stack.ops("fetch", it["ARCHIVED"], "-o", str(tmp_path / "t"))
    accesses = [(each["source"], each["what"]) for each in stack.ops("audit", it["ARCHIVED"])["accesses"]]
    assert {("API", "GET /tickets/{ticket}/images"), ("operator", "fetch")} <= set(accesses)


def test_every_command_is_tried() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    tried = {line.split()[0] for line in COMMANDS}
    assert {name.replace("_", "-") for name in known} - tried == {"view", "retention", "doctor"}
