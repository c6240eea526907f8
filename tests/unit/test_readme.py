"""The README's table of settings is the template's."""

import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
PARAMETERS: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]
SETTINGS = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Settings\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", SETTINGS, re.MULTILINE))


def test_every_parameter_has_its_row_and_every_row_is_of_a_parameter() -> None:
    assert set(ROWS) == set(PARAMETERS)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_default_is_the_templates(name: str) -> None:
    default = str(PARAMETERS[name]["Default"])
    in_words = {
        "": "none",
        "SELF_PORTRAITS,DOCUMENT,DOCUMENT_PORTRAIT,DOCUMENT_SIGNATURE,DOCUMENT_GHOST_PORTRAIT": "all five",
    }
    assert ROWS[name].strip("`") == in_words.get(default, default)
