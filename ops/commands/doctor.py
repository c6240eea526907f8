"""`doctor`: check an installation: what a deployment needs, and what stops webhooks or tickets."""

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Group

from ops.app import app, context_of, partial_results
from ops.arguments import ticket_option
from ops.commands.send_test_webhook import event_of, send, wait_until_archived
from ops.context import Rows
from ops.errors import Failure, explain
from ops.stack import Stack
from ticket_archive.secrets import VendorCredential
from ticket_archive.table import Due
from ticket_archive_client import ArchiveApiError, CorruptDownload, TicketArchive

_TIMEOUT = 30  # seconds
_ROUND_TRIP_SECONDS = 120
_BACKLOG = 1000
"""Messages of the ticket queue that may wait."""

WITH_A_TICKET = "`doctor --ticket TICKET`, with a ticket that the vendor knows, shows"
NOT_PROVEN = (
    "that the vendor has the same webhook secret and webhook URL: `list --day YYYY-MM-DD` shows which tickets arrived",
)
NOT_PROVEN_WITHOUT_A_TICKET = (
    f"that the vendor accepts the credential and the User-Agent: {WITH_A_TICKET} that",
    f"that callers may use the API, and that presigned URLs work: {WITH_A_TICKET} that for you",
)

Finding = tuple[bool, str]
"""Whether all is well, and what was found."""


@app.command()
def doctor(
    ctx: typer.Context,
    ticket: Annotated[
        str | None, ticket_option("Archive this ticket again and download an image. The vendor must know it.")
    ] = None,
) -> None:
    """Check secrets, queues, consumer and alarms of a stack; with --ticket, everything from a webhook to an image."""
    context = context_of(ctx)
    stack, found = context.stack, list[dict[str, Any]]()
    with partial_results() as failures, context.progress("Checks", None) as advance:  # the round trip may take minutes
        for each in checks(stack, ticket):
            found.append(each)
            advance()
    unproven = [*NOT_PROVEN, *(() if ticket else NOT_PROVEN_WITHOUT_A_TICKET)]
    rows = [["ok" if each["ok"] else "CHECK", each["name"], each["detail"], each["proves"]] for each in found]
    context.print_result(
        {"checks": found, "not_proven": unproven},
        Group(Rows(["", "check", "found", "proves"], rows), "", "Not proven:", *(f"- {each}" for each in unproven)),
    )
    if failures:
        raise failures[0]
    if failed := sum(not each["ok"] for each in found):
        raise Failure(f"{failed} of {len(found)} checks need attention")


def checks(stack: Stack, ticket: str | None = None) -> Iterator[dict[str, Any]]:
    """Run every check; a failing one does not stop the others. With a ticket, archive it again and download."""
    every: list[tuple[str, Callable[[Stack], Finding], str]] = [
        ("webhook secret", _webhook_secret, "the function can decrypt with it; not that the vendor has it"),
        ("vendor credential", _vendor_credential, "its five values are filled in"),
        ("webhook credentials", _webhook_credentials, "their form, if webhooks must carry them"),
        ("ticket queue", _backlog, "tickets are archived as fast as they come"),
        ("dead letters", partial(_empty, output="DeadLetterQueueUrl", name="dead-letters"), "no ticket needs a person"),
        ("quarantine", partial(_empty, output="QuarantineQueueUrl", name="quarantine"), "every webhook could be read"),
        ("queue consumer", _event_source, "Lambda receives from the ticket queue"),
        ("table", _table, "you may read it"),
        ("alarms", _alarms, "none is raised now"),
        ("alarm topic", _alarm_topic, "they have a topic; not that a subscription is confirmed"),
    ]
    if ticket is not None:
        way = "endpoint, queue, functions and storage work; the vendor accepts credential and User-Agent"
        every += [
            ("webhook round trip", partial(_round_trip, ticket=ticket), way),
            ("presigned URL", partial(_presigned_url, ticket=ticket), "you may call the API; S3 serves the image"),
        ]
    for name, run, proves in every:
        try:
            ok, detail = run(stack)
        except Exception as error:  # noqa: BLE001 - the other checks still run
            ok, detail = False, str(explain(error))
        yield {"name": name, "ok": ok, "detail": detail, "proves": proves}


def _webhook_secret(stack: Stack) -> Finding:
    return True, f"{len(stack.webhook_secrets())} live, 32 bytes each"


def _vendor_credential(stack: Stack) -> Finding:
    VendorCredential.read(stack.secret(stack.output("VendorCredentialArn")))
    return True, "filled in"


def _webhook_credentials(stack: Stack) -> Finding:
    return True, "well-formed" if stack.webhook_credentials() else "not used"


def _backlog(stack: Stack) -> Finding:
    depth = stack.queue("QueueUrl").depth()
    return depth.visible <= _BACKLOG, f"{depth.visible} messages, {depth.in_flight} in flight"


def _empty(stack: Stack, output: str, name: str) -> Finding:
    depth = stack.queue(output).depth()
    found = f"{depth.visible} messages"
    found += f": `redrive {name} --dry-run`" if depth.visible else ""
    found += f", {depth.in_flight} more in flight: someone is redriving" if depth.in_flight else ""
    return depth.visible + depth.in_flight == 0, found


def _event_source(stack: Stack) -> Finding:
    mappings = stack.client("lambda").list_event_source_mappings(EventSourceArn=stack.output("QueueArn"))
    states = [mapping["State"] for mapping in mappings["EventSourceMappings"]]
    return states == ["Enabled"], ", ".join(states) or "none: the queue is not consumed"


def _table(stack: Stack) -> Finding:
    return True, f"{len(stack.table.listed(Due.INCOMPLETE, 100))} incomplete tickets (100 at most are counted)"


def _described(stack: Stack) -> list[dict[str, Any]]:
    """Return the stack's alarms. CloudFormation names them STACK-LOGICALID-SUFFIX; others may begin alike."""
    prefix = f"{stack.name}-"
    pages = stack.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    alarms = [alarm for page in pages for alarm in page.get("MetricAlarms", ())]
    return [alarm for alarm in alarms if alarm["AlarmName"].removeprefix(prefix).count("-") == 1]


def _alarms(stack: Stack) -> Finding:
    names = [alarm["AlarmName"] for alarm in _described(stack) if alarm["StateValue"] == "ALARM"]
    return not names, f"{', '.join(names)}: see docs/operations.md" if names else "none in ALARM"


def _alarm_topic(stack: Stack) -> Finding:
    alarms = _described(stack)
    topics = {topic for alarm in alarms for topic in alarm["AlarmActions"]}
    silent = [alarm for alarm in alarms if not alarm["AlarmActions"] or not alarm["ActionsEnabled"]]
    if not alarms or silent:
        return False, f"{len(silent)} of {len(alarms)} alarms have no topic: set AlarmTopicArn"
    return True, f"{len(alarms)} alarms notify {', '.join(sorted(topics))}"


def _round_trip(stack: Stack, ticket: str) -> Finding:
    before = stack.table.get(ticket)
    code, _ = send(stack, event_of("completed", ticket, secrets.token_hex(8)))
    if code != 202:
        return False, f"the endpoint responded with {code}"
    archived = wait_until_archived(stack.table, ticket, before, _ROUND_TRIP_SECONDS)
    if archived is None:
        return False, f"not archived within {_ROUND_TRIP_SECONDS} s; see `status {ticket}`"
    return True, f"archived, {archived.outcome}, {len(archived.images)} images"


def _presigned_url(stack: Stack, ticket: str) -> Finding:
    url = stack.output("WebhookUrl").removesuffix("/webhooks/tickets")
    with TicketArchive(url, stack.session, http=stack.http(), timeout=_TIMEOUT) as archive:
        try:
            images = archive.images(ticket)
            if not images:
                return False, "the ticket has no image; try another one"
            return True, f"{len(archive.download(images[0])):,} bytes, as archived"
        except ArchiveApiError as error:
            return False, f"the API or S3 responded with {error}"
        except CorruptDownload:
            return False, "the downloaded image differs from the archived one"
