"""The demo's gallery: the downloaded files on the operators' ticket page."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from local.journey import Journey
from ops.contents import DETAILS_FILE, TicketFile
from ops.page import TicketSection, gallery_page
from ticket_archive.models import ImageType, TicketState, TypeState
from ticket_archive.table import TicketItem


def write(folder: Path, journeys: Iterable[Journey]) -> Path:
    """Replace `folder` by one with index.html, and return the page's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    shown = list(journeys)
    images = sum(len(journey.images) for journey in shown)
    lead = f"{len(shown)} tickets, {images} images, each downloaded by its signed URL and compared with the vendor's."
    page = folder / "index.html"
    page.write_bytes(gallery_page("IDV ticket archive: demo", lead, [sheet(journey) for journey in shown]))
    return page


def sheet(journey: Journey) -> TicketSection:
    """Return the page's section on a ticket."""
    about = journey.about
    facts = [str(about["document"]), f"images as {about['shape']}", f"details {about['details']}"]
    remarks = [" · ".join([*facts, f"archived after {journey.seconds:.1f} s"])]
    if not journey.differences:
        remarks.append("Matches what the vendor sent.")
    files = [TicketFile(DETAILS_FILE, value=dict(journey.details))] if journey.details is not None else []
    files += [TicketFile(f"{image.type}-{image.index}", body, image=image) for image, body in journey.images.items()]
    types = {image.type: TypeState.STORED for image in journey.images}
    types |= dict.fromkeys(map(ImageType, journey.absent), TypeState.ABSENT)
    state = TicketState.ARCHIVED if journey.outcome else TicketState.RECEIVED
    item = TicketItem(journey.ticket, state, outcome=journey.outcome or None, images=tuple(journey.images), types=types)
    return TicketSection(item, files, remarks, journey.differences)
