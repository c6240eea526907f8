"""`python -m bench.capacity`: what so many tickets a day need, what becomes the limit first, what it costs.

Without options it makes the three runs of docs/capacity.md; `--markdown` prints them as they stand there, `--write`
writes them there and their costs into README.md, `--json` tells everything. Numbers of template.yaml are read from it;
`--set VendorMaxConcurrency=40` tries another value of a parameter.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.memory_sizing import MB_PER_CPU
from bench.scale import batch, settings, tables
from bench.scale.inputs import World
from bench.scale.limits import Use
from bench.scale.prices import PRICES, by_service
from bench.scale.runs import SCALES, Run, run
from bench.scale.settings import Settings
from local import ROOT

DOCUMENT = ROOT / "docs" / "capacity.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- begin: make capacity ARGS=--write -->", "<!-- end -->"
RESULTS = Path(__file__).parent / "results.json"
LATENCIES = ("token", "details", "images_latency", "table", "bucket", "queue")
BATCH, STAND_IN = "batch of ten", "(stand-in)"


def markdown(world: World, chosen: Settings, runs: Sequence[Run]) -> str:
    """All tables."""
    return "\n\n".join(table.markdown() for table in _tables(world, chosen, runs)) + "\n"


def written(document: str, block: str) -> str:
    """The document with this block. Raises ValueError where its place is not marked."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{BEGIN} … {END} is missing")
    return f"{before}{begin}\n\n{block}\n{end}{after}"


def blocks(world: World, chosen: Settings, runs: Sequence[Run]) -> dict[Path, str]:
    """What stands in which document."""
    return {DOCUMENT: markdown(world, chosen, runs), README: tables.costs(runs).markdown() + "\n"}


def check(results: dict[str, Any]) -> tuple[float, float]:
    """Seconds per ticket of a batch of ten: as this model has it, and as `make bench` measured it on one whole CPU."""
    [figure] = [
        each for each in results["figures"] if each["name"].startswith("batch of ten") and "stand-in" in each["name"]
    ]
    measured = figure["raw"]
    world = World(cpu=measured["product_cpu_per_ticket"])
    return batch.seconds(world, 10, MB_PER_CPU) / 10, float(measured["product_seconds_per_ticket"])


def as_dict(world: World, chosen: Settings, runs: Sequence[Run]) -> dict[str, Any]:
    """For `--json`."""
    told = []
    for each in runs:
        uses = {use.limit.name: _told(use) for use in each.uses}
        events = [{**asdict(event), "settings": asdict(event.settings)} for event in each.events]
        dollars = by_service(each.bill)
        told.append(
            {
                "tickets_per_day": each.tickets,
                "first_limit": each.first.limit.name,
                "peak": asdict(each.peak),
                "limits": uses,
                "advised": asdict(each.advised),
                "events": events,
                "dollars_per_million": {name: 1e6 * cost / each.tickets for name, cost in dollars.items()},
            }
        )
    prices = {name: asdict(price) for name, price in PRICES.items()}
    return {"world": asdict(world), "settings": asdict(chosen), "prices": prices, "runs": told}


def _told(use: Use) -> dict[str, Any]:
    return {"used": use.used, "value": use.limit.value, "unit": use.limit.unit, "reached_at": use.reached_at}


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says."""
    options = _parser().parse_args(arguments)
    world = _world(options)
    chosen = settings.read(**dict(options.set))
    runs = [run(world, chosen, tickets) for tickets in options.tickets or SCALES]
    if options.json:
        print(json.dumps(as_dict(world, chosen, runs), indent=1))
    elif options.markdown:
        print(markdown(world, chosen, runs), end="")
    elif options.write:
        for document, block in blocks(world, chosen, runs).items():
            document.write_text(written(document.read_text(encoding="utf-8"), block), encoding="utf-8")
    else:
        console = Console()
        for table in _tables(world, chosen, runs):
            console.print(table.rich(), "")
        model, measured = check(json.loads(RESULTS.read_text(encoding="utf-8")))
        console.print(f"A batch of ten, seconds per ticket: {model:.3f} here, {measured:.3f} measured by `make bench`")
    return 0


def _tables(world: World, chosen: Settings, runs: Sequence[Run]) -> list[tables.Table]:
    own = [table for each in runs for table in tables.of_run(each)]
    return [tables.summary(runs), *tables.common(world, chosen, runs), *own, *tables.sources(world, chosen)]


def _world(options: argparse.Namespace) -> World:
    usual = World()
    named = {
        name: getattr(options, name) for name in ("token", "details", "images_latency", "table", "bucket", "queue")
    }
    latencies = {name.removesuffix("_latency"): value / 1000 for name, value in named.items() if value is not None}
    ticket = usual.ticket
    if options.images is not None or options.image_bytes is not None:
        ticket = ticket.with_images(options.images, options.image_bytes)
    return replace(
        usual,
        ticket=ticket,
        latencies=replace(usual.latencies, **latencies),
        peak=options.peak or usual.peak,
        cpu=usual.cpu if options.cpu is None else options.cpu / 1000,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("tickets", nargs="*", type=int, help="tickets a day (1000 100000 10000000)")
    parser.add_argument("--images", type=int, help="images per ticket")
    parser.add_argument("--image-bytes", type=int, help="bytes of each image")
    for target in LATENCIES:
        name = target.removesuffix("_latency")
        parser.add_argument(f"--{name}-ms", dest=target, type=float, help=f"latency of {name}")
    parser.add_argument("--cpu-ms", dest="cpu", type=float, help="one CPU's time per ticket")
    parser.add_argument("--peak", type=float, help="the busiest second over the average")
    parser.add_argument("--set", action="append", default=[], type=_pair, metavar="PARAMETER=NUMBER")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true")
    how.add_argument("--markdown", action="store_true")
    how.add_argument("--write", action="store_true", help="into docs/capacity.md and README.md")
    return parser


def _pair(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


if __name__ == "__main__":
    raise SystemExit(main())
