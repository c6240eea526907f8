"""The demo: a few tickets' whole way, shown as it goes, with a summary and a gallery in the end."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import gallery, stack
from local.errors import AlreadyUp
from local.journey import COMPLETIONS, Journey, begin, choose, follow, post
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
    if wrong:
        console.print(f"[red]{wrong} of {len(journeys)} tickets are not as promised.[/] Logs: {state / 'logs'}")
    else:
        console.print(f"[green]All {len(journeys)} tickets match[/], details and {images} images, byte by byte.")
    console.print(f"Gallery: {page}", soft_wrap=True)
    return 1 if wrong else 0


def travel(running: Stack, console: Console) -> list[Journey]:
    """Post the webhooks of tickets of every kind, then follow each."""
    vendor = Simulator(running.vendor_url)
    chosen = choose(vendor("tickets", count=DRAWN_FROM))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(AT_ONCE) as pool:
        drawn = progress.add_task("Tickets drawn by the simulator", total=len(chosen))
        journeys = []
        for about in chosen:
            journeys.append(begin(vendor, about))
            progress.advance(drawn)
        posted = progress.add_task("Encrypted webhooks posted", total=len(journeys))
        current_log_keys = progress.add_task("Tickets archived and compared", total=len(journeys))
        in_flight = []
        for number, journey in enumerate(journeys):
            began = time.monotonic()
            refused = post(running, vendor, journey.ticket, COMPLETIONS[number % len(COMPLETIONS)])
            if refused:
                journey.differences.append(refused)
                progress.advance(current_log_keys)
            else:
                in_flight.append(pool.submit(follow, running, journey, began))
            progress.advance(posted)
        for done in as_completed(in_flight):
            done.result()
            progress.advance(current_log_keys)
    return journeys


def summary(journeys: Sequence[Journey]) -> Table:
    """One row for each image, grouped by ticket; it fits 80 columns. `s`: seconds from the webhook to the archive."""
    caption = "URL ✓: signed, downloaded, equal to what the vendor sent; refused without its signature"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    for name in ("Ticket", "Outcome", "Image", "Type", "Size", "SHA-256", "URL", "s"):
        table.add_column(name, justify="right" if name in ("Size", "s") else "left", no_wrap=True)
    for journey in journeys:
        rows = [
            (
                f"{short(image.type)} {image.index}",
                image.content_type.removeprefix("image/").upper(),
                f"{len(image.body) / 1000:,.0f} kB",
                image.sha256[:8],
                "[green]✓[/]",
            )
            for image in journey.images
        ]
        rows += [(f"[dim]{short(kind)}[/]", "[dim]absent[/]", "", "", "") for kind in journey.absent]
        outcome = f"[red]{journey.outcome or 'none'}[/]" if journey.differences else journey.outcome
        for number, row in enumerate(rows or [("", "", "", "", "")]):
            head, tail = ((journey.ticket[:8], outcome), f"{journey.seconds:.1f}") if number == 0 else (("", ""), "")
            table.add_row(*head, *row, tail)
        table.add_section()
    return table


def short(kind: str) -> str:
    """An image type as a person says it."""
    return kind.removeprefix("DOCUMENT_").lower().replace("_", " ")
