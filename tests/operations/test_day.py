"""A day with 200 tickets, every kind of failure and privacy requests, handled with the documented commands only."""

import hashlib
import json
import re
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from local.vendor.webhooks import Form
from ops.queues import Queue
from tests.operations.on_call import NEW_SECRET, ON_THE_STACK, ROTATE_WEBHOOK_SECRET, WRITE_CREDENTIAL, OnCall
from tests.support.consistency_checks import ConsistencyChecks
from tests.support.load import personal_data, spellings
from tests.support.queues import dead_letters_after, messages
from tests.support.runbooks import TEXT, commands
from tests.support.waiting import eventually
from ticket_archive.messages import ticket_message

pytestmark = ON_THE_STACK


def documented(command: str) -> str:
    """Return a command without an operator's values: the reason, the code, the seconds to wait."""
    command = re.sub(r" --drain-seconds \d+", "", command)
    return re.sub(r"(--reason|--reason-code|--discard|--case|--customer) \S+", r"\1 …", command)


DOCUMENTED = {documented(command) for command in commands(TEXT)}


def type_all(on_call: OnCall, *script: str, **placeholders: str) -> str:
    """Type an operator's script, which has documented commands only; return all that they print."""
    assert {documented(command) for command in script} <= DOCUMENTED
    exit_codes = (0, 1)  # of `doctor`, and of an erasure that leaves a held ticket alone
    return "\n".join(on_call.type(command, exit_codes, **placeholders) for command in script)


def give(on_call: OnCall, *tickets: str) -> None:
    """Write the file of ids that commands read."""
    (on_call.shell.folder / "tickets.txt").write_text("\n".join(tickets))


def test_an_operator_restores_every_customer_of_a_bad_day(on_call: OnCall) -> None:
    stack, queues = on_call.stack, ("WebhookQuarantineQueue", "TicketDeadLetterQueue")
    before = [on_call.depth(queue) for queue in queues]
    given = iter(on_call.tickets(190))
    plain, lost, rotated, down, missing, odd, hinted = (
        [next(given) for _ in range(count)] for count in (84, 40, 20, 30, 3, 3, 10)
    )
    unknown = [f"typing-error-{number}" for number in range(10)]
    poison = [json.dumps({"poison": number}) for number in range(10)]

    # GIVEN a vendor that is down for some tickets, has no document of five and an error page of five, and a new secret
    for ticket in down:
        stack.vendor("script", fault="unavailable", endpoint="details", ticket=ticket, times=3)
    for ticket in missing:
        stack.vendor("script", fault="unavailable", endpoint="images", ticket=ticket, type="DOCUMENT", times=None)
    for ticket in odd:
        stack.vendor("state", ticket=ticket, unusable={"DOCUMENT": "HTML"})
    with on_call.secrets_restored():
        with dead_letters_after(stack, 1):
            bodies = [*map(ticket_message, [*odd, *missing, *down, *plain, *unknown]), *poison]
            assert Queue(stack.sqs, stack.at.queue_url).send(bodies) == set()
            on_call.post(*rotated, secret=NEW_SECRET)
            on_call.post(*hinted, form=Form.EXPIRED)
            count = len(missing) + len(down) + len(unknown)
            eventually(lambda: on_call.depth("TicketDeadLetterQueue") >= count, "all dead letters")
            eventually(lambda: on_call.depth("WebhookQuarantineQueue") >= len(rotated + poison), "quarantine")

        # WHEN the operator works
        shown = type_all(
            on_call,
            "./ticket-archive doctor",
            "./ticket-archive redrive dead-letters --dry-run",
            "./ticket-archive redrive quarantine --dry-run",
            ROTATE_WEBHOOK_SECRET,
        )
        reasons = {"ticket_unknown", "vendor_unavailable", "undecipherable", "message_malformed"}
        assert {reason for reason in reasons if reason not in shown} == set(), shown
        on_call.new_processes()  # instead of six minutes
        type_all(
            on_call,
            "./ticket-archive redrive quarantine --reason undecipherable",
            "./ticket-archive redrive quarantine --reason message_malformed --discard JUNK",
            "./ticket-archive redrive dead-letters --reason ticket_unknown --discard TYPING",
            "./ticket-archive list --state incomplete",
        )
        for ticket in (*missing, *odd):
            type_all(on_call, "./ticket-archive settle TICKET", TICKET=ticket)
        on_call.archived(*missing, *odd, complete=False)
        give(on_call, *lost)
        type_all(
            on_call,
            "./ticket-archive redrive dead-letters --reason archived --discard CASE-17",
            "./ticket-archive redrive dead-letters",
            "./ticket-archive backfill --file tickets.txt",
        )
        on_call.archived(*plain, *lost, *rotated, *down, *hinted, complete=True)

    # THEN every customer has what the vendor has, and nothing is left over
    checks = ConsistencyChecks(stack)
    assert {ticket: found for ticket in (*rotated, *down, *odd) if (found := checks.differences(ticket))} == {}
    assert [on_call.item(ticket) for ticket in unknown if on_call.item(ticket).get("state") == "archived"] == []
    assert all(on_call.depth(queue) <= depth for queue, depth in zip(queues, before, strict=True))

    # AND a hundred of them are erased within minutes, but not those that a court asks for
    held, erased = hinted[:3], [*plain, *lost[:16]]
    give(on_call, *held)
    type_all(on_call, "./ticket-archive hold --file tickets.txt --case CASE-17 --drain-seconds 1")
    give(on_call, *held, *erased)
    began = time.monotonic()
    shown = type_all(on_call, "./ticket-archive erase --file tickets.txt --yes --drain-seconds 1")
    seconds = time.monotonic() - began
    assert all(ticket in shown.partition("legal hold")[2] for ticket in held)
    assert {on_call.item(ticket)["state"] for ticket in erased} == {"erased"}
    assert {on_call.item(ticket)["state"] for ticket in held} == {"archived"}
    assert len(erased) == 100
    assert seconds < 60, "100 erasures take minutes on AWS, without the 70 s of waiting"
    print(f"\n{len(erased)} erasures: {seconds:.1f} s")  # noqa: T201


def test_an_erasure_leaves_nothing_of_the_person(on_call: OnCall) -> None:
    stack = on_call.stack
    [ticket] = on_call.tickets(1)
    first = stack.vendor("expected", ticket=ticket)
    person = {*personal_data(first), first["customer"]}
    person -= set(chain(*found(on_call, ticket, person).values()))  # another person may have the same name
    assert len(person) >= 3
    stack.post(ticket)
    on_call.archived(ticket)
    stack.vendor("state", ticket=ticket, outcome="REJECTED", take=1)  # an earlier version, with other images
    stack.post(ticket, "verification")
    on_call.archived(ticket, outcome="REJECTED")
    second = stack.vendor("expected", ticket=ticket)
    earlier, current = (
        {file["sha256"] for files in each["images"].values() for file in files} for each in (first, second)
    )
    values = person | earlier | current
    before = found(on_call, ticket, values)
    assert before["table"] >= person | current, "this search does find them"
    assert before["bucket"] >= earlier | current

    for command in (
        "export --customer C -o export.zip",
        "erase --customer C --yes --reason-code ART-17 --drain-seconds 1",
    ):
        type_all(on_call, f"./ticket-archive {command}".replace("--customer C", f"--customer {first['customer']}"))

    receipt = re.sub(r"\s", "", type_all(on_call, "./ticket-archive audit TICKET", TICKET=ticket))
    assert "reason_code=ART-17" in receipt
    assert {value for value in values if value in receipt} == set()
    assert {place: left for place, left in found(on_call, ticket, values).items() if left} == {}


def found(on_call: OnCall, ticket: str, values: Collection[str]) -> dict[str, set[str]]:
    """Return the values that are found, by place."""
    return {
        place: {value for value in values if any(each in text for each in spellings(value))}
        for place, text in everywhere(on_call, ticket)
    }


def everywhere(on_call: OnCall, ticket: str) -> Iterator[tuple[str, str]]:
    """Yield the text of every place that may hold something of a ticket."""
    stack, idempotency = on_call.stack, on_call.stack.resources["Idempotency"]
    for place, table in (("table", stack.at.table), ("idempotency", idempotency)):
        items = stack.dynamodb.get_paginator("scan").paginate(TableName=table).search("Items[]")
        yield place, "\n".join(json.dumps(item, default=str, ensure_ascii=False) for item in items)
    versions = stack.versions()
    about = [each for each in versions if f"/{ticket}/" in each["Key"] and "Size" in each]
    bodies = [
        stack.s3.get_object(Bucket=stack.at.bucket, Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        for each in about
    ]
    texts = [each["Key"] for each in versions]
    texts += [f"{hashlib.sha256(body).hexdigest()} {body.decode('utf-8', 'replace')}" for body in bodies]
    yield "bucket", "\n".join(texts)
    for url in (stack.at.queue_url, stack.at.dead_letter_queue_url, stack.at.quarantine_queue_url):
        yield url, "\n".join(message.body for message in messages(stack, url))
    yield "log", stack.emulator_log
    for name in ("ingest", "retrieval"):
        yield name, "\n".join(stack.logged(name))


def test_both_secrets_are_rotated_under_load(on_call: OnCall) -> None:
    stack = on_call.stack
    old = json.loads(stack.secrets.get_secret_value(SecretId=stack.outputs["VendorCredentialArn"])["SecretString"])
    new = {**old, "api_key": old["api_key"][::-1], "secret": old["secret"][::-1]}
    (on_call.shell.folder / "credential.json").write_text(json.dumps(new))
    last, *tickets = on_call.tickets(150)
    secret, end = stack.at.webhook_secret, len(tickets)
    posted: list[str] = []
    queues = ("WebhookQuarantineQueue", "TicketDeadLetterQueue")
    before = [on_call.depth(queue) for queue in queues]

    def load() -> None:
        while len(posted) < end:
            ticket = tickets[len(posted)]
            on_call.post(ticket, secret=secret)
            posted.append(ticket)
            time.sleep(0.1)

    with on_call.secrets_restored(), ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        eventually(lambda: len(posted) >= 10, "the load")
        type_all(on_call, ROTATE_WEBHOOK_SECRET, WRITE_CREDENTIAL)
        stack.vendor("change_credential", **new)  # the old one ends
        on_call.new_processes()  # instead of six minutes
        secret, end = NEW_SECRET, min(len(posted) + 20, len(tickets))  # entered in the vendor's webhook settings
        loading.result()
        on_call.archived(*posted)
        shown = type_all(on_call, "./ticket-archive redrive quarantine --dry-run")
        shown += type_all(on_call, "./ticket-archive send-test-webhook --ticket TICKET --wait", TICKET=last)
    assert "archived" in shown
    assert all(on_call.depth(queue) <= depth for queue, depth in zip(queues, before, strict=True))
