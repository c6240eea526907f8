"""`settle`: archive an incomplete ticket as it is."""

from typing import Annotated

import typer

from ops.app import app, context_of
from ops.arguments import Ticket
from ops.errors import Failure
from ticket_archive.messages import ticket_message
from ticket_archive.models import ImageType, TicketState


@app.command()
def settle(
    ctx: typer.Context,
    ticket: Ticket,
    without: Annotated[
        list[ImageType] | None, typer.Option(help="Archive without this image type. May be repeated.")
    ] = None,
) -> None:
    """Archive an incomplete ticket now: the vendor's next answer is final, and the manifest lists what is missing."""
    context = context_of(ctx)
    item = context.existing_ticket(ticket, content=False)
    if item.state is TicketState.ARCHIVED:
        raise Failure(f"ticket {ticket} is archived already; `status {ticket}` shows what it has")
    types = without or list(ImageType)
    names = [kind.value for kind in types]
    context.stack.actions.write("settle", ticket, types=names)
    if context.stack.queue("QueueUrl").send([ticket_message(ticket, kind="settle", settle=types)]):
        raise Failure("SQS did not take the message; try again")
    context.print_result(
        {"ticket": ticket, "settle": names},
        f"Queued. The vendor is asked again; its answer for {', '.join(names)} is final.",
    )
