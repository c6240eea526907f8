"""The layers build on common hosts: with each system's versions of Python and pip, every file is the same.

`HOST_BUILDS=1` runs it; it needs a package index, and interpreters on the PATH or under ~/.pyenv.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local import ROOT
from local.deploy import sam

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
HOSTS = {
    system: (python, pip)
    for system, python, pip in re.findall(r"^\| (.+?) \| (3\.\d+) \| (\d+\.\d[\d.]*) \|$", PAGE, re.MULTILINE)
}
"""The stock Python and pip of each system."""

Files = dict[str, str]


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]


def hashes(folder: Path) -> Files:
    """Return the hash of each file that is neither a package's metadata nor compiled by the host's Python."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".dist-info/" not in str(file) and file.suffix != ".pyc"
    }


def interpreter(version: str) -> str:
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for each in filter(None, found):
        if subprocess.run([each, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0:
            return each
    pytest.skip(f"no Python {version} here")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Files]:
    """A function that builds both layers on a host and returns the hash of each file."""

    def build(host: str) -> Files:
        python, pip = HOSTS[host]
        folder = tmp_path_factory.mktemp("host")
        run(interpreter(python), "-m", "venv", folder / "venv")
        run(folder / "venv/bin/python", "-m", "pip", "install", "-q", f"pip=={pip}")
        for target in ("build-SharedLayer", "build-Arm64Layer"):
            out = folder / target
            out.mkdir()
            shutil.copytree(ROOT / "layers", folder / "source", dirs_exist_ok=True)
            run(
                "make", "--silent", "-C", folder / "source", target,
                ARTIFACTS_DIR=str(out), PYTHON=str(folder / "venv/bin/python"),
            )  # fmt: skip
        shutil.rmtree(folder / "venv")
        shutil.rmtree(folder / "source")
        return hashes(folder)

    return build


@pytest.fixture(scope="module")
def reference(built: Callable[[str], Files]) -> Files:
    return built("Ubuntu 24.04")


@pytest.mark.skipif("HOST_BUILDS" not in os.environ, reason="takes minutes: HOST_BUILDS=1 runs it")
@pytest.mark.parametrize("host", [host for host in HOSTS if host != "Ubuntu 24.04"])
def test_every_host_builds_the_same_layers(host: str, built: Callable[[str], Files], reference: Files) -> None:
    files = built(host)
    assert {name.partition("/")[0] for name in files} == {"build-SharedLayer", "build-Arm64Layer"}
    assert len(files) > 500
    assert files == reference


@pytest.mark.skipif(
    not {"HOST_BUILDS", "BUILD_IMAGE"} <= set(os.environ),
    reason="needs a container engine: HOST_BUILDS=1 BUILD_IMAGE=…",
)
def test_container_builds_the_same_files_as_the_host(tmp_path: Path) -> None:
    """Of both functions and both layers; BUILD_IMAGE is AWS's image, or one with Python 3.13, make and the builders."""

    def build(name: str, *options: str) -> Files:
        folder = tmp_path / name
        settings = {"PYTHON": str(ROOT / ".venv-sam" / "bin" / "python")}
        sam(["build", "--no-cached", "--build-dir", folder, *options], settings, tmp_path / f"{name}.log")
        return hashes(folder)

    image = ["--use-container", "--skip-pull-image", "--build-image", os.environ["BUILD_IMAGE"]]
    in_container, on_host = build("container", *image), build("host")
    assert {name.partition("/")[0] for name in on_host} >= {"IngestFunction", "RetrievalFunction", "SharedLayer"}
    assert in_container == on_host
