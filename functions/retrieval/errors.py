"""What a caller cannot have, each with the reason; how it is told is in `problems`.

    ArchiveError
    ├── UnknownRoute        the API has no such path
    ├── MethodNotAllowed    the API only reads
    ├── UnknownTicket       nothing is known of the ticket, or nothing any more
    ├── UnknownImage        the ticket has no image with this hash
    ├── NotArchivedYet      come back later: the ticket is on its way
    └── SigningPaused       the credentials that sign have too little life left

The shared tree's InvalidRequest and TicketErased belong to it too.
"""

from ticket_archive.errors import ArchiveError
from ticket_archive.table import TicketItem


class UnknownRoute(ArchiveError):
    """No route has this path."""

    code = "unknown_route"


class MethodNotAllowed(ArchiveError):
    """Everything here is read with GET."""

    code = "method_not_allowed"


class UnknownTicket(ArchiveError):
    """The table does not have the ticket, or its time is over."""

    code = "unknown_ticket"


class UnknownImage(ArchiveError):
    """The ticket has no image with this hash."""

    code = "unknown_image"


class NotArchivedYet(ArchiveError):
    """The ticket is known and not complete. `item` is what there is of it."""

    code = "not_archived_yet"

    def __init__(self, item: TicketItem) -> None:
        super().__init__(item.state.value)
        self.item = item


class SigningPaused(ArchiveError):
    """No URL signed now would live as long as the shortest that is promised."""

    code = "signing_paused"
