"""What the shared layer installs: exactly what was pinned, from wherever the installer is told to look."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = [ROOT / "layers" / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]
WANTED = (ROOT / "layers" / "requirements.in").read_text()


def entries(text: str) -> list[str]:
    """Requirements with their continuation lines, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("file", PINNED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_every_requirement_has_one_version_and_hashes(file: Path) -> None:
    found = entries(file.read_text())
    assert found
    for entry in found:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^\s;]+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry.strip()), (
            entry
        )


@pytest.mark.parametrize("file", PINNED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_no_index_is_named(file: Path) -> None:
    text = file.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE), "an option"
    assert "index-url" not in text
    assert "trusted-host" not in text


def test_everything_that_is_wanted_is_pinned() -> None:
    wanted = {re.split(r"[\s<>=!~\[#]", entry, maxsplit=1)[0] for entry in entries(WANTED)}
    pinned = {entry.partition("==")[0] for entry in entries(PINNED[0].read_text())}
    assert wanted <= pinned
    assert {"boto3", "aws-lambda-powertools", "cryptography", "urllib3"} <= wanted


def test_what_only_development_needs_is_in_no_package() -> None:
    pinned = {entry.partition("==")[0] for entry in entries(PINNED[0].read_text())}
    assert not pinned & {"pydantic", "requests", "pytest", "mypy", "boto3-stubs", "pillow", "rich", "typer"}


def test_a_compressed_answer_cannot_grow_without_a_bound() -> None:
    # CVE-2025-66471 and CVE-2026-21441 are mended from 2.6.3 on
    (version,) = re.findall(r"^urllib3==([\d.]+)", PINNED[0].read_text(), re.MULTILINE)
    assert tuple(map(int, version.split("."))) >= (2, 6, 3)


def test_layer_and_functions_are_compiled_by_the_same_script() -> None:
    script = (ROOT / "layers" / "compile.sh").read_text()
    assert (ROOT / "functions" / "compile.sh").read_text() == script
    for folder in ("layers", "functions"):
        assert 'sh compile.sh "$(ARTIFACTS_DIR)"' in (ROOT / folder / "Makefile").read_text()


def compiled(folder: Path, **environment: str) -> tuple[list[str], str]:
    """The compiled modules that the script leaves in a folder, and what it says."""
    (folder / "module.py").write_text("answer = 42\n")
    named = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, **environment}
    script = str(ROOT / "layers" / "compile.sh")
    done = subprocess.run(["sh", script, str(folder), "/opt"], env=named, capture_output=True, text=True, check=True)
    return [path.name for path in folder.rglob("*.pyc")], done.stderr


def test_modules_are_compiled_for_the_runtimes_python_and_count_whatever_their_times(tmp_path: Path) -> None:
    # GIVEN this very interpreter as the runtime's WHEN
    (name,), said = compiled(tmp_path, LAYER_PYTHON_VERSION=f"{sys.version_info.major}.{sys.version_info.minor}")
    # THEN
    assert f"cpython-{sys.version_info.major}{sys.version_info.minor}" in name
    assert said == ""
    (file,) = tmp_path.rglob("*.pyc")
    assert int.from_bytes(file.read_bytes()[4:8], "little") == 0b01, "a hash, unchecked (PEP 552)"
    assert b"/opt/module.py" in file.read_bytes()


def test_without_the_runtimes_python_nothing_is_compiled_and_it_is_said(tmp_path: Path) -> None:
    names, said = compiled(tmp_path, LAYER_PYTHON_VERSION="3.99")
    assert names == []
    assert "no Python 3.99" in said


FAKE_PIP = """#!/bin/sh
while [ "$1" != --target ]; do echo "$1" >> "$TOLD"; shift; done
mkdir -p "$2/package/data"
touch "$2/package/module.py" "$2/package/data/table.json" "$2/package/_compiled.abi3.so" "$2/package/data/libcode.so.3"
"""


@pytest.mark.parametrize("architecture", ["", "native"])
def test_the_layer_for_arm64_is_the_machine_code_of_the_same_packages_and_nothing_else(
    architecture: str, tmp_path: Path
) -> None:
    # GIVEN an installer, and the shared layer's build for AWS, or for the local stack
    installer = tmp_path / "python"
    installer.write_text(FAKE_PIP)
    installer.chmod(0o755)
    named = {"PATH": os.environ["PATH"], "PYTHON": str(installer), "ARTIFACTS_DIR": str(tmp_path / "out")}
    named |= {"TOLD": str(tmp_path / "told")} | ({"LAYER_ARCHITECTURE": architecture} if architecture else {})
    # WHEN
    subprocess.run(["make", "--silent", "-C", str(ROOT / "layers"), "build-Arm64Layer"], env=named, check=True)
    # THEN
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"python/package/_compiled.abi3.so", "python/package/data/libcode.so.3"}
    told = (tmp_path / "told").read_text().split()
    assert {"manylinux2014_aarch64", "manylinux_2_28_aarch64", "--require-hashes", "--only-binary=:all:"} <= set(told)
    assert not [word for word in told if "x86_64" in word]


def test_the_layer_knows_the_services_that_are_called_and_no_others(tmp_path: Path) -> None:
    # GIVEN botocore's data
    for name in ("s3", "sqs", "ec2"):
        (tmp_path / name).mkdir()
    listed = {"version": 3, "partitions": [{"partition": "aws", "services": {"s3": {"a": 1}, "ec2": {}, "sqs": {}}}]}
    (tmp_path / "endpoints.json").write_text(json.dumps(listed))
    (tmp_path / "_retry.json").write_text("{}")
    # WHEN
    subprocess.run([sys.executable, str(ROOT / "layers" / "trim.py"), str(tmp_path), "s3", "sqs"], check=True)
    # THEN
    assert {path.name for path in tmp_path.iterdir()} == {"s3", "sqs", "endpoints.json", "_retry.json"}
    kept = json.loads((tmp_path / "endpoints.json").read_text())
    assert kept == {"version": 3, "partitions": [{"partition": "aws", "services": {"s3": {"a": 1}, "sqs": {}}}]}


def test_every_service_that_a_function_makes_a_client_for_is_in_the_layer() -> None:
    (kept,) = re.findall(r"^SERVICES := (.*)$", (ROOT / "layers" / "Makefile").read_text(), re.MULTILINE)
    sources = [path.read_text() for path in (ROOT / "functions").rglob("*.py")]
    called = {name for text in sources for name in re.findall(r'client\((?:self\._session, )?"(\w+)"', text)}
    assert called == {"dynamodb", "s3", "secretsmanager", "sqs"}
    assert called <= set(kept.split())
