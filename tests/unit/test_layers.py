"""The build of layer and functions: exactly the pinned packages, for Lambda, on common hosts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import ROOT
from local.deploy import sam
from tests.support.documentation import blocks
from tests.support.template import SOURCE, nodes

PINNED = [ROOT / "layers" / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def entries(text: str) -> list[str]:
    """Return the requirements with their continuation lines, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def names(text: str) -> set[str]:
    return {re.split(r"[\s<>=!~\[#]", entry, maxsplit=1)[0] for entry in entries(text)}


@pytest.mark.parametrize("file", PINNED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_requirements_are_pinned_with_hashes_and_name_no_index(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert entries(text)
    for entry in entries(text):
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry.strip())


def test_layer_has_what_the_functions_need_and_no_development_tool() -> None:
    wanted = names((ROOT / "layers" / "requirements.in").read_text())
    pinned = names(PINNED[0].read_text())
    needed = "aws-lambda-powertools boto3 cryptography filetype ijson pybase64 pydantic requests"
    assert set(needed.split()) <= wanted
    assert wanted <= pinned
    assert not pinned & {"pytest", "mypy", "boto3-stubs", "pillow", "rich", "typer"}


def compiled(folder: Path, version: str) -> tuple[list[Path], str]:
    """Run the script on a folder with one module; return the compiled files and stderr."""
    (folder / "module.py").write_text("answer = 42\n")
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "LAYER_PYTHON_VERSION": version}
    script = str(ROOT / "functions" / "compile.sh")
    done = subprocess.run(
        ["sh", script, str(folder), "/opt"], env=environment, capture_output=True, text=True, check=True
    )
    return list(folder.rglob("*.pyc")), done.stderr


def test_modules_are_compiled_with_unchecked_hashes_and_lambdas_path(tmp_path: Path) -> None:
    """Packaging changes files' times, so that Python must not compare them (PEP 552)."""
    (file,), said = compiled(tmp_path, THIS_PYTHON)
    assert said == ""
    assert f"cpython-{THIS_PYTHON.replace('.', '')}" in file.name
    assert int.from_bytes(file.read_bytes()[4:8], "little") == 0b01
    assert b"/opt/module.py" in file.read_bytes()


def test_build_says_so_when_it_cannot_compile(tmp_path: Path) -> None:
    files, said = compiled(tmp_path, "3.99")
    assert files == []
    assert "No Python 3.99 found" in said
    assert "2.5 times" in said


FAKE_PYTHON = """#!/bin/sh
[ "$1" = -c ] && exec "$REAL" "$@"
while [ "$1" != --target ]; do echo "$1" >> "$ARGS_FILE"; shift; done
env | grep ^PIP_ >> "$ARGS_FILE"
mkdir -p "$2/package/data" "$2/botocore/data/s3" "$2/botocore/data/ec2" "$2/bin"
touch "$2/package/module.py" "$2/package/_compiled.abi3.so" "$2/package/data/libcode.so.3"
touch "$2/botocore/data/endpoints.json"
"""


def build(
    folder: str, target: str, tmp_path: Path, **environment: str
) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """Run a build target as SAM does, with an installer that records its arguments; return the files."""
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    out = tmp_path / "out"
    named = {"PATH": os.environ["PATH"], "PYTHON": str(python), "REAL": sys.executable, "ARTIFACTS_DIR": str(out)}
    named |= {"ARGS_FILE": str(tmp_path / "args"), "LAYER_PYTHON_VERSION": "3.99"} | environment
    done = subprocess.run(
        ["make", "--silent", "-C", str(ROOT / folder), target], env=named, capture_output=True, text=True, check=False
    )
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}, done


def test_layer_is_installed_for_lambda_by_any_pip(tmp_path: Path) -> None:
    """Pips before 22.1 lack --root-user-action; those before 24.3 compare Requires-Python with the host's Python."""
    files, done = build("layers", "build-SharedLayer", tmp_path)
    assert done.returncode == 0, done.stderr
    args = set((tmp_path / "args").read_text().split())
    assert {"manylinux2014_x86_64", "manylinux_2_28_x86_64", "--require-hashes", "--only-binary=:all:", "3.99"} <= args
    assert {"--no-deps", "--ignore-requires-python", "PIP_ROOT_USER_ACTION=ignore"} <= args
    assert not [word for word in args if word.startswith("--root-user-action")]
    assert "python/ticket_archive/table.py" in files
    assert {"python/package/module.py", "python/botocore/data/endpoints.json"} <= files
    assert not (tmp_path / "out" / "python" / "botocore" / "data" / "ec2").exists(), "no function calls it"
    assert (tmp_path / "out" / "python" / "botocore" / "data" / "s3").exists()


def test_layer_is_built_from_the_requirements_of_a_documented_manifest(tmp_path: Path) -> None:
    """The makefile of docs/deploying.md, given to the real `sam build --manifest`."""
    (makefile,) = (block.text for block in blocks("make") if block.page.name == "deploying.md")
    (tmp_path / "custom.mk").write_text(makefile)
    (tmp_path / "my-requirements.txt").write_text("")
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON.replace("while [", 'echo "$*" > "$ARGS_FILE"\nwhile ['))
    python.chmod(0o755)
    settings = {"PYTHON": str(python), "REAL": sys.executable, "ARGS_FILE": str(tmp_path / "args")}
    settings["LAYER_PYTHON_VERSION"] = "3.99"  # the installer that records cannot compile
    command = ["build", "SharedLayer", "--template", str(ROOT / "template.yaml"), "--manifest", "custom.mk"]
    sam([*command, "--no-cached", "--build-dir", "built"], settings, tmp_path / "log", tmp_path)
    assert f"-r {tmp_path.resolve()}/my-requirements.txt" in (tmp_path / "args").read_text()
    assert (tmp_path / "built/SharedLayer/python/ticket_archive/table.py").exists()


def test_each_build_folder_is_whole_without_the_others() -> None:
    """`sam build --use-container` mounts one folder at a time: a link to another leads nowhere."""
    assert not [path for folder in ("functions", "layers") for path in (ROOT / folder).rglob("*") if path.is_symlink()]
    scripts = [(ROOT / folder / "compile.sh").read_bytes() for folder in ("functions", "layers")]
    assert scripts[0] == scripts[1]


@pytest.mark.parametrize("architecture", ["x86_64", "native"])
def test_arm64_layer_holds_compiled_files_only(architecture: str, tmp_path: Path) -> None:
    files, done = build("layers", "build-Arm64Layer", tmp_path, LAYER_ARCHITECTURE=architecture)
    assert done.returncode == 0, done.stderr
    assert files == {"python/package/_compiled.abi3.so", "python/package/data/libcode.so.3"}
    args = (tmp_path / "args").read_text()
    assert "manylinux_2_28_aarch64" in args
    assert "x86_64" not in args


def test_build_without_a_usable_pip_says_what_to_do(tmp_path: Path) -> None:
    _, done = build("layers", "build-SharedLayer", tmp_path, REAL="/bin/false")
    assert done.returncode != 0
    assert "pip 20.3 or newer" in done.stderr
    assert "sam build --use-container" in done.stderr


@pytest.mark.parametrize(("function", "package"), [("IngestFunction", "ingest"), ("RetrievalFunction", "retrieval")])
def test_function_package_holds_all_its_modules_and_nothing_else(function: str, package: str, tmp_path: Path) -> None:
    files, done = build("functions", f"build-{function}", tmp_path)
    assert done.returncode == 0, done.stderr
    source = ROOT / "functions"
    modules = {str(path.relative_to(source)) for path in (source / package).rglob("*.py")}
    assert {name for name in files if name.endswith(".py")} == modules
    assert not [name for name in files if not name.startswith(f"{package}/")]


def test_layer_describes_every_service_that_a_function_may_call() -> None:
    (kept,) = re.findall(r"^SERVICES := (.*)$", (ROOT / "layers" / "Makefile").read_text(), re.MULTILINE)
    roles = [SOURCE["Resources"][name] for name in ("IngestRole", "RetrievalRole")]
    called = {
        node.partition(":")[0]
        for node in nodes(roles)
        if isinstance(node, str) and re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", node)
    }
    described = {"dynamodb", "kms", "s3", "secretsmanager", "sqs"}
    assert called - {"ec2", "logs", "sts", "xray"} == described, "the rest is Lambda's own"
    assert described <= set(kept.split())
