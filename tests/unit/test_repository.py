"""Workflows, hooks and the changelog name existing targets, tools and versions."""

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
    assert [f"Python {', '.join(versions[:-1])} or {versions[-1]}"] == re.findall(
        r"^(Python [\d., or]+\d)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={versions[0]}"


def test_dependabot_looks_where_requirements_are() -> None:
    updates = {each["package-ecosystem"]: each for each in read(".github/dependabot.yml")["updates"]}
    folders = {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.glob("[!.]*/*.in")}
    assert set(updates["pip"]["directories"]) == folders
    assert "github-actions" in updates


def test_hooks_run_the_pinned_tools() -> None:
    [repository] = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    pinned = (ROOT / "requirements" / "dev.in").read_text(encoding="utf-8")
    for hook in repository["hooks"]:
        tool = Path(hook["entry"].split()[0])
        assert tool.parent == Path(".venv/bin")
        assert re.search(rf"^{tool.name}\b", pinned, re.MULTILINE)


def test_the_projects_version_is_the_newest_release() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    [newest, *_] = re.findall(r"^## \[?([\d.]+)\]? - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == newest
