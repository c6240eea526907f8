"""`python -m tests.soak --tickets 10000`: a table at the end, and 1 as exit code when anything is unaccounted for."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.soak.run import Options, OutOfMinutes, Result, Soak
from tests.support.stack import running

MOST_SHOWN = 20
SETTINGS = {"SettleMinutes": "5"}
"""Longer than the pause between two attempts: a fault that happens to repeat must not settle as the vendor's answer."""


def main() -> int:
    """Brings up a stack of its own, soaks it, and takes it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=240, help="give up after so long")
    parser.add_argument("--receives", type=int, default=9, help="deliveries until a message is a dead letter")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    options = Options(given.tickets, given.minutes, given.receives, given.seed)
    console = Console()
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=None)

        def tell(phase: str, done: int, of: int) -> None:
            if phase:
                progress.console.print(phase)
                progress.update(task, description=phase)
            progress.update(task, completed=done, total=of or None)

        with running(Path(folder), SETTINGS) as stack:
            soak = Soak(stack, options, tell)
            try:
                soak.run()
            except OutOfMinutes:
                soak.result.problems.append(f"not finished within {options.minutes:g} minutes")
    show(console, soak.result)
    return 1 if soak.result.problems else 0


def show(console: Console, result: Result) -> None:
    """The table, and what was found wrong."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(result):
        table.add_row(name, value)
    console.print(table)
    for problem in result.problems[:MOST_SHOWN]:
        console.print(f"[red]✗[/] {problem}")
    if len(result.problems) > MOST_SHOWN:
        console.print(f"[red]✗[/] and {len(result.problems) - MOST_SHOWN} more")
    if not result.problems:
        console.print("[green]✓[/] every ticket is archived, byte by byte, with one manifest and one event per state")


def _rows(result: Result) -> list[tuple[str, str]]:
    results, calls = result.results, sum(result.counts.get("endpoints", {}).values())
    per_ticket = result.storm_calls / max(1, result.in_storm)
    faults = Counter(result.counts.get("faults", {}))
    suppressed = results["duplicate"] + results["unchanged"] + results["superseded"]
    return [
        ("tickets", f"{result.tickets}, of which {result.second_states} had a second state"),
        ("webhooks sent", f"{result.sent}, of which {result.junk} unreadable; answers {_counts(result.statuses)}"),
        ("archived", f"{result.archived} in the end; {result.archived_before} of the storm's before any redrive"),
        ("dead letters", f"after the storm {_counts(result.dead)}; after the outage {_counts(result.dead_in_outage)}"),
        ("redriven", str(result.redriven)),
        ("quarantined", _counts(result.quarantined)),
        ("duplicates suppressed", str(suppressed)),
        ("manifests, events", f"{result.manifests}, {result.events}"),
        ("retries", _counts(result.retried)),
        ("vendor calls", f"{calls}, {faults.total()} of them faulty; in the storm {per_ticket:.1f} per ticket"),
        ("faults", _counts(faults)),
        ("workers killed", f"{result.killed}, {result.interrupted} batches ended with one"),
        ("permissions withheld", f"{result.withheld} times"),
        ("worker memory", f"{result.memory[0]:.0f} MB in the first quarter, {result.memory[1]:.0f} MB in the last"),
        ("seconds", ", ".join(f"{name} {seconds:.0f}" for name, seconds in result.seconds.items())),
    ]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main())
