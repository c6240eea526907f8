"""The demo: a few tickets' whole way, shown as it goes, with a summary and a gallery in the end."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import gallery, stack
from local.errors import AlreadyUp
from local.journey import COMPLETIONS, Journey, choose, follow, post
from local.simulator import Simulator
from local.stack import Stack
from local.terminal import Steps

DRAWN_FROM = 60
"""Tickets of the simulator among which a few of every kind are looked for."""

AT_ONCE = 3


def run(state: Path, console: Console) -> int:
    """Bring the stack up unless it is, run the demo, and take down what was brought up; 0 when all is as promised."""
    ours = True
    try:
        running = stack.up(state, Steps(console))
    except AlreadyUp:
        running, ours = Stack.load(state), False
        console.print("Using the local stack that is up.")
    try:
        journeys = travel(running, console)
        page = gallery.write(state / "demo", journeys)
    finally:
        if ours:
            with Steps(console)("Stopping what was started"):
                stack.down(state)
    console.print(summary(journeys))
    for journey in journeys:
        for difference in journey.differences:
            console.print(f"[red]✗[/] {journey.ticket}: {difference}")
    wrong = sum(bool(journey.differences) for journey in journeys)
    images = sum(len(journey.images) for journey in journeys)
    verdict = (
        f"[red]{wrong} of {len(journeys)} tickets differ" if wrong else f"[green]All {len(journeys)} tickets match"
    )
    console.print(f"{verdict}[/]: details, and {images} images downloaded by signed URLs, byte by byte.")
    console.print(f"Gallery: {page}", soft_wrap=True)
    return 1 if wrong else 0


def travel(running: Stack, console: Console) -> list[Journey]:
    """Post the webhooks of tickets of every kind, then follow each."""
    vendor = Simulator(running.vendor_url)
    journeys = [Journey(each["ticket"], each) for each in choose(vendor("tickets", count=DRAWN_FROM))]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(AT_ONCE) as pool:
        posted = progress.add_task("Encrypted webhooks posted", total=len(journeys))
        followed = progress.add_task("Tickets archived and compared", total=len(journeys))
        under_way = []
        for number, journey in enumerate(journeys):
            began = time.monotonic()
            refused = post(running, vendor, journey.ticket, COMPLETIONS[number % len(COMPLETIONS)])
            if refused:
                journey.differences.append(refused)
                progress.advance(followed)
            else:
                under_way.append(pool.submit(follow, running, vendor, journey, began))
            progress.advance(posted)
        for done in as_completed(under_way):
            done.result()
            progress.advance(followed)
    return journeys


def summary(journeys: Sequence[Journey]) -> Table:
    """One row for each image, grouped by ticket."""
    table = Table(title="From encrypted webhooks to signed URLs", title_justify="left")
    for name in ("Ticket", "Outcome", "Image", "Type", "Size", "SHA-256", "Signed URL", "Seconds"):
        table.add_column(name, justify="right" if name in ("Size", "Seconds") else "left", no_wrap=True)
    for journey in journeys:
        mark = "[red]✗[/] " if journey.differences else ""
        head = (f"{mark}{journey.ticket[:8]}…", journey.outcome)
        for image in journey.images:
            kind = f"{image.type.lower().replace('_', ' ')} {image.index}"
            size = f"{len(image.body) / 1000:,.0f} kB"
            digest = f"{image.sha256[:12]}…"
            seconds = f"{journey.seconds:.1f}" if head[0] else ""
            table.add_row(*head, kind, image.content_type, size, digest, "[green]✓ verified[/]", seconds)
            head = ("", "")
        for kind in journey.absent:
            table.add_row(*head, f"[dim]{kind.lower().replace('_', ' ')}[/]", "[dim]absent[/]")
            head = ("", "")
        if head[0]:
            table.add_row(*head)
        table.add_section()
    return table
