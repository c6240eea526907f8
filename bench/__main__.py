"""`python -m bench [part …]`: measure and print tables; a run of all parts writes results.json and growth.svg."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pygal
from rich.console import Console
from rich.table import Table

from bench import batch, cold_start, growth, latency, memory, retrieval, throughput, webhook
from bench.harness import PYTHON, ROOT, Figure

RESULTS, PLOT = (Path(__file__).with_name(name) for name in ("results.json", "growth.svg"))
WIDTH, HEIGHT = 500, 360  # of one of the plot's panels
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
        PLOT.write_text(_plot(measured["growth"]["figures"]))
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


def _plot(found: Sequence[Figure]) -> str:
    """Return an SVG with a panel per figure; both axes begin at zero, so a straight line is linear growth."""
    picture = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {len(found) * WIDTH} {HEIGHT}")
    for number, figure in enumerate(found):
        chart = pygal.XY(width=WIDTH, height=HEIGHT, explicit_size=True, no_prefix=True, js=[], include_x_axis=True)
        chart.title, chart.x_title, chart.y_title = figure.name.partition(":")[0], "MB of images per ticket", "ms"
        points = [(each["images"] * each["bytes"] / 1e6, each) for each in figure.raw["points"]]
        chart.xrange = (0, points[-1][0])
        for target in ("product", "tutorial"):
            chart.add(target, [(megabytes, 1000 * each[target]) for megabytes, each in points])
        panel = chart.render_tree()
        panel.set("x", str(number * WIDTH))
        picture.append(panel)
    return tostring(picture, "unicode") + "\n"


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
