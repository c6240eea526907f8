"""The workflows run what exists, with least permissions, on every supported version of Python."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: str | Path) -> Any:
    return yaml_parse((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_ci_and_make_targets_only_with_least_permissions(path: Path) -> None:
    workflow = read(path)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for words in (step["run"].split() for step in steps if "run" in step):
        targets = [word for word in words[1:] if "=" not in word]
        assert words == [".ci/run"] or (words[0] == "make" and set(targets) <= TARGETS), words
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert workflow["permissions"] == {"contents": "read"}


def test_the_workflow_tests_every_supported_version_of_python() -> None:
    [versions] = [
        job["strategy"]["matrix"]["python"]
        for path in WORKFLOWS
        for job in read(path)["jobs"].values()
        if "strategy" in job
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={versions[0]}"
