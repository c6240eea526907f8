"""Run `sam build` and `sam deploy` of template.yaml against the emulator."""

import copy
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from zipfile import ZipFile

from rich.console import Console
from samtranslator.intrinsics.actions import RefAction
from samtranslator.intrinsics.resolver import IntrinsicsResolver
from samtranslator.yaml_helper import yaml_parse

from local import ROOT, emulator
from local.account import Account
from local.errors import StartFailed
from local.terminal import step

SAM = ROOT / ".venv-sam" / "bin" / "sam"
CACHE = ROOT / ".local" / "cache"
"""SAM's build cache, shared by all runs."""

FOLDER = CACHE / f"{sys.version_info.major}.{sys.version_info.minor}"
SOURCES = ("template.yaml", "functions", "layers")
LAYER = "layer.zip"
"""The layer as it is deployed, uncompressed: `sam deploy` takes 3 s to compress it, and the emulator unpacks it for
each process of a function."""

SHOWN_LINES = 25


def deploy(name: str, parameters: Mapping[str, str], account: Account, console: Console, logs: Path) -> None:
    """Build the application for the emulator's Python and deploy it as the stack `name`. Raises StartFailed."""
    _build(console, logs / "build.log")
    with (
        build_folder() as folder,
        step(console, "Deploying template.yaml (sam deploy)"),
        NamedTemporaryFile("w", dir=folder / "build", suffix=".json", encoding="utf-8") as resolved,  # beside code
    ):
        json.dump(_supported(replace_parameters(built_template(folder), parameters)), resolved)
        resolved.flush()
        command: list[str | Path] = ["deploy", "--template-file", resolved.name, "--stack-name", name]
        command += ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
        command += ["--parameter-overrides", *(f"{key}={json.dumps(value)}" for key, value in parameters.items())]
        sam(command, {**account.settings(), "SAM_CLI_POLL_DELAY": "0.2"}, logs / "deploy.log")


def _build(console: Console, log: Path) -> None:
    """Build the application, unless its sources are those of the last build: SAM's own cache takes seconds for it."""
    sources, built = _digest_of_sources(), FOLDER / "sources"

    def is_current() -> bool:
        return built.exists() and built.read_text(encoding="utf-8") == sources

    if is_current():
        return
    with build_folder(to_change=True), step(console, "Building the functions and their layer (sam build)"):
        if is_current():  # another process was first
            return
        built.unlink(missing_ok=True)
        command: list[str | Path] = ["build", "--template", ROOT / "template.yaml", "--parallel"]
        command += ["--build-dir", FOLDER / "build", "--cached", "--cache-dir", FOLDER / "parts"]
        command += ["--exclude", "Arm64Layer"]  # another processor than this machine's
        interpreter = {
            "LAYER_ARCHITECTURE": "native",
            "LAYER_PYTHON_VERSION": FOLDER.name,
            "PYTHON": str(emulator.PYTHON),
        }
        sam(command, interpreter, log)
        layer = FOLDER / "build" / "SharedLayer"
        with ZipFile(FOLDER / LAYER, "w") as archive:
            for path in sorted(layer.rglob("*")):
                archive.write(path, path.relative_to(layer))
        built.write_text(sources, encoding="utf-8")


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(each for part in SOURCES for each in (ROOT / part, *(ROOT / part).rglob("*")) if each.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(f"{path}\0{path.stat().st_mode}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def build_folder(*, to_change: bool = False) -> Iterator[Path]:
    """Yield the folder of the build for this Python, locked: a build replaces the files that deployments read."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if to_change else fcntl.LOCK_SH)
        yield FOLDER


def built_template(folder: Path) -> dict[str, Any]:
    """Return the template in the folder of a build, with the layer uncompressed. Its paths begin at `folder`/build."""
    template: dict[str, Any] = yaml_parse((folder / "build" / "template.yaml").read_text(encoding="utf-8"))
    template["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = str(folder / LAYER)
    return template


def replace_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Replace references to parameters by their values (`given` or default, as strings) in globals and resources.

    AWS::LanguageExtensions does so before SAM's transform on AWS. References to list parameters stay. Source:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
    """
    values = {
        name: str(given.get(name, declared.get("Default")))
        for name, declared in template["Parameters"].items()
        if declared["Type"] in ("String", "Number")
    }
    resolve = IntrinsicsResolver(values, {"Ref": RefAction()}).resolve_parameter_refs
    return {**template, **{part: resolve(copy.deepcopy(template[part])) for part in ("Globals", "Resources")}}


def _supported(template: dict[str, Any]) -> dict[str, Any]:
    """Replace what MiniStack 1.5.33 evaluates differently from AWS.

    Its policies take `s3:if-none-match` as absent from every request, so the bucket policy's statements on it would
    deny every upload. Its conditions do not know Fn::Join, so every list would count as given; to them a list parameter
    is one string. Its poller fails on an event source whose concurrency is a string, as every parameter's value is.
    """
    queue = template["Resources"]["IngestFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    queue["ScalingConfig"] = {"MaximumConcurrency": int(queue["ScalingConfig"]["MaximumConcurrency"])}
    statements = template["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    statements[:] = [each for each in statements if "s3:if-none-match" not in json.dumps(each)]
    for name, condition in template["Conditions"].items():
        match condition:
            case {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]}:
                template["Conditions"][name] = {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
    return template


def sam(command: Sequence[str | Path], settings: Mapping[str, str], log: Path, cwd: Path = ROOT) -> None:
    """Run the SAM CLI with `settings` as environment variables and its output in `log`. Raises StartFailed."""
    if not SAM.exists():
        raise StartFailed(f"{SAM.relative_to(ROOT)} is missing: run `make setup`.")
    with log.open("wb") as file:
        done = subprocess.run(
            [str(part) for part in (SAM, *command)],
            cwd=cwd,
            env=tool_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:]
        raise StartFailed("\n".join([*end, "", f"`sam {command[0]}` failed; see {log}."]))


def tool_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return `settings` without the developer's AWS and SAM settings, and without SAM's telemetry and version check."""
    folder = CACHE / "sam"
    folder.mkdir(parents=True, exist_ok=True)
    known = {"telemetryEnabled": False, "lastVersionCheck": time.time()}
    (folder / "metadata.json").write_text(json.dumps(known), encoding="utf-8")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "MAKE", "MFLAGS"))
    }
    own = {
        "__SAM_CLI_APP_DIR": str(folder),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
    }
    return {**kept, **own, **settings}
