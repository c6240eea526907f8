"""Commands for an installation: `send-test-webhook`, `doctor`, `rollback`."""

import secrets
import time
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from ops import doctor as examining
from ops import rollback as rolling_back
from ops import test_webhook
from ops.app import Yes, app, context_of
from ops.context import table
from ops.errors import Exit, Failure
from ticket_archive.models import ticket_id


class Function(StrEnum):
    """The functions of the stack."""

    INGEST = "ingest"
    RETRIEVAL = "retrieval"

    @property
    def output(self) -> str:
        """The output with the function's name."""
        return f"{self.value.capitalize()}FunctionName"


@app.command("send-test-webhook")
def send_test_webhook(
    ctx: typer.Context,
    ticket: Annotated[str | None, typer.Option(help="A ticket that the vendor knows.")] = None,
    event: Annotated[
        test_webhook.Event | None,
        typer.Option(help="completed if a ticket is given, else in-progress.", show_default=False),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the ticket is archived.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait.")] = 120,
) -> None:
    """Post a webhook encrypted with this stack's secret. It does not prove that the vendor has the same secret."""
    context = context_of(ctx)
    kind = event or (test_webhook.Event.COMPLETED if ticket else test_webhook.Event.IN_PROGRESS)
    if kind is not test_webhook.Event.IN_PROGRESS and ticket is None:
        raise Failure(
            "use --ticket: a completed ticket that the vendor does not know becomes a dead letter", Exit.USAGE
        )
    if kind is test_webhook.Event.IN_PROGRESS and wait:
        raise Failure("--wait needs a completed ticket: nothing is archived before", Exit.USAGE)
    mark = secrets.token_hex(8)
    about = ticket_id(ticket) if ticket else f"trial-{mark}"
    stack = context.stack
    before = stack.table.get(about) if wait else None
    began = time.monotonic()
    code, body = test_webhook.send(stack, test_webhook.event(kind, about, mark))
    archived = None
    if code == 202 and wait:
        context.note("Accepted. Waiting until the ticket is archived.")
        archived = test_webhook.wait(stack.table, about, before, timeout)
    seconds = round(time.monotonic() - began, 1)
    result: dict[str, Any] = {"ticket": about, "event": kind.value, "status": code, "answer": body}
    text = f"{code} {body}  ({about}, {kind.value})"
    if archived is not None:
        result |= {"state": archived.state.value, "outcome": archived.outcome, "seconds": seconds}
        text += f"\n{archived.state.value}, {archived.outcome}, {len(archived.images)} images, after {seconds} s"
    context.note("Not tested: whether the vendor has this secret and this URL. Compare the secret at the vendor.")
    context.print_result(result, Text(text))
    if code != 202:
        raise Failure(f"the webhook was not accepted: {code}")
    if wait and archived is None:
        raise Failure(f"not archived within {timeout:g} s; see `status {about}` and `redrive quarantine --dry-run`")


@app.command()
def doctor(
    ctx: typer.Context,
    ticket: Annotated[
        str | None, typer.Option(help="Archive this ticket, which the vendor knows, once more, and download an image.")
    ] = None,
) -> None:
    """Check secrets, queues, consumer and alarms of a stack; with --ticket, a webhook's way to a downloaded image."""
    context = context_of(ctx)
    found = list(examining.checks(context.stack, ticket_id(ticket) if ticket else None))
    unproven = [*examining.NOT_PROVEN, *(() if ticket else examining.NOT_PROVEN_WITHOUT_A_TICKET)]
    rows = [["ok" if check.ok else "CHECK", check.name, check.detail, check.proves] for check in found]
    context.print_result(
        {"checks": [asdict(check) for check in found], "not_proven": unproven},
        Group(table(["", "check", "found", "proves"], rows), "", "Not proven:", *(f"- {each}" for each in unproven)),
    )
    if failed := sum(not check.ok for check in found):
        raise Failure(f"{failed} of {len(found)} checks need attention")


@app.command()
def rollback(
    ctx: typer.Context,
    only: Annotated[Function | None, typer.Option(help="Roll back this function alone.")] = None,
    yes: Yes = False,
) -> None:
    """Point the functions' alias `live` at the versions before the current ones. Tables and queues are unchanged."""
    context = context_of(ctx)
    stack = context.stack
    client = stack.account.client("lambda")
    names = [stack.output(each.output) for each in ([only] if only else Function)]
    changes = [change for name in names if (change := rolling_back.plan(client, name))]
    first = [name for name in names if name not in {change.function for change in changes}]
    if not changes:
        raise Failure(f"no version before the current one: {', '.join(first)}; deploy the earlier code instead")
    for name in first:  # a deployment that changed one function gave the other no version
        context.note(f"{name} has no earlier version and stays as it is.", "yellow")
    if yes:
        for change in changes:
            rolling_back.apply(client, change)
    rows = [[change.function, change.current, change.previous] for change in changes]
    shown = table(["function", "from version", "to version"], rows)
    done = "Done." if yes else "Nothing was changed. Add --yes to do it."
    result = {"dry_run": not yes, "changes": [asdict(change) for change in changes]}
    context.print_result(result, Group(shown, "", done))
