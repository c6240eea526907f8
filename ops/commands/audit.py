"""`audit`: who read a ticket: the retrieval API's audit log and the operators' action log, in one table by time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Group

from ops.action_log import ActionLog, parsed
from ops.app import app, context_of, partial_results
from ops.arguments import Ticket, moment
from ops.context import Rows
from ops.stack import Stack
from ticket_archive.clock import iso

Access = dict[str, str]
"""One access: `at`, `source`, `by`, `what` (a route or a command), `result` (a status or a count)."""


@app.command()
def audit(
    ctx: typer.Context,
    ticket: Ticket,
    since: Annotated[str, typer.Option(help="How far back the API's log is read: ISO 8601, or 12h, 90d ago.")] = "90d",
) -> None:
    """Show who read a ticket by its id: API callers and operators, by time; and how to read S3's access log.

    Not shown: requests that were refused before the ticket was read (400, 403), customers' lists, discarded messages.
    """
    context = context_of(ctx)
    stack, begin = context.stack, moment(since)
    found: list[Access] = []
    with context.progress("Reading logs", None), partial_results() as failures:
        found += operator_accesses(stack.actions, ticket)
        found += api_accesses(stack, ticket, begin)
    if failures and not found:
        raise failures[0]
    found.sort(key=lambda access: access["at"])
    logs = f"s3://{stack.output('AccessLogsBucketName')}/bucket/"
    others = {"S3 access log": f"aws s3 cp {logs} . --recursive && grep -rh 'tickets/{ticket}/' ."}  # not read here
    rows = [list(access.values()) for access in found]
    shown = Rows(["time", "source", "by", "what", "result"], rows) if rows else "No access was recorded."
    context.print_result(
        {"ticket": ticket, "accesses": found, "others": others},
        Group(shown, "", *(f"{name}: {command}" for name, command in others.items())),
    )
    if failures:
        context.note("Not everything could be read: there may be more.", "yellow")
        raise failures[0]


def api_accesses(stack: Stack, ticket: str, since: datetime) -> Iterator[Access]:
    """Return the API's responses about the ticket: details, images and URLs, refused ones too."""
    function = stack.output("RetrievalFunctionName")
    configuration = stack.client("lambda").get_function_configuration(FunctionName=function)
    pages = (
        stack.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=configuration["LoggingConfig"]["LogGroup"],
            filterPattern=f'"{ticket}"',
            startTime=max(0, int(since.timestamp() * 1000)),
        )
    )
    for page in pages:
        for event in page["events"]:
            match parsed(event["message"]):
                case {"audit": {"ticket": found} as audit} if found == ticket:
                    urls = f", {audit['urls']} URLs until {audit.get('until')}" if audit.get("urls") else ""
                    yield {
                        "at": iso(datetime.fromtimestamp(event["timestamp"] / 1000, UTC)),
                        "source": "API",
                        "by": str(audit.get("caller")),
                        "what": str(audit.get("route")),
                        "result": f"{audit.get('status')}{urls}",
                    }


def operator_accesses(actions: ActionLog, ticket: str) -> Iterator[Access]:
    """Return what operators did with the ticket."""
    known = ("schema", "command", "ticket", "at", "by")
    for record in actions.of_ticket(ticket):
        facts = " ".join(f"{name}={value}" for name, value in record.items() if name not in known and value is not None)
        what = {"what": record["command"], "result": facts}
        yield {"at": record["at"], "source": "operator", "by": record["by"], **what}
