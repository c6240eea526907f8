"""Progress in the terminal: one line per step, with its duration."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

SILENT = Console(quiet=True)


@contextmanager
def step(console: Console, text: str) -> Iterator[None]:
    """Show a step: a spinner on a terminal while the block runs, then one line with its result and duration."""
    began = time.monotonic()
    try:
        with console.status(text):
            yield
    except BaseException:
        console.print(f"[red]✗[/] {text}")
        raise
    console.print(f"[green]✓[/] {text} [dim]{time.monotonic() - began:.1f} s[/]")


def recorder() -> Console:
    """Return a console of 80 columns that records what it prints: of a progress bar only its end."""
    return Console(record=True, width=80, force_terminal=False, color_system="truecolor", highlight=False)


def save_svg(console: Console, path: Path, title: str) -> None:
    """Write what a `recorder` printed as a picture that loads no font from elsewhere."""
    text = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title, unique_id="terminal"), flags=re.DOTALL)
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
