"""What one ticket makes the product call: counted from the code, and held to it by tests/unit/bench/test_calls.py.

The usual case: one webhook, everything there at the first attempt. What many tickets share (a batch's delivery, a
token, a secret) is not in here but in `rates.py`.
"""

import math
from dataclasses import dataclass

from bench.scale.inputs import Ticket

# Bytes of the product's own log lines and metrics, as measured by the test; Lambda adds START, END, REPORT and XRAY.
LOGGED_WEBHOOK = 450
LOGGED_BATCH = 600
LOGGED_TICKET = 900
LAMBDA_LINES = 450

_ITEM = 700  # bytes of a ticket's item beside its details and images
_ITEM_IMAGE = 275
_DETAILS = 0.75  # of the JSON's bytes, as a map in the item
_EVENT = 300
UNIT = 1024  # bytes that one write unit of DynamoDB covers


@dataclass(frozen=True)
class Calls:
    """Of one ticket. `table_units` are write units of the table and its indexes, `index_units` those of by-customer."""

    api_requests: int
    queue_sends: int
    once_puts: int
    once_updates: int
    table_puts: int
    table_updates: int
    table_gets: int
    bucket_puts: int
    vendor_details: int
    vendor_images: int
    table_units: int
    once_units: int
    index_units: int
    bucket_bytes: int
    table_bytes: int

    @property
    def vendor(self) -> int:
        """Calls to the vendor but for the token."""
        return self.vendor_details + self.vendor_images

    @property
    def table(self) -> int:
        """Requests to both tables."""
        return self.once_puts + self.once_updates + self.table_puts + self.table_updates + self.table_gets


def of(ticket: Ticket) -> Calls:
    """Images are asked for by type and stored one by one; the manifest is one more object."""
    item = round(_ITEM + _DETAILS * ticket.details + _ITEM_IMAGE * ticket.count)
    return Calls(
        api_requests=1,
        queue_sends=1,
        once_puts=1,
        once_updates=1,
        table_puts=1,  # the event
        table_updates=2,  # register, archive
        table_gets=0,
        bucket_puts=ticket.count + 1,
        vendor_details=1,
        vendor_images=len(ticket.images),
        table_units=2 + math.ceil(item / UNIT) + 1,  # event, register, archive, and the entry in by-customer
        once_units=2,
        index_units=1,
        bucket_bytes=ticket.bytes + 500 + 300 * ticket.count,
        table_bytes=item + _EVENT,
    )


@dataclass(frozen=True)
class FailedAttempt:
    """What an attempt calls that finds the vendor down. Writing the time of the next try moves an index entry."""

    once_puts: int = 1
    once_deletes: int = 1
    table_puts: int = 1
    table_updates: int = 2  # register, keep incomplete
    queue_changes: int = 1
    incomplete_units: int = 2
    """Write units of the index `incomplete`, all in one partition: the old entry goes, the new one comes."""


INCOMPLETE_UNITS_TO_ARCHIVE = 1
"""A ticket that was incomplete leaves the index when it is archived."""
