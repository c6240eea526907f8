"""Tickets of the simulator, as the demo has them when they have come out at the far end."""

from local.journey import Downloaded, Journey
from local.vendor.details import details
from local.vendor.pictures import ImageType
from local.vendor.tickets import DetailsForm, State, Tickets


def journey(index: int, *, scale: float = 0.05, differences: list[str] | None = None) -> Journey:
    """With pictures of this fraction of the usual size. 0 and 1 are of Egyptians, 3 and 4 of Israelis."""
    tickets = Tickets(seed=1, scale=scale)
    ticket = tickets.get(tickets.id(index), State(details=DetailsForm.PLAIN))
    images = [
        Downloaded(kind.value, place, picture.content_type, picture.sha256, picture.data)
        for kind in ImageType
        if kind.value != "ALL"
        for place, picture in enumerate(ticket.pictures(kind))
    ]
    found = {image.type for image in images}
    return Journey(
        ticket.id,
        {"document": ticket.document.type, "shape": ticket.shape.value, "details": ticket.details_form.value},
        {},
        outcome=ticket.outcome.value,
        details=details(ticket),
        images=images,
        absent=[kind.value for kind in ImageType if kind.value != "ALL" and kind.value not in found],
        seconds=1.5,
        differences=differences or [],
    )
