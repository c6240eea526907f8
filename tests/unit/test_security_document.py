"""docs/security.md names tests and files: all of them exist, and so does every make target."""

import re

from local import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) >= 60
    assert named - TESTS - {"test_"} == set()


def test_every_file_and_target_that_is_named_exists() -> None:
    policies = set(re.findall(r"`([\w-]+\.json)`", TEXT))
    assert policies == {path.name for path in (ROOT / "examples" / "policies").glob("*.json")}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z]+)", TEXT)):
        assert f"\n{target}:" in makefile, target
