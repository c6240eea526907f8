"""What the shared layer installs: exactly what was pinned, from wherever the installer is told to look."""

import re
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
