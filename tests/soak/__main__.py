"""`python -m tests.soak --tickets 10000`: print a table; exit with 1 if a check failed."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.soak.run import Soak, TimeLimitExceeded
from tests.support.stack import running

MOST_SHOWN = 20
SETTINGS = {"SettleMinutes": "5"}
"""Longer than the pause between two attempts: a fault that repeats by chance must not settle as the vendor's answer."""


def main() -> int:
    """Start a stack, run the soak test on it, and stop it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=240, help="stop after this time")
    parser.add_argument("--receives", type=int, default=9, help="receives until a message is a dead letter")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the stack
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        Progress(*columns) as progress,
        running(Path(folder), SETTINGS) as stack,
    ):
        soak = Soak(stack, progress, **vars(options))
        try:
            soak.run()
        except TimeLimitExceeded:
            soak.problems.append(f"not finished within {options.minutes:g} minutes")
    show(progress.console, soak)
    return 1 if soak.problems else 0


def show(console: Console, soak: Soak) -> None:
    """Print the table and the problems."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in soak.rows.items():
        table.add_row(*row)
    console.print(table)
    for problem in soak.problems[:MOST_SHOWN]:
        console.print(f"[red]✗[/] {problem}")
    if len(soak.problems) > MOST_SHOWN:
        console.print(f"[red]✗[/] and {len(soak.problems) - MOST_SHOWN} more")
    if not soak.problems:
        console.print("[green]✓[/] every ticket is archived, byte by byte, with one manifest and one event per state")


if __name__ == "__main__":
    sys.exit(main())
