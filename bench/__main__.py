"""`python -m bench [part …]`: measure, print a table, write results.json and growth.svg beside this file.

Everything that is measured runs in .venv-bench, on the Python version that Lambda has where this machine has it.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import batch, cold_start, growth, latency, memory, plot, retrieval, snapshot, throughput, webhook
from bench.harness import PYTHON, ROOT, Figure

HERE = Path(__file__).parent
PARTS: Mapping[str, Callable[[], list[Figure]]] = {
    "latency": latency.figures,
    "batch": batch.figures,
    "memory": memory.figures,
    "webhook": webhook.figures,
    "retrieval": retrieval.figures,
    "cold": cold_start.figures,
    "snapshot": snapshot.figures,
    "growth": growth.figures,
    "throughput": throughput.figures,
}


def run(parts: list[str]) -> int:
    """Measure these parts, and replace them in results.json. Return 1 if one of them failed."""
    console, began = Console(), time.monotonic()
    environment = _environment()
    console.print("  ".join(f"{name}: {value}" for name, value in environment.items()), style="dim")
    measured: dict[str, Any] = {}
    failed: list[str] = []
    for part in parts:
        started, load = time.monotonic(), os.getloadavg()[0]
        try:
            figures = PARTS[part]()
        except Exception:  # noqa: BLE001  # one part that fails must not lose what the others measured
            console.print_exception()
            failed.append(part)
            continue
        lasted = round(time.monotonic() - started)
        measured[part] = {
            **environment,
            "load": [round(load, 1), round(os.getloadavg()[0], 1)],
            "seconds": lasted,
            "figures": [figure.as_dict() for figure in figures],
        }
        console.print(_table(part, figures))
        for figure in figures:
            if figure.why and not figure.reached:
                console.print(f"{figure.name}: {figure.why}", style="dim")
        console.print(f"{lasted} s, load {measured[part]['load']}", style="dim")
    if set(parts) != set(PARTS):  # read as late as possible: another run may have measured other parts meanwhile
        measured = {**json.loads((HERE / "results.json").read_text())["parts"], **measured}
    (HERE / "results.json").write_text(json.dumps({"parts": measured}, indent=1) + "\n")
    (HERE / "growth.svg").write_text(plot.growth(measured["growth"]["figures"]) if "growth" in measured else "")
    console.print(f"{time.monotonic() - began:.0f} s; all numbers are in {HERE / 'results.json'}")
    if failed:
        console.print(f"failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


def _table(part: str, figures: list[Figure]) -> Table:
    shown = Table(show_edge=False, title=part, title_justify="left")
    for name, side in (("figure", "left"), ("value", "right"), ("quartiles", "right"), ("goal", "left"), ("", "left")):
        shown.add_column(name, justify="left" if side == "left" else "right")
    marks = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {figure.goal:g}"
        spread = "{:.2f} … {:.2f}".format(*figure.spread) if figure.spread else ""
        shown.add_row(figure.name, f"{figure.value:.2f}{figure.unit}", spread, goal, marks[figure.reached])
    return shown


def _environment() -> dict[str, Any]:
    def output(*command: str | Path) -> str:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return found.stdout.strip()

    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": output("git", "rev-parse", "--short", "HEAD") or "unknown",
        "python": output(PYTHON, "-c", "import platform; print(platform.python_version())"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # stops the local stack, too
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part")
    raise SystemExit(run(parser.parse_args().parts or list(PARTS)))
