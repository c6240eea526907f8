"""The applications in examples/, built and deployed beside the local stack with the commands of their README."""

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local import ROOT, account, emulator
from local.deploy import CACHE, FOLDER, sam
from tests.support.documentation import blocks
from tests.support.stack import LocalStack
from ticket_archive_client import ManifestCreated

COPIES = CACHE / "examples" / os.environ.get("PYTEST_XDIST_WORKER", "")
"""A folder for each worker."""
MANIFEST_EVENT: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-01-31T09:30:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:s3:::archive"],
    "detail": {
        "version": "0",
        "bucket": {"name": "archive"},
        "object": {
            "key": f"tickets/762ebbda-0edb-4e48-86bc-11a280273601/manifests/{'5e' * 32}.json",
            "size": 812,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "00617F08299329D189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    },
}
"""As S3's user guide shows it (ev-events): a versioned bucket's."""


@contextmanager
def deployed(stack: LocalStack, name: str, **parameters: str) -> Iterator[dict[str, str]]:
    """Deploy an example; yield its stack's outputs, and delete it afterwards.

    The archive's outputs are known, `parameters` are others. What is deployed is a copy with the emulator's Python and
    certificate. It stays, because SAM's build cache is for one folder.
    """
    copy = COPIES / "examples" / name
    for folder in (Path("examples") / name, Path("clients")):
        hidden = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / folder, COPIES / folder, ignore=hidden, dirs_exist_ok=True)
    text = (copy / "template.yaml").read_text(encoding="utf-8").replace("python3.13", f"python{FOLDER.name}")
    template = yaml_parse(text)
    function = template.setdefault("Globals", {}).setdefault("Function", {})
    variables = function.setdefault("Environment", {}).setdefault("Variables", {})
    variables["REQUESTS_CA_BUNDLE"] = stack.at.ca_bundle
    (copy / "template.yaml").write_text(json.dumps(template), encoding="utf-8")

    commands = [command for block in blocks("sh") if block.page.parent.name == name for command in block.commands]
    build = next((each for each in commands if each[:2] == ["sam", "build"]), None)
    deploy = next(each for each in commands if each[:2] == ["sam", "deploy"])
    settings = {**stack.at.account.settings(), "SAM_CLI_POLL_DELAY": "0.2"}
    settings["PATH"] = f"{emulator.PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    if build:
        sam(build[1:], settings, copy / "sam.log", copy)
    values = {**_values(stack), **parameters}
    typed = [word.replace("…", values.get(word.removesuffix("=…"), "…")) for word in deploy[1:]]
    sam([*typed, "--no-confirm-changeset"], settings, copy / "sam.log", copy)
    try:
        yield account.outputs(stack.at.account, _name(copy))
    finally:
        stack.delete(_name(copy))


def manifest_event(stack: LocalStack, key: str) -> dict[str, Any]:
    """Return EventBridge's event of a manifest."""
    detail = MANIFEST_EVENT["detail"]
    created = {"bucket": {"name": stack.at.bucket}, "object": {**detail["object"], "key": key}}
    event = {**MANIFEST_EVENT, "detail": {**detail, **created}}
    ManifestCreated.model_validate(event)
    return event


def _values(stack: LocalStack) -> dict[str, str]:
    """Return the parameters' values: the archive's outputs."""
    outputs = stack.outputs
    return {
        "ArchiveBucket": outputs["BucketName"],
        "ArchiveKeyArn": outputs["KeyArn"],
        "ArchiveQueueArn": outputs["QueueArn"],
        "ArchiveApiUrl": stack.at.api_url,  # the output has AWS's own address
        "ArchiveApiId": outputs["ApiId"],
        "ArchiveAccount": outputs["KeyArn"].split(":")[4],
    }


def _name(folder: Path) -> str:
    """Return the stack's name."""
    config = tomllib.loads((folder / "samconfig.toml").read_text(encoding="utf-8"))
    name: str = config["default"]["global"]["parameters"]["stack_name"]
    return name
