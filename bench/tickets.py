"""The vendor's tickets that are measured with: how many images they have, and how large."""

from collections.abc import Mapping, Sequence

from local.simulator import Simulator

USUAL: Mapping[str, Sequence[int]] = {
    "SELF_PORTRAITS": (120_000, 120_000),
    "DOCUMENT": (250_000, 250_000),
    "DOCUMENT_PORTRAIT": (40_000,),
    "DOCUMENT_SIGNATURE": (30_000,),
    "DOCUMENT_GHOST_PORTRAIT": (40_000,),
}
"""Bytes of each image of an ordinary ticket: seven images, 0.85 MB."""
_KINDS = tuple(USUAL)


def prepare(vendor: Simulator, count: int, start: int, sizes: Mapping[str, Sequence[int]] = USUAL) -> list[str]:
    """Tickets of these sizes, drawn ahead: drawing is not what is measured."""
    found = [each["ticket"] for each in vendor("tickets", count=count, start=start)]
    for ticket in found:
        vendor("state", ticket=ticket, shape="DATA_URIS", absence="EMPTY", details="PLAIN", sizes=sizes)
        vendor("expected", ticket=ticket)
    return found


def spread(images: int, size: int) -> dict[str, list[int]]:
    """So many images of one size, over the types in turn."""
    sizes: dict[str, list[int]] = {}
    for number in range(images):
        sizes.setdefault(_KINDS[number % len(_KINDS)], []).append(size)
    return sizes
