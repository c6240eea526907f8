"""Check an installation from the outside: what a deployment needs, and what stops webhooks or tickets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ops.errors import Failure, explain
from ops.stack import Stack
from ops.test_webhook import request_credentials, vendor_credential, webhook_secrets
from ticket_archive.errors import ArchiveError

NOT_PROVEN = (
    "that the vendor has the same webhook secret and this webhook URL: `list --day` shows whether its webhooks arrive",
    "that the vendor accepts the credential: VendorCallsDenied on the dashboard, or `backfill TICKET`, shows that",
    "that callers have permission to use the API",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check and what it found."""

    name: str
    ok: bool
    detail: str


def checks(stack: Stack) -> Iterator[Check]:
    """Run every check; a failing one does not stop the others."""
    for name, run in {
        "webhook secret": _webhook_secret,
        "vendor credential": _vendor_credential,
        "webhook credentials": _request_credentials,
        "ticket queue": lambda stack: _depth(stack, "QueueUrl", 1000),
        "dead letters": lambda stack: _depth(stack, "DeadLetterQueueUrl", 0),
        "quarantine": lambda stack: _depth(stack, "QuarantineQueueUrl", 0),
        "queue consumer": _event_source,
        "table": lambda stack: (
            True,
            f"{len(stack.table.incomplete(100))} incomplete tickets (100 at most are counted)",
        ),
        "alarms": _alarms,
    }.items():
        yield _check(name, run, stack)


def _check(name: str, run: Callable[[Stack], tuple[bool, str]], stack: Stack) -> Check:
    try:
        return Check(name, *run(stack))
    except Failure as failure:
        return Check(name, False, str(failure))
    except ArchiveError as error:
        return Check(name, False, error.detail or error.code)
    except Exception as error:  # noqa: BLE001 - the other checks still run
        return Check(name, False, str(explain(error)))


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


def _alarms(stack: Stack) -> tuple[bool, str]:
    client = stack.account.client("cloudwatch")
    pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack.name}-", StateValue="ALARM")
    names = [alarm["AlarmName"] for page in pages for alarm in page.get("MetricAlarms", ())]
    return not names, ", ".join(names) or "none in ALARM"
