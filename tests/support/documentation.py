"""The commands and the code blocks of the documentation, page by page."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
WHERE = ("README.md", "docs/*.md", "examples/*/README.md", "local/README.md")
PAGES = [path.relative_to(ROOT) for pattern in WHERE for path in sorted(ROOT.glob(pattern))]

FENCED = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PROGRAMS = r"(?:aws|awscurl|curl|docker|export|git|make|npm|pip|producer|python\S*|sam|sed|\./\S+|\.venv\S*)"
SHELL = {"[", "do", "done", "for", "read", "while"}
INDENTED = re.compile(rf"(?:^ {{4,8}}{PROGRAMS} .*\n(?:^ {{6,}}--.*\n)*)+", re.MULTILINE)
"""Output is indented too, so only lines that begin with a program's name are commands."""
INLINE = re.compile(r"`((?:aws|make|sam|\./ticket-archive) [^`]*)`")


class Block(NamedTuple):
    """A code block. Its language is the fence's; indented commands are `sh` too."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """Its commands, split into words as a shell splits them, without comments."""
        return list(_commands(self.text))

    @property
    def programs(self) -> set[str]:
        """The first word of each command, without functions, variables and keywords of the shell."""
        return {words[0] for words in self.commands if "(" not in words[0]} - SHELL

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """Return every block of a language."""
    return [block for page in PAGES for block in _blocks(page) if block.language == language]


def inline() -> list[list[str]]:
    """Return commands within sentences, without ellipses; a command that ends in one (`make sam-…`) is left out."""
    pages = (FENCED.sub("", (ROOT / page).read_text(encoding="utf-8")) for page in PAGES)
    found = [each for page in pages for each in INLINE.findall(page) if not each.endswith("-…")]
    return [words for each in found for words in _commands(each.replace("…", ""))]


def _blocks(page: Path) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCED.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 2, found[2], textwrap.dedent(found[3]))
    blank = FENCED.sub(lambda found: re.sub(r"[^\n]", "", found[0]), text)
    for found in INDENTED.finditer(blank):
        yield Block(page, blank.count("\n", 0, found.start()) + 1, "sh", textwrap.dedent(found[0]))


def _commands(text: str) -> Iterator[list[str]]:
    """Yield a shell text's commands, split into words. Arithmetic becomes a number; `&&` and `|` separate commands."""
    text = re.sub(r"\$\(\(.*?\)\)", "0", text)
    begun = ""
    for line in text.splitlines():
        begun += line
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:  # a quotation is open
            begun += "\n"
            continue
        begun, command = "", list[str]()
        for word in [*words, "&&"]:
            if word not in ("&&", "|"):
                command.append(word)
            elif command:
                yield command
                command = []
    assert not begun, begun
