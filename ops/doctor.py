"""Check an installation from the outside: what a deployment needs, and what stops webhooks or tickets."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests

from ops import test_webhook
from ops.errors import Failure, explain
from ops.stack import Stack
from ops.test_webhook import request_credentials, vendor_credential, webhook_secrets
from ticket_archive.errors import ArchiveError
from ticket_archive_client import ArchiveApiError, CorruptDownload, TicketArchive

_TIMEOUT = 30  # seconds
_ROUND_TRIP_SECONDS = 120

WITH_A_TICKET = "`doctor --ticket TICKET`, with a ticket that the vendor knows, shows"
NOT_PROVEN = (
    "that the vendor has the same webhook secret and this webhook URL: `list --day` shows whether its webhooks arrive",
)
NOT_PROVEN_WITHOUT_A_TICKET = (
    f"that the vendor accepts the credential and the User-Agent: {WITH_A_TICKET} that",
    f"that callers may use the API, and that presigned URLs work: {WITH_A_TICKET} that for you",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it found, and what that proves."""

    name: str
    ok: bool
    detail: str
    proves: str


Run = Callable[[Stack], tuple[bool, str]]


def checks(stack: Stack, ticket: str | None = None) -> Iterator[Check]:
    """Run every check; a failing one does not stop the others. With a ticket, archive it once more and download."""
    every: list[tuple[str, Run, str]] = [
        ("webhook secret", _webhook_secret, "the function can decrypt with it; not that the vendor has it"),
        ("vendor credential", _vendor_credential, "its five values are filled in"),
        ("webhook credentials", _request_credentials, "their form, if webhooks must carry them"),
        ("ticket queue", lambda stack: _depth(stack, "QueueUrl", 1000), "tickets are archived as fast as they come"),
        ("dead letters", lambda stack: _depth(stack, "DeadLetterQueueUrl", 0), "no ticket needs a person"),
        ("quarantine", lambda stack: _depth(stack, "QuarantineQueueUrl", 0), "every webhook could be read"),
        ("queue consumer", _event_source, "Lambda receives from the ticket queue"),
        ("table", _table, "you may read it"),
        ("alarms", _alarms, "none is raised now"),
        ("alarm topic", _alarm_topic, "somebody is notified; not that a subscription is confirmed"),
    ]
    if ticket is not None:
        every += [
            ("webhook round trip", lambda stack: _round_trip(stack, ticket), _ROUND_TRIP_PROVES),
            (
                "presigned URL",
                lambda stack: _presigned_url(stack, ticket),
                "you may call the API, and S3 serves the image",
            ),
        ]
    for name, run, proves in every:
        yield Check(name, *_run(run, stack), proves)


_ROUND_TRIP_PROVES = "endpoint, queue, functions and storage work; the vendor accepts credential and User-Agent"


def _run(run: Run, stack: Stack) -> tuple[bool, str]:
    try:
        return run(stack)
    except Failure as failure:
        return False, str(failure)
    except ArchiveError as error:
        return False, error.detail or error.code
    except Exception as error:  # noqa: BLE001 - the other checks still run
        return False, str(explain(error))


def _webhook_secret(stack: Stack) -> tuple[bool, str]:
    found = webhook_secrets(stack.secrets, stack.output("WebhookSecretArn"))
    return True, f"{len(found)} live, 32 bytes each"


def _vendor_credential(stack: Stack) -> tuple[bool, str]:
    vendor_credential(stack.secrets, stack.output("VendorCredentialArn"))
    return True, "filled in"


def _request_credentials(stack: Stack) -> tuple[bool, str]:
    arn = stack.parameters.get("WebhookCredentialsSecretArn")
    if not arn:
        return True, "not used"
    request_credentials(stack.secrets, arn)
    return True, "well-formed"


def _depth(stack: Stack, output: str, at_most: int) -> tuple[bool, str]:
    waiting, _ = stack.queue(output).look()
    return waiting <= at_most, f"{waiting} messages"


def _event_source(stack: Stack) -> tuple[bool, str]:
    mappings = stack.account.client("lambda").list_event_source_mappings(EventSourceArn=stack.output("QueueArn"))
    states = [mapping["State"] for mapping in mappings["EventSourceMappings"]]
    return states == ["Enabled"], ", ".join(states) or "none: the queue is not consumed"


def _table(stack: Stack) -> tuple[bool, str]:
    return True, f"{len(stack.table.incomplete(100))} incomplete tickets (100 at most are counted)"


def _described(stack: Stack) -> list[dict[str, Any]]:
    """Return the stack's alarms. CloudFormation names them STACK-LOGICALID-SUFFIX; others may begin alike."""
    prefix = f"{stack.name}-"
    pages = stack.account.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    alarms = [alarm for page in pages for alarm in page.get("MetricAlarms", ())]
    return [alarm for alarm in alarms if alarm["AlarmName"].removeprefix(prefix).count("-") == 1]


def _alarms(stack: Stack) -> tuple[bool, str]:
    names = [alarm["AlarmName"] for alarm in _described(stack) if alarm["StateValue"] == "ALARM"]
    return not names, ", ".join(names) or "none in ALARM"


def _alarm_topic(stack: Stack) -> tuple[bool, str]:
    alarms = _described(stack)
    topics = {topic for alarm in alarms for topic in alarm["AlarmActions"]}
    silent = [alarm["AlarmName"] for alarm in alarms if not alarm["AlarmActions"] or not alarm["ActionsEnabled"]]
    if not alarms or silent:
        return False, f"{len(silent)} of {len(alarms)} alarms notify nobody: set AlarmTopicArn"
    return True, f"{len(alarms)} alarms notify {', '.join(sorted(topics))}"


def _round_trip(stack: Stack, ticket: str) -> tuple[bool, str]:
    before = stack.table.get(ticket)
    code, _ = test_webhook.send(stack, test_webhook.event(test_webhook.Event.COMPLETED, ticket, secrets.token_hex(8)))
    if code != 202:
        return False, f"the endpoint answered {code}"
    archived = test_webhook.wait(stack.table, ticket, before, _ROUND_TRIP_SECONDS)
    if archived is None:
        return False, f"not archived within {_ROUND_TRIP_SECONDS} s; see `status {ticket}`"
    return True, f"archived, {archived.outcome}, {len(archived.images)} images"


def _presigned_url(stack: Stack, ticket: str) -> tuple[bool, str]:
    http = requests.Session()
    if stack.account.ca_bundle:  # the local stack; the environment's proxies and REQUESTS_CA_BUNDLE are not for it
        http.trust_env, http.verify = False, stack.account.ca_bundle
    url = stack.webhook_url.removesuffix("/webhooks/tickets")
    with TicketArchive(url, stack.account.session, http=http, timeout=_TIMEOUT) as archive:
        try:
            images = archive.images(ticket)
            if not images:
                return False, "the ticket has no image; try another one"
            return True, f"{len(archive.download(images[0])):,} bytes, as archived"
        except ArchiveApiError as error:
            return False, f"the API or S3 answered {error}"
        except CorruptDownload:
            return False, "S3 answered with other bytes than those archived"
