"""`sam local` in containers against the local stack: invoke, start-api with curl, start-lambda with boto3, and alone.

Skipped, with the reason, where there is no Docker engine or no Lambda base image. It pulls no image.
"""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from pytest_socket import socket_allow_hosts

from local import ROOT, containers, sam
from local import stack as local_stack
from local.account import Account
from local.deploy import SAM, tool_environment
from local.emulator import free_port
from local.errors import StartFailed
from local.terminal import silent
from tests.support.documentation import blocks
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.webhook_encryption import IV_HEADER

pytestmark = pytest.mark.stack

BASE_IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
NO_PULL = "--skip-pull-image"
LAYER = "SharedLayer"
DOCKER = shutil.which("docker") or "docker"

WEBHOOKS_REJECTED = {"webhook_empty": 400, "webhook_wrong_content_type": 415}
RETRIEVAL = {
    "retrieval_bad_cursor": 400,
    "retrieval_bad_expiry": 400,
    "retrieval_bad_type": 400,
    "retrieval_image_by_sha256": 404,  # the sample's hash is nobody's
    "retrieval_malformed_ticket": 400,
}


def why_not() -> str | None:
    """Why nothing of this can run here."""
    try:
        containers.bridge()
    except StartFailed as reason:
        return str(reason)
    found = subprocess.run([DOCKER, "image", "inspect", BASE_IMAGE], capture_output=True, check=False)
    return f"the image {BASE_IMAGE} is not on this machine" if found.returncode else None


@pytest.fixture(scope="module")
def _docker() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def built(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The application as `make build` builds it: for Lambda, not for the emulator.

    `sam local` names its image of a layer after the layer's logical id alone, which all checkouts on a Docker engine
    have in common: another's run would put its own layer under these functions. So the layer has its own name here.
    """
    folder = tmp_path_factory.mktemp("built")
    command = [str(SAM), "build", "--build-dir", str(folder), "--cache-dir", str(tmp_path_factory.mktemp("cache"))]
    settings = {"PYTHON": str(ROOT / ".venv-sam" / "bin" / "python")}
    done = subprocess.run(
        command, cwd=ROOT, env=tool_environment(settings), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    layer, template = f"{LAYER}{uuid4().hex}", folder / "template.yaml"
    template.write_text(re.sub(rf"\b{LAYER}\b", layer, template.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / LAYER).rename(folder / layer)
    yield template
    image = f"samcli/lambda-python:3.13-x86_64-{hashlib.sha256(layer.encode()).hexdigest()[:25]}"
    subprocess.run([DOCKER, "image", "rm", image], capture_output=True, check=True)


@pytest.fixture(scope="module")
def opened(_docker: None, stack: LocalStack) -> LocalStack:
    """The session's stack, from now on open to containers, with one ticket in it that the sample events are about."""
    socket_allow_hosts(["127.0.0.1", containers.bridge().address], allow_unix_socket=True)
    local_stack.open_to_containers(stack.state, silent())
    ticket = event(stack, "retrieval_ticket")["pathParameters"]["ticket"]
    assert stack.post(ticket) == 202
    eventually(lambda: True if stack.api.get(f"/tickets/{ticket}").status_code == 200 else None, "the ticket archived")
    return stack


def event(stack: LocalStack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack.state / sam.EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def expected(name: str) -> int | None:
    """Return the status of a response; None for handlers that return none."""
    if name.startswith("webhook_"):
        return WEBHOOKS_REJECTED.get(name, 202)
    return RETRIEVAL.get(name, 200) if name.startswith("retrieval_") else None


def check(name: str, answer: dict[str, Any]) -> None:
    assert answer.get("statusCode") == expected(name), (name, answer)
    if name.startswith("queue_"):
        assert answer == {"batchItemFailures": []}, name
    if name.startswith("schedule_"):
        assert answer.keys() == {"requeued", "given_up", "late"}


def invoke(event_file: Path, settings: Path, account: Account | None, template: Path) -> tuple[dict[str, Any], str]:
    """The answer, and all that the function wrote to its log."""
    done = subprocess.run(
        sam.command(sam.invoke(event_file, [NO_PULL]), settings, template),
        env=tool_environment(sam.credentials(account)),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not left_of(done.stderr)
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{"))), done.stderr


@contextmanager
def serving(arguments: Sequence[str], stack: LocalStack, template: Path) -> Iterator[str]:
    """`sam local …` in the background, until it listens; yields its origin. It ends with its containers."""
    port, log = free_port(), stack.state / "logs" / f"sam-{arguments[0]}.log"
    command = sam.command([*arguments, "--port", str(port), NO_PULL], stack.state / sam.SETTINGS, template)
    with log.open("wb") as file:
        process = sam.start(command, stack.at.account, stdout=file, stderr=subprocess.STDOUT)
    try:
        running = re.compile(rf"Running on http://127\.0\.0\.1:{port}")
        eventually(lambda: running.search(log.read_text()) and True, f"sam local {arguments[0]}", seconds=120)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)  # as Ctrl-C does: it takes its containers with it
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        left = left_of(log.read_text())
        for container in left:
            subprocess.run([DOCKER, "rm", "--force", container], capture_output=True, check=False)
    assert not left


def left_of(log: str) -> set[str]:
    """Which of the containers named in a log of `sam local` are still there."""
    begun = set(re.findall(r"SAM_CONTAINER_ID: ([0-9a-f]+)", log))
    for _ in range(20):
        listed = subprocess.run([DOCKER, "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True)
        left = begun & set(listed.stdout.split())
        if not left:
            break
        time.sleep(0.5)
    return left


@pytest.fixture
def project(opened: LocalStack, tmp_path: Path) -> Path:
    """A folder in which the commands of docs/sam-local.md find what they read."""
    (tmp_path / ".local").symlink_to(opened.state)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def as_documented(language: str, about: str) -> str:
    """The block of docs/sam-local.md that is about this."""
    (found,) = (block.text for block in blocks(language) if block.page.name == "sam-local.md" and about in block.text)
    return found


def curl(*arguments: str) -> tuple[int, bytes]:
    """The status and the body."""
    command = ["curl", "--silent", "--show-error", "--max-time", "120", "--write-out", "%{stderr}%{http_code}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True, timeout=130, env={})
    return int(done.stderr), done.stdout


@pytest.mark.parametrize(
    "name", ["webhook_completed_encrypted", "queue_completed_encrypted", "schedule_tick", "retrieval_ticket"]
)
def test_invoke_hands_an_event_of_every_door_to_its_function(opened: LocalStack, built: Path, name: str) -> None:
    path = opened.state / sam.EVENTS / f"{name}.json"
    answer, log = invoke(path, opened.state / sam.SETTINGS, opened.at.account, built)
    check(name, answer)
    assert "Traceback" not in log


def test_start_lambda_answers_boto3_with_every_event(opened: LocalStack, built: Path, project: Path) -> None:
    names = sorted(path.stem for path in (ROOT / "events").glob("*.json"))
    assert names == sorted(path.stem for path in (opened.state / sam.EVENTS).glob("*.json"))
    with serving(sam.start_lambda([]), opened, built) as origin:
        config = Config(signature_version=UNSIGNED, read_timeout=120, retries={"total_max_attempts": 1})
        client = boto3.client("lambda", endpoint_url=origin, region_name=opened.at.region, config=config)
        for name in names:
            function = sam.function_of(Path(f"{name}.json"))
            answer = client.invoke(FunctionName=function, Payload=json.dumps(event(opened, name)).encode())
            check(name, json.loads(answer["Payload"].read()))
        client.close()

        script = as_documented("python", "boto3").replace("http://127.0.0.1:3001", origin)
        told = subprocess.run([sys.executable, "-c", script], cwd=project, env={}, capture_output=True, check=True)
        assert f"# {told.stdout.decode().strip()}" in script


def test_start_api_serves_curl_from_the_webhook_to_the_picture(opened: LocalStack, built: Path, project: Path) -> None:
    about = event(opened, "retrieval_ticket")["pathParameters"]["ticket"]
    webhook = event(opened, "webhook_completed_encrypted")
    headers = {name: webhook["headers"][name] for name in ("Content-Type", IV_HEADER)}
    with serving(sam.start_api([]), opened, built) as origin:
        given = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
        status, body = curl("--data-binary", webhook["body"], *given, f"{origin}/webhooks/tickets")
        assert (status, json.loads(body)) == (202, {"status": "accepted"})

        status, body = curl(f"{origin}/tickets/{about}")
        assert (status, json.loads(body)["state"]) == (200, "archived")
        status, body = curl(f"{origin}/tickets/{about}/details")
        assert status == 200
        customer = opened.vendor("expected", ticket=about)["customer"]
        status, body = curl(f"{origin}/customers/{customer}/tickets")
        assert about in [each["ticket"] for each in json.loads(body)["tickets"]]
        status, body = curl(f"{origin}/tickets/{about}/images?type=DOCUMENT&expires_in=60")
        for image in json.loads(body)["images"]:
            status, picture = curl(image["url"])
            assert (status, hashlib.sha256(picture).hexdigest()) == (200, image["sha256"])
            assert curl(f"{origin}/tickets/{about}/images/{image['sha256']}")[0] == 200
        assert curl(f"{origin}/tickets/{about}/images?type=PASSPORT")[0] == 400

        typed = as_documented("sh", "curl").replace("http://127.0.0.1:3000", origin).replace("curl", "curl --silent")
        told = subprocess.run(
            ["bash", "-euc", typed], cwd=project, capture_output=True, text=True, timeout=300, check=True
        )
        assert '{"status": "accepted"}' in told.stdout
        assert told.stdout.count(about) >= 2


def test_without_a_queue_the_door_archives_at_once(opened: LocalStack, built: Path, tmp_path: Path) -> None:
    # GIVEN the stack's settings without its queues and without its memory of finished events
    settings = json.loads((opened.state / sam.SETTINGS).read_text(encoding="utf-8"))
    settings["IngestFunction"] |= {"QUEUE_URL": "", "IDEMPOTENCY_TABLE_NAME": ""}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    path = opened.state / sam.EVENTS / "webhook_older_generation.json"

    answer, log = invoke(path, tmp_path / "settings.json", opened.at.account, built)

    assert answer["statusCode"] == 202
    assert '"result":"unchanged"' in log or '"result":"archived"' in log
