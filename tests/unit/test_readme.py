"""Documents name and link to existing modules, tests, parameters, policies and headings."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.documentation import PAGES, ROOT
from tests.support.template import SOURCE
from ticket_archive.keys import image_key
from ticket_archive.models import ImageType

PARAMETERS: dict[str, Any] = SOURCE["Parameters"]
DEPLOYING = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = DEPLOYING.partition("\n## Parameters\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TABLE, re.MULTILINE))
PROJECT_PAGES = [*PAGES, *(Path(name) for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def test_every_parameter_has_a_row_with_its_default() -> None:
    in_words = {
        "": "none",
        "SELF_PORTRAITS,DOCUMENT,DOCUMENT_PORTRAIT,DOCUMENT_SIGNATURE,DOCUMENT_GHOST_PORTRAIT": "all five",
    }
    defaults = {name: str(each["Default"]) for name, each in PARAMETERS.items()}
    documented = {name: default.strip("`") for name, default in ROWS.items()}
    assert documented == {name: in_words.get(default, default) for name, default in defaults.items()}


@pytest.mark.parametrize("page", PROJECT_PAGES, ids=str)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target, anchor in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            broken.append(f"{target}#{anchor}" if anchor else target)
    assert broken == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/decisions.md", "docs/security.md", "CONTRIBUTING.md"])
def test_named_modules_exist(page: str) -> None:
    named = re.findall(r"`([\w-]+/[\w./-]+\.\w+|tests/[\w/.]+)`", (ROOT / page).read_text(encoding="utf-8"))
    roots = [ROOT, ROOT / "layers", ROOT / "examples" / "policies"]
    assert named
    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def test_every_section_of_controls_names_tests() -> None:
    controls = SECURITY.partition("\n## Controls\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(controls) > 2
    assert [section.splitlines()[0] for section in controls if "`tests/" not in section] == []


def test_every_example_policy_is_described() -> None:
    folder = ROOT / "examples" / "policies"
    policies = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    assert set(re.findall(r"^\| `([\w/-]+\.json)`", SECURITY, re.MULTILINE)) == policies


def _anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub creates for headings."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_commands_of_the_removal_pass_no_argument_that_linux_refuses() -> None:
    """`delete-objects` has its keys in one argument, of 128 KiB at most. If it fails, the loop must end."""
    (listed,) = map(int, re.findall("list-object-versions .*--max-items ([0-9]+)", DEPLOYING))
    key = image_key("t" * 128, max(ImageType, key=len), "f" * 64, "jpeg")
    version = {"Key": key, "VersionId": "v" * 64}
    assert len(json.dumps({"Objects": [version] * listed}, indent=4)) < 128 * 1024
    assert 'delete-objects --bucket $bucket --delete "$versions" || break' in DEPLOYING
