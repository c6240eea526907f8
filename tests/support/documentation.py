"""What the documentation tells to type: blocks of commands, of Python and the rest, page by page."""

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
"""Output is indented too: only lines that begin with a program's name are commands."""
INLINE = re.compile(r"`((?:aws|make|sam|\./ticket-archive) [^`]*)`")


class Block(NamedTuple):
    """`language` is that of the fence; commands that are only indented are `sh` as well."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """Its commands in words, as the shell takes them apart; comments are gone."""
        return list(_commands(self.text))

    @property
    def programs(self) -> set[str]:
        """The first words, but for the shell's own: its functions, variables and loops."""
        return {words[0] for words in self.commands if "(" not in words[0]} - SHELL

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    """Every block of this language, page by page."""
    return [block for page in PAGES for block in _blocks(page) if block.language == language]


def inline() -> list[list[str]]:
    """Commands within a sentence, without an end that is left open; `make sam-…` is none."""
    pages = (FENCED.sub("", (ROOT / page).read_text(encoding="utf-8")) for page in PAGES)
    told = [each for page in pages for each in INLINE.findall(page) if not each.endswith("-…")]
    return [words for each in told for words in _commands(each.replace("…", ""))]


def _blocks(page: Path) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCED.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 2, found[2], textwrap.dedent(found[3]))
    blank = FENCED.sub(lambda found: re.sub(r"[^\n]", "", found[0]), text)
    for found in INDENTED.finditer(blank):
        yield Block(page, blank.count("\n", 0, found.start()) + 1, "sh", textwrap.dedent(found[0]))


def _commands(text: str) -> Iterator[list[str]]:
    """A quoted text or a backslash goes on in the next line; `&&` and `|` stand between commands."""
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
