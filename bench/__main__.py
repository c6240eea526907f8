"""`python -m bench [part …]`: measure and print tables; a run of all parts writes results.json and growth.svg."""

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

from bench import batch, cold_start, growth, latency, memory, retrieval, throughput, webhook
from bench.harness import PYTHON, ROOT, Figure

RESULTS, PLOT = (Path(__file__).with_name(name) for name in ("results.json", "growth.svg"))
PARTS: Mapping[str, Callable[[], list[Figure]]] = {
    "latency": latency.figures,
    "batch": batch.figures,
    "memory": memory.figures,
    "webhook": webhook.figures,
    "retrieval": retrieval.figures,
    "cold": cold_start.figures,
    "growth": growth.figures,
    "throughput": throughput.figures,
}


def run(parts: list[str]) -> int:
    """Measure these parts. Return 1 if one of them failed."""
    console, began = Console(), time.monotonic()
    environment = _environment()
    console.print("  ".join(f"{name}: {value}" for name, value in environment.items()), style="dim")
    measured: dict[str, Any] = {}
    for part in parts:
        started, load = time.monotonic(), os.getloadavg()[0]
        try:
            figures = PARTS[part]()
        except Exception:  # noqa: BLE001  # one part that fails must not lose what the others measured
            console.print_exception()
            continue
        measured[part] = {
            **environment,
            "load": [round(load, 1), round(os.getloadavg()[0], 1)],
            "seconds": round(time.monotonic() - started),
            "figures": figures,
        }
        console.print(_table(part, figures))
        console.print(f"{measured[part]['seconds']} s, load {measured[part]['load']}", style="dim")
    console.print(f"{time.monotonic() - began:.0f} s")
    if measured.keys() == PARTS.keys():  # all numbers are of one run
        RESULTS.write_text(json.dumps({"parts": measured}, indent=1, default=Figure.as_dict) + "\n")
        PLOT.write_text(growth.plot(measured["growth"]["figures"]))
        console.print(f"all numbers are in {RESULTS}")
    if failed := [part for part in parts if part not in measured]:
        console.print(f"failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


def _table(part: str, figures: list[Figure]) -> Table:
    shown = Table("figure", show_edge=False, title=part, title_justify="left")
    shown.add_column("value", justify="right")
    shown.add_column("quartiles", justify="right")
    shown.add_column("goal")
    shown.add_column("")
    marks = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {figure.goal:g}"
        spread = "{:.2f} … {:.2f}".format(*figure.spread) if figure.spread else ""
        shown.add_row(figure.name, f"{figure.value:.2f}{figure.unit}", spread, goal, marks[figure.reached])
    return shown


def _environment() -> dict[str, Any]:
    def output(*command: str | Path) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

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
