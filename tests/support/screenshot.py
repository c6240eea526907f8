"""Take the README's screenshot of `view`: `python -m tests.support.screenshot docs/view.png`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from local.demo import sheet
from local.round_trip import RoundTrip
from local.vendor.details import details
from local.vendor.tickets import DetailsForm, State, Tickets
from ops.page import ticket_page
from tests.support.browser import CHROMIUM, FLAGS
from ticket_archive.models import ImageType, StoredImage

WIDTH, HEIGHT = 1200, 1320


def main(target: Path) -> None:
    """Write the PNG, with 96 colours."""
    shown = sheet(trip())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page, picture = Path(folder) / "ticket.html", Path(folder) / "ticket.png"
        page.write_bytes(ticket_page(shown.item, shown.files))
        options = [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", f"--user-data-dir={folder}/profile"]
        subprocess.run([str(CHROMIUM), *FLAGS, *options, page.as_uri()], check=True, capture_output=True)
        Image.open(picture).convert("RGB").quantize(96).save(target, optimize=True)


def trip() -> RoundTrip:
    """Return the result that the demo would have of the simulator's first ticket."""
    tickets = Tickets(seed=1, scale=0.6)
    ticket = tickets.get(tickets.id(0), State(details=DetailsForm.PLAIN))
    pictures = {ImageType(kind): ticket.pictures(kind) for kind in ticket.sizes}
    return RoundTrip(
        ticket.id,
        {"document": ticket.document.type, "shape": ticket.shape.value, "details": ticket.details_form.value},
        {},
        outcome=ticket.outcome.value,
        details=details(ticket),
        images={
            StoredImage(
                type=kind,
                index=place,
                key="",
                sha256=picture.sha256,
                bytes=len(picture.data),
                content_type=picture.content_type,
            ): picture.data
            for kind, found in pictures.items()
            for place, picture in enumerate(found)
        },
        absent=[kind for kind, found in pictures.items() if not found],
        seconds=1.5,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
