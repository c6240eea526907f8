"""The demo's gallery: the downloaded files on the operators' ticket page."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from local.round_trip import RoundTrip
from ops.page import TicketSection, gallery_page
from ops.ticket_files import DETAILS_FILE, TicketFile
from ticket_archive.models import ImageType, TicketState, TypeState
from ticket_archive.table import TicketItem


def write(folder: Path, trips: Iterable[RoundTrip]) -> Path:
    """Replace `folder` by one with index.html, and return the page's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    shown = list(trips)
    images = sum(len(trip.images) for trip in shown)
    lead = f"{len(shown)} tickets, {images} images, each downloaded by its signed URL and compared with the vendor's."
    page = folder / "index.html"
    page.write_bytes(gallery_page("IDV ticket archive: demo", lead, [sheet(trip) for trip in shown]))
    return page


def sheet(trip: RoundTrip) -> TicketSection:
    """Return the page's section on a ticket."""
    about = trip.about
    facts = [str(about["document"]), f"images as {about['shape']}", f"details {about['details']}"]
    remarks = [" · ".join([*facts, f"archived after {trip.seconds:.1f} s"])]
    if not trip.differences:
        remarks.append("Matches what the vendor sent.")
    files = [TicketFile(DETAILS_FILE, value=dict(trip.details))] if trip.details is not None else []
    files += [TicketFile(f"{image.type}-{image.index}", body, image=image) for image, body in trip.images.items()]
    types = {image.type: TypeState.STORED for image in trip.images}
    types |= dict.fromkeys(map(ImageType, trip.absent), TypeState.ABSENT)
    state = TicketState.ARCHIVED if trip.outcome else TicketState.RECEIVED
    item = TicketItem(trip.ticket, state, outcome=trip.outcome or None, images=tuple(trip.images), types=types)
    return TicketSection(item, files, remarks, trip.differences)
