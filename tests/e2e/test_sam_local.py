"""`sam local` in containers against the local stack: invoke, start-api with curl, start-lambda with boto3, a debugger.

Skipped, with the reason, without a container engine or AWS's base image. It pulls no image.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_socket import socket_allow_hosts

from local import ROOT, containers, deploy, sam
from local import stack as local_stack
from local.errors import StartFailed
from local.processes import free_port
from local.sam import SamLocal
from local.terminal import SILENT
from tests.support.debugger import stop_at
from tests.support.documentation import blocks
from tests.support.stack import LocalStack
from tests.support.waiting import eventually
from ticket_archive.webhook_encryption import IV_HEADER

pytestmark = pytest.mark.stack

NO_PULL = "--skip-pull-image"
LAYER = "SharedLayer"
DOCKER = shutil.which("docker") or "docker"

FIRST_RESPONSE_SECONDS = 3
INVOKE_ALL_SECONDS = 60  # 15 on a busy machine; one container per event took 400


@pytest.fixture(scope="module")
def engine() -> containers.Engine:
    try:
        found = containers.find_engine()
    except StartFailed as reason:
        pytest.skip(str(reason))
    if subprocess.run([DOCKER, "image", "inspect", containers.BASE_IMAGE], capture_output=True, check=False).returncode:
        pytest.skip(f"the image {containers.BASE_IMAGE} is not on this machine")
    return found


@pytest.fixture(scope="module")
def built(engine: containers.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The application as `make build` builds it: for Lambda, not for the emulator.

    `sam local` names its image of a layer after the layer's logical id, so another checkout that uses the same engine
    would replace it. The layer therefore has an id of its own here.
    """
    folder = tmp_path_factory.mktemp("built")
    cache, settings = tmp_path_factory.mktemp("cache"), {"PYTHON": str(ROOT / ".venv-sam" / "bin" / "python")}
    deploy.sam(["build", "--build-dir", folder, "--cache-dir", cache], settings, cache / "log")
    layer, template = f"{LAYER}{uuid4().hex}", folder / "template.yaml"
    template.write_text(re.sub(rf"\b{LAYER}\b", layer, template.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / LAYER).rename(folder / layer)
    yield template
    image = f"samcli/lambda-python:3.13-x86_64-{hashlib.sha256(layer.encode()).hexdigest()[:25]}"
    subprocess.run([DOCKER, "image", "rm", image], capture_output=True, check=True)


@pytest.fixture(scope="module")
def opened(engine: containers.Engine, stack: LocalStack) -> LocalStack:
    """The session's stack, opened to containers, with the sample events' ticket archived."""
    socket_allow_hosts(["127.0.0.1", engine.host], allow_unix_socket=True)
    local_stack.open_to_containers(stack.state, SILENT)
    ticket = event(stack, "retrieval_ticket")["pathParameters"]["ticket"]
    assert stack.post(ticket) == 202
    stack.archived(ticket)
    return stack


@pytest.fixture
def local(opened: LocalStack, built: Path) -> Iterator[SamLocal]:
    before = all_containers()
    yield SamLocal(opened.state / sam.SETTINGS, opened.at.account, template=built)
    eventually(lambda: not all_containers() - before, "every container removed", 30)


@pytest.fixture
def project(opened: LocalStack, tmp_path: Path) -> Path:
    """A folder in which the commands of docs/sam-local.md find their files."""
    (tmp_path / ".local").symlink_to(opened.state)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def all_containers() -> set[str]:
    listed = subprocess.run([DOCKER, "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def event(stack: LocalStack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stack.state / sam.EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def documented(language: str, about: str) -> str:
    """Return the one block of docs/sam-local.md in this language that contains `about`."""
    (found,) = (block.text for block in blocks(language) if block.page.name == "sam-local.md" and about in block.text)
    return found


def curl(*arguments: str) -> tuple[int, bytes]:
    """Return the status and the body."""
    command = ["curl", "--silent", "--show-error", "--max-time", "120", "--write-out", "%{stderr}%{http_code}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True, timeout=130, env={})
    return int(done.stderr), done.stdout


@pytest.mark.parametrize("name", ["queue_completed_encrypted", "retrieval_ticket"])
def test_invoke_passes_an_event_to_its_function(
    opened: LocalStack, local: SamLocal, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert local.invoke(opened.state / sam.EVENTS / f"{name}.json", NO_PULL) == 0

    printed, log = capfd.readouterr()
    assert sam.problem(name, json.loads(printed.splitlines()[-1])) is None
    assert "Traceback" not in log


def test_every_sample_event_has_the_expected_response_over_one_server(
    opened: LocalStack, local: SamLocal, tmp_path: Path
) -> None:
    began = time.monotonic()

    problems = dict(local.invoke_all(opened.state / sam.EVENTS, tmp_path / "log", NO_PULL))

    assert time.monotonic() - began < INVOKE_ALL_SECONDS
    assert problems.keys() == {path.stem for path in (ROOT / "events").glob("*.json")}
    assert not any(problems.values()), problems


def test_start_lambda_serves_the_documented_boto3_code(local: SamLocal, project: Path, tmp_path: Path) -> None:
    with local.serving("start-lambda", tmp_path / "log", NO_PULL) as origin:
        script = documented("python", "boto3").replace("http://127.0.0.1:3001", origin)
        done = subprocess.run([sys.executable, "-c", script], cwd=project, env={}, capture_output=True, check=True)

    assert f"# {done.stdout.decode().strip()}" in script


def test_start_api_serves_webhooks_tickets_and_images(
    opened: LocalStack, local: SamLocal, project: Path, tmp_path: Path
) -> None:
    about = event(opened, "retrieval_ticket")["pathParameters"]["ticket"]
    webhook = event(opened, "webhook_completed_encrypted")
    headers = {name: webhook["headers"][name] for name in ("Content-Type", IV_HEADER)}
    with local.serving("start-api", tmp_path / "log", NO_PULL) as origin:
        given = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
        began = time.monotonic()
        status, body = curl("--data-binary", webhook["body"], *given, f"{origin}/webhooks/tickets")
        assert time.monotonic() - began < FIRST_RESPONSE_SECONDS
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

        typed = documented("sh", "curl").replace("http://127.0.0.1:3000", origin).replace("curl", "curl --silent")
        done = subprocess.run(
            ["bash", "-euc", typed], cwd=project, capture_output=True, text=True, timeout=300, check=True
        )
        assert '{"status": "accepted"}' in done.stdout
        assert done.stdout.count(about) >= 2


@pytest.fixture(scope="module")
def debug_image(engine: containers.Engine) -> Iterator[str]:
    """The base image; a stand-in without Python and the runtime at the paths of AWS's image is given them."""
    name, container = f"ticket-archive-debug:{uuid4().hex}", f"debug-image-{uuid4().hex}"
    script = (ROOT / "tests" / "support" / "stand_in_runtime.sh").read_text(encoding="utf-8")
    command = [DOCKER, "run", "--name", container, "--entrypoint", "/bin/sh", containers.BASE_IMAGE, "-c", script]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run([DOCKER, "commit", "-c", "ENTRYPOINT []", container, name], check=True, capture_output=True)
    subprocess.run([DOCKER, "rm", container], check=True, capture_output=True)
    yield name
    subprocess.run([DOCKER, "image", "rm", "--force", name], check=False, capture_output=True)


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("retrieval_ticket", "functions/retrieval/app.py", "source = event_source(event)"),
        ("queue_ticket_request", "layers/ticket_archive/event_source.py", "if not isinstance(event, Mapping)"),
    ],
)
def test_a_debugger_stops_at_a_line_of_a_function_and_of_the_layer(
    opened: LocalStack, local: SamLocal, debug_image: str, name: str, source: str, text: str
) -> None:
    debugger = opened.state / "cache" / "debugpy"
    sam.install_debugger(debugger)
    port, path = free_port(), opened.state / sam.EVENTS / f"{name}.json"
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines()
    line = 1 + next(number for number, each in enumerate(lines) if text in each)
    [attach] = json.loads((ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8"))["configurations"]

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop_at, port, attach, ROOT, source, line)
        assert local.debug(path, debugger, port, NO_PULL, "--invoke-image", debug_image) == 0

    assert stopped.result() == (str(ROOT / source), line)
