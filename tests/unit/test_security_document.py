"""Tests, files and make targets that docs/security.md names exist."""

import re

from local import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_named_tests_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", TEXT))
    assert len(named) >= 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_section_of_controls_names_tests() -> None:
    controls = TEXT.partition("\n## Controls\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert [section.splitlines()[0] for section in controls if "`tests/" not in section] == []


def test_every_example_policy_is_described() -> None:
    folder = ROOT / "examples" / "policies"
    policies = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    assert set(re.findall(r"^\| `([\w/-]+\.json)`", TEXT, re.MULTILINE)) == policies
