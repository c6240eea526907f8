"""Read a ticket's details back from wherever `ticket_archive.details.place` put them."""

from typing import Protocol

from ticket_archive.details import to_json, unpack
from ticket_archive.table import TicketItem


class ObjectReader(Protocol):
    """The part of `ticket_archive.bucket.Bucket` that reading needs."""

    def read(self, key: str) -> bytes:
        """Return the object's bytes."""
        ...


def read_details_of(item: TicketItem, bucket: ObjectReader) -> bytes:
    """Return the details as JSON: from the item's map, its compressed attribute, or the bucket.

    Raises KeyError if the item has no details, botocore's ClientError if the object cannot be read, zlib.error if the
    stored bytes are damaged.
    """
    attributes = item.attributes
    if "details" in attributes:
        return to_json(attributes["details"])
    if "details_packed" in attributes:
        return unpack(attributes["details_packed"])
    return unpack(bucket.read(attributes["details_key"]))
